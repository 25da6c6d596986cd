"""Makes a library of different pictures out of a few: python3 copies.py DIR COUNT PHOTO.jpg...

Each copy is a whole, valid JPEG with other bytes and other pixels than the rest, so
that none can be taken for a copy of another.
"""

import sys
from pathlib import Path


def altered(photo: bytes, number: int) -> bytes:
    """A JPEG with other quantisers for its five lowest frequencies: one of 1,024, by number."""
    data = bytearray(photo)
    table = data.index(b"\xff\xdb") + 5  # behind marker, length and table number
    for place in range(1, 6):
        data[table + place] = min(data[table + place] + (number & 3), 255)
        number >>= 2
    return bytes(data)


def main() -> None:
    """Command line."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    photos = [Path(name).read_bytes() for name in sys.argv[3:]]
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:05}.jpg").write_bytes(altered(photos[i % len(photos)], i))


if __name__ == "__main__":
    main()
