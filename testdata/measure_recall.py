"""Measures how well the shoebox program finds photos by what people say of them.

    python3 testdata/measure_recall.py bin/shoebox DATA [--library DIR]

DATA is a folder of Flickr30K as train/ reads it. The val pictures are indexed as
the program ships, into a data folder of its own (--library keeps it, for the next
time); then people's captions are typed:

- each caption of a picture, with --similar, looks for that picture;
- 300 short queries of one, two and three words (train/retrieval.py draws them)
  look for all pictures that two or more captions use these words for.

Both with everything that the index knows and with --text-only: 10,600 searches, some
minutes. Needs the packages of train/requirements.txt; SHOEBOX_RUNTIME_DIR names the
runtime.
"""

import argparse
import contextlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "train"))

import heads
import retrieval
from data import Dataset, words

DEEPEST = 50  # hits that are looked at
MODES = {"everything": [], "--text-only": ["--text-only"]}


class Library:
    """The pictures of a data set, indexed by the program."""

    def __init__(self, program, place):
        self.program = os.path.abspath(program)
        self.photos = place / "photos"
        self.env = os.environ | {"SHOEBOX_DATA": str(place / "data"), "DATABASE_URL": ""}

    def run(self, *args):
        done = subprocess.run(
            [self.program, *args], check=False, env=self.env, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"shoebox {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def index(self, data, names):
        """Captions what was not captioned before."""
        self.photos.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (self.photos / name).exists():
                shutil.copy(data.path(name), self.photos / name)
        began = time.monotonic()
        self.run("index", str(self.photos))
        print(f"{len(names)} pictures indexed in {time.monotonic() - began:.0f} s")

    def search(self, query, *flags):
        """The names of the first hits."""
        # What follows -- is no flag, whatever it begins with.
        printed = self.run("search", "--json", f"--limit={DEEPEST}", *flags, "--", query)
        return [os.path.basename(json.loads(line)["path"]) for line in printed.splitlines()]

    def search_all(self, queries, *flags):
        """The hits of many queries, as many at a time as there are processors."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda query: self.search(query, *flags), queries))


def typed(captions):
    """For each stem the word that people write most often for it."""
    forms = defaultdict(Counter)
    for each in captions:
        for caption in each:
            for word in words(caption):
                for stem in heads.stems(word):
                    forms[stem][word.removesuffix("'s")] += 1
    return {stem: counts.most_common(1)[0][0] for stem, counts in forms.items()}


def measure_captions(library, names, captions):
    queries = [" ".join(words(caption)) for each in captions for caption in each]
    wanted = [name for name, each in zip(names, captions, strict=True) for _ in each]
    print(f"{len(queries)} captions     recall@1  recall@10  recall@50  median place")
    for mode, flags in MODES.items():
        found = library.search_all(queries, "--similar", *flags)
        places = [
            hits.index(name) + 1 if name in hits else math.inf
            for hits, name in zip(found, wanted, strict=True)
        ]
        shares = [sum(place <= k for place in places) / len(places) for k in (1, 10, DEEPEST)]
        print(f"  {mode:14}" + "".join(f"{share:>11.1%}" for share in shares), end="")
        print(f"{statistics.median(places):>14g}")


def measure_short(library, names, captions):
    queries = retrieval.short_queries(captions)
    word = typed(captions)
    print(f"{len(queries)} short queries      1 word  2 words  3 words")
    for mode, flags in MODES.items():
        found = library.search_all([" ".join(word[s] for s in q.stems) for q in queries], *flags)
        rows = defaultdict(list)
        for query, hits in zip(queries, found, strict=True):
            relevant = {names[row] for row in query.relevant}
            precision = len(relevant.intersection(hits[:10])) / 10
            recall = len(relevant.intersection(hits)) / len(relevant)
            rows[len(query.stems)].append((precision, recall))
        means = [
            [statistics.mean(column) for column in zip(*row, strict=True)]
            for _, row in sorted(rows.items())
        ]
        for title, column in (("P@10", 0), ("R@50", 1)):
            print(f"  {mode:14}{title}" + "".join(f"{mean[column]:>9.3f}" for mean in means))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("data", type=Path)
    parser.add_argument("--library", type=Path)
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    data = Dataset.open(args.data)
    captions = [data.captions[name] for name in data.val]
    with contextlib.ExitStack() as stack:
        place = args.library
        if place is None:
            # The private database ends a moment after the last command.
            made = tempfile.TemporaryDirectory(prefix="shoebox-recall-", ignore_cleanup_errors=True)
            place = Path(stack.enter_context(made))
        library = Library(args.program, place)
        library.index(data, data.val)
        measure_captions(library, data.val, captions)
        measure_short(library, data.val, captions)


if __name__ == "__main__":
    main()
