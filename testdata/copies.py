"""Makes a library of different pictures out of a few: python3 copies.py DIR COUNT PHOTO.jpg...

Each copy is a whole, valid JPEG with other bytes and other pixels than the rest, so
that none can be taken for a copy of another.
"""

import sys
from pathlib import Path


def quantisers(photo: bytes) -> list[int]:
    """Where the 8-bit quantiser tables of a JPEG begin; the thumbnail's, in an APP segment, are skipped."""
    tables, at = [], 2
    while photo[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(photo[at + 2 : at + 4], "big")
        if photo[at + 1] == 0xDB:
            tables += range(at + 5, end, 65)
        at = end
    return tables


def altered(photo: bytes, number: int) -> bytes:
    """A JPEG with other quantisers for its lowest frequencies: one of 262,144, by number.

    The first 1,024 differ in what a picture shrunk to 224 pixels always shows: the mean
    of brightness and colour, and the three slowest waves of brightness. The others
    do in faster waves, too, which are lost of pictures of more than some megapixels.
    """
    data = bytearray(photo)
    brightness, colour = quantisers(photo)[:2]
    slow = (brightness, colour, brightness + 1, brightness + 2, brightness + 4)
    for place in (*slow, brightness + 3, brightness + 5, colour + 1, colour + 2):
        data[place] = min(data[place] + (number & 3), 255)
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
