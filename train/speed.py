"""How long captioning takes by each graph of an artifact, in ratios from one run.

python speed.py ../captioner/model --data DIR

Prints milliseconds a picture on one thread, of CPU time, which other work on the
machine lengthens less than time on the clock; medians, and medians of the ratios
of runs next to each other.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from answers import GRAPHS, Artifact, Pictures
from data import Dataset

RUNS = {1: 48, 8: 12, 32: 6}  # by batch size
OUTPUTS = ("tokens", "likelihood", "certainty", "words", "classes")  # what shoebox asks for


def seconds(artifacts: list[Artifact], pixels: np.ndarray, batch: int, runs: int) -> np.ndarray:
    """CPU time of each run of each artifact, [artifacts, runs]; they take turns."""
    found = np.zeros((len(artifacts), runs))
    for run in range(runs):
        first = run * batch % (len(pixels) - batch + 1)
        for number in sorted(range(len(artifacts)), reverse=bool(run % 2)):
            started = time.process_time()
            artifacts[number].session.run(pixels[first : first + batch], outputs=OUTPUTS)
            found[number, run] = time.process_time() - started
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artifact", type=Path, help="a folder that export.py wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder in Kaggle's layout")
    args = parser.parse_args()
    artifacts = [Artifact.read(args.artifact, precision) for precision in GRAPHS]
    data = Dataset.open(args.data)
    pixels = Pictures.read(data, data.val[: 2 * max(RUNS)], artifacts[0].size).pixels
    print(
        f"{'batch':>5}" + "".join(f"{precision + ', ms':>10}" for precision in GRAPHS) + "   ratio"
    )
    for batch, runs in RUNS.items():
        found = seconds(artifacts, pixels, batch, runs)
        each = "".join(f"{1000 * ms / batch:>10.2f}" for ms in np.median(found, 1))
        print(f"{batch:>5}{each}{np.median(found[1] / found[0]):>8.3f}", flush=True)


if __name__ == "__main__":
    main()
