"""Compares the tests that skipped with the list of those that may (.ci/may-skip)."""

import re
import sys
from pathlib import Path


def skipped(log: str) -> set[str]:
    """Names of skipped tests in the output of `go test -v` and of `pytest -v`."""
    go = re.findall(r"^\s*--- SKIP: (\S+)", log, re.MULTILINE)
    python = re.findall(r"^\S+?::(\S+) SKIPPED", log, re.MULTILINE)
    return set(go) | set(python)


def main() -> int:
    """Prints what skipped without leave; the exit code is 1 when something did."""
    listed = Path(__file__).with_name("may-skip").read_text().splitlines()
    allowed = {line.split()[0] for line in listed if line.strip() and not line.startswith("#")}
    found: set[str] = set()
    for log in sys.argv[1:]:
        if not Path(log).exists():
            print(f"{log} is not there: these tests did not run")
            return 1
        found |= skipped(Path(log).read_text(errors="replace"))
    for name in sorted(found - allowed):
        print(f"skipped without leave: {name} (the list is .ci/may-skip)")
    return 1 if found - allowed else 0


if __name__ == "__main__":
    sys.exit(main())
