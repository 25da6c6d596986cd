"""Flickr30K as Kaggle packs it: captions, split, vocabulary, pixels, cached features.

Two rules are stated here and nowhere else: how a caption becomes words (`words`,
`is_junk`, `Vocabulary.build`) and how a picture becomes pixels (`load_pixels`).
The Go side (captioner/picture) is tested against the second.
"""

import hashlib
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

import splits

log = logging.getLogger(__name__)

PAD, BOS, EOS, UNK = range(4)
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
MIN_COUNT = 4
MAX_TOKENS = 10_000

# The real results.csv has one row without its second separator:
# "2199200615.jpg| 4   A dog runs across the grass ."
ROW = re.compile(r"^(?P<image>[^|]+)\|\s*(?P<number>\d+)\s*\|?\s*(?P<caption>.*)$")


def words(caption: str) -> list[str]:
    """The words of a caption: lower case, letters and digits, ' and - only inside.

    Flickr30K writes "the man 's hat": its 's goes back to its word.
    """
    return re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*", caption.lower().replace(" 's", "'s"))


def is_junk(caption: str) -> bool:
    """Whether a caption teaches nothing ("a", "broken image")."""
    return len(words(caption)) < 3 or "broken image" in caption.lower()


def read_captions(path: Path) -> dict[str, list[str]]:
    """Reads results.csv: the captions of each picture, in the file's order."""
    captions: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for number, line in enumerate(file, start=1):
            row = ROW.match(line.rstrip("\r\n"))
            if row:
                captions.setdefault(row["image"].strip(), []).append(row["caption"].strip())
            elif line.strip() and not line.startswith("image_name|"):
                log.warning("%s:%d is not a caption: %r", path, number, line)
    return captions


class Vocabulary:
    """Words and their token ids: the special tokens, then words by falling count."""

    def __init__(self, words_by_id: Sequence[str]) -> None:
        """Takes the word of each id; the first four are the special tokens."""
        if tuple(words_by_id[:4]) != SPECIALS:
            raise ValueError(f"a vocabulary begins with {SPECIALS}, not {words_by_id[:4]}")
        self.words = list(words_by_id)
        self.ids = {word: i for i, word in enumerate(self.words)}

    @classmethod
    def build(cls, captions: Iterable[str]) -> "Vocabulary":
        """Keeps words that occur MIN_COUNT times or more, at most MAX_TOKENS tokens."""
        counts = Counter(word for caption in captions for word in words(caption))
        kept = (word for word, count in counts.items() if count >= MIN_COUNT)
        ranked = sorted(kept, key=lambda word: (-counts[word], word))
        return cls([*SPECIALS, *ranked[: MAX_TOKENS - len(SPECIALS)]])

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Reads a file that text() wrote."""
        return cls(path.read_text(encoding="utf-8").splitlines())

    def __len__(self) -> int:
        """The number of tokens, the special ones included."""
        return len(self.words)

    def encode(self, caption: str, max_length: int) -> list[int]:
        """Token ids without <bos>, the last one <eos>, at most max_length of them."""
        ids = [self.ids.get(word, UNK) for word in words(caption)]
        return ids[: max_length - 1] + [EOS]

    def decode(self, ids: Iterable[int]) -> str:
        """The words up to <eos>."""
        text = []
        for i in ids:
            if i in (EOS, PAD):
                break
            text.append(self.words[i])
        return " ".join(text)

    def text(self) -> str:
        """The file that the artifact carries: one word a line, line number = id."""
        return "\n".join(self.words) + "\n"


@dataclass(frozen=True)
class Dataset:
    """Pictures with captions in the Kaggle layout, and which of them are of which split."""

    folder: Path  # of the picture files
    captions: dict[str, list[str]]
    train: list[str]
    val: list[str]
    test: list[str]  # empty if the split has none

    @classmethod
    def open(cls, folder: Path, lists: Path | None = None) -> "Dataset":
        """Reads a folder as Kaggle's archive unpacks, or with results.csv beside the pictures.

        lists is the folder of the split's lists (splits.py), by default the
        same.
        """
        # The archive holds flickr30k_images/results.csv, the pictures in
        # flickr30k_images/flickr30k_images, and both once more a level below.
        levels = [folder.joinpath(*["flickr30k_images"] * depth) for depth in range(4)]
        tables = [level / "results.csv" for level in levels if (level / "results.csv").exists()]
        if not tables:
            raise FileNotFoundError(
                f"there is no results.csv in {folder} or its flickr30k_images: "
                "give the folder into which the archive was unpacked"
            )
        captions = read_captions(tables[0])
        there = {level: captions.keys() & _names_in(level) for level in levels}
        pictures = max(levels, key=lambda level: len(there[level]))
        if not there[pictures]:
            raise FileNotFoundError(f"no picture that {tables[0]} names is in {levels[1]}")
        if missing := captions.keys() - there[pictures]:
            log.warning(
                "%d pictures of %s are not in %s, such as %s",
                len(missing), tables[0], pictures, min(missing),
            )  # fmt: skip
        data = cls(pictures, captions, **splits.read(lists or folder, captions))
        if crossing := sum(data.is_held_out(c) for n in data.train for c in captions[n]):
            log.info("%d captions of train are also of val or test: not trained on", crossing)
        return data

    def path(self, name: str) -> Path:
        """The file of a picture."""
        return self.folder / name

    def vocabulary(self) -> Vocabulary:
        """The words of the train captions."""
        return Vocabulary.build(c for name in self.train for c in self.captions[name])

    def clean_captions(self, name: str) -> list[str]:
        """A picture's captions without junk and without those that repeat another."""
        return list(dict.fromkeys(c for c in self.captions[name] if not is_junk(c)))

    def training_captions(self, name: str) -> list[str]:
        """What is learnt of a picture: its clean captions, but none that val or test has too.

        Words are counted in those as well: that a word exists is no secret.
        """
        return [c for c in self.clean_captions(name) if not self.is_held_out(c)]

    def is_held_out(self, caption: str) -> bool:
        """Whether val or test has a caption of the same words."""
        return tuple(words(caption)) in self._held_out

    @cached_property
    def _held_out(self) -> frozenset[tuple[str, ...]]:
        """The captions of val and test, as words."""
        return frozenset(tuple(words(c)) for n in (*self.val, *self.test) for c in self.captions[n])


def _names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def load_pixels(path: Path, size: int) -> np.ndarray:
    """A picture as the model sees it: uint8 [size, size, 3].

    Upright (EXIF), RGB, transparency over white, squashed straight to a square
    with Pillow's BILINEAR, a triangle filter that widens when it shrinks.
    """
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        if "A" in upright.getbands() or "transparency" in upright.info:
            rgba = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        return np.array(upright.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def flip(pixels: np.ndarray) -> np.ndarray:
    """A picture seen in a mirror, [H, W, 3]."""
    return np.ascontiguousarray(pixels[:, ::-1])


def augment(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random crop of at least half the area, perhaps mirrored, colours changed a little."""
    image, size = Image.fromarray(pixels), pixels.shape[0]
    width, height = size * np.sqrt(random.uniform(0.5, 1.0, 2))
    left, top = random.uniform(0, size - width), random.uniform(0, size - height)
    box = (left, top, left + width, top + height)
    image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(random.uniform(0.8, 1.2))
    changed = np.asarray(image)
    return flip(changed) if random.random() < 0.5 else changed


class Cache:
    """Rows of numbers for pictures, in a file that is mapped into memory."""

    def __init__(self, path: Path) -> None:
        """Opens a finished cache: an .npy file and the names of its rows in a .json."""
        self.array = np.load(path, mmap_mode="r")
        self.names: list[str] = json.loads(path.with_suffix(".json").read_text())
        self.row = {name: i for i, name in enumerate(self.names)}

    def batch(self, names: Sequence[str], views: Sequence[int]) -> torch.Tensor:
        """The given view of each picture as float32 [batch, ...]."""
        rows = [self.array[self.row[n], v] for n, v in zip(names, views, strict=True)]
        return torch.from_numpy(np.stack(rows)).float()


def _cache_path(folder: Path, kind: str, made_from: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
    return folder / f"{kind}-{key}.npy"


def _fingerprint(path: Path) -> list[object]:
    """What changes when a file does; a missing one has a fingerprint too."""
    try:
        return [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    except OSError:
        return [path.name, None]


def cached_pixels(folder: Path, data: Dataset, names: Sequence[str], size: int) -> Cache:
    """uint8 [pictures, 1, size, size, 3] of those that can be read; the others are reported.

    Kept under a hash of size and of the files' names and bytes.
    """
    made_from = ["v2", size, [_fingerprint(data.path(name)) for name in names]]
    path = _cache_path(folder, "pixels", made_from)
    if not path.with_suffix(".json").exists():
        unfinished = path.with_suffix(".tmp")
        shape = (len(names), 1, size, size, 3)
        array = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
        good: list[str] = []
        for name in names:
            try:
                array[len(good), 0] = load_pixels(data.path(name), size)
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                log.warning("left out: %s: %s", name, error)
                continue
            good.append(name)
        array.flush()
        _finish(path, unfinished, good)
    return Cache(path)


def cached_features(
    folder: Path,
    pixels: Cache,
    views: Sequence[Callable[[np.ndarray, np.random.Generator], np.ndarray]],
    extract: Callable[[torch.Tensor], torch.Tensor],
    identity: Sequence[object],
    batch: int = 32,
) -> Cache:
    """fp16 [pictures, views, ...]: what extract makes of each view of each picture.

    extract maps uint8 [batch, size, size, 3] to [batch, ...]. identity names it,
    its weights and the views; the cache is kept under a hash of it, of the
    pictures' names and of sample pixels.
    """
    sample = hashlib.sha256(np.ascontiguousarray(pixels.array[:: 1 + len(pixels.names) // 100]))
    path = _cache_path(folder, "features", [list(identity), pixels.names, sample.hexdigest()])
    if not path.with_suffix(".json").exists():
        unfinished, array = path.with_suffix(".tmp"), None
        for start in range(0, len(pixels.names), batch):
            rows = range(start, min(start + batch, len(pixels.names)))
            for number, view in enumerate(views):
                seen = [view(pixels.array[i, 0], np.random.default_rng([i, number])) for i in rows]
                made = extract(torch.from_numpy(np.stack(seen))).half().numpy()
                if array is None:
                    shape = (len(pixels.names), len(views), *made.shape[1:])
                    array = np.lib.format.open_memmap(unfinished, "w+", np.float16, shape)
                array[rows, number] = made
            if start // batch % 20 == 0:
                log.info("features: %d of %d pictures", start, len(pixels.names))
        array.flush()
        _finish(path, unfinished, pixels.names)
    return Cache(path)


def _finish(path: Path, unfinished: Path, names: list[str]) -> None:
    """The .json comes last: a cache without it was not finished."""
    os.replace(unfinished, path)
    listing = path.with_suffix(".json.tmp")
    listing.write_text(json.dumps(names))
    os.replace(listing, path.with_suffix(".json"))
