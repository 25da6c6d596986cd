"""Makes what the Go tests compare with: pictures of every kind, and the pixels
that Pillow makes of them by the rule of training (train/data.py, load_pixels).

    python3 expected.py        needs Pillow and ImageMagick; writes inputs/ and expected/

An expected file is named INPUT.WIDTHxHEIGHT.png.
"""

import random
import struct
import subprocess
import zlib
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
PHOTOS = HERE / "../../../testdata/photos"
INPUTS, EXPECTED = HERE / "inputs", HERE / "expected"


def pixels(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The rule: upright, over white, RGB, squashed with the triangle filter."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "I;16":
        # Pillow clips 16-bit grey to white; we take the high byte, as it
        # does for colour.
        raw = image.tobytes()
        image = Image.frombytes("L", image.size, raw[1::2])
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB").resize(size, Image.Resampling.BILINEAR)


def expect(path: Path, size: tuple[int, int]) -> None:
    with Image.open(path) as image:
        pixels(image, size).save(EXPECTED / f"{path.name}.{size[0]}x{size[1]}.png", optimize=True)


def png16(path: Path, image: Image.Image, color_type: int, channels: int) -> None:
    """Writes a 16-bit PNG with noise in the low bytes; Pillow can write none in colour."""
    noise = random.Random(1)
    width, height = image.size
    high = image.tobytes()
    rows = b""
    for y in range(height):
        row = high[y * width * channels : (y + 1) * width * channels]
        rows += b"\0" + b"".join(bytes([v, noise.randrange(256)]) for v in row)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, body in chunks:
            file.write(struct.pack(">I", len(body)) + name + body)
            file.write(struct.pack(">I", zlib.crc32(name + body)))


def imagemagick(image: Image.Image, path: Path, factors: str) -> None:
    """Writes a JPEG with sampling factors that Pillow cannot write."""
    raw = ["convert", "-size", f"{image.width}x{image.height}", "-depth", "8", "rgb:-"]
    options = ["-quality", "85", "-sampling-factor", factors, "-strip"]
    subprocess.run([*raw, *options, str(path)], input=image.tobytes(), check=True)


def make_inputs() -> None:
    cat = Image.open(PHOTOS / "chelsea.png").convert("RGB")
    cup = Image.open(PHOTOS / "coffee.png").convert("RGB").resize((151, 101))
    fade = cup.copy()
    fade.putalpha(Image.linear_gradient("L").resize(cup.size))
    small = cup.resize((75, 51))
    small_fade = fade.resize((75, 51))

    cat.save(INPUTS / "sampling-444.jpg", quality=85, subsampling=0)
    cat.save(INPUTS / "sampling-422.jpg", quality=85, subsampling=1)
    cat.save(INPUTS / "sampling-420.jpg", quality=85, subsampling=2)
    for name, factors in ("440", "1x2"), ("411", "4x1"):
        imagemagick(cup, INPUTS / f"sampling-{name}.jpg", factors)
    cup.save(INPUTS / "odd-and-small.jpg", quality=90)
    cat.save(INPUTS / "progressive.jpg", quality=85, progressive=True)
    cat.convert("L").save(INPUTS / "grey.jpg", quality=85)
    cup.convert("CMYK").save(INPUTS / "cmyk.jpg", quality=90)
    cup.save(INPUTS / "rgb.jpg", quality=90, keep_rgb=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        cup.save(INPUTS / f"orientation-{orientation}.jpg", quality=85, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    small.save(INPUTS / "orientation-6.png", exif=exif)
    small.save(INPUTS / "orientation-6.webp", exif=exif, lossless=True)
    small.save(INPUTS / "orientation-6.tiff", exif=exif, compression="tiff_lzw")

    fade.save(INPUTS / "alpha.png")
    fade.save(INPUTS / "alpha-lossy.webp", quality=80)
    small_fade.save(INPUTS / "alpha-lossless.webp", lossless=True)
    cup.save(INPUTS / "lossy.webp", quality=80)
    cup.save(
        INPUTS / "animation.webp", save_all=True, append_images=[ImageOps.mirror(cup)], quality=80
    )
    palette = cup.quantize(64)
    palette.save(INPUTS / "palette.png")
    palette.save(INPUTS / "palette-transparent.png", transparency=3)
    palette.save(INPUTS / "still.gif")
    palette.save(INPUTS / "animation.gif", save_all=True, append_images=[ImageOps.mirror(cup)])
    cup.convert("L").save(INPUTS / "grey.png")
    small.convert("LA").save(INPUTS / "grey-alpha.png")
    cup.convert("1").save(INPUTS / "one-bit.png")
    png16(INPUTS / "16-bit.png", small, 2, 3)
    png16(INPUTS / "16-bit-alpha.png", small_fade, 6, 4)
    png16(INPUTS / "16-bit-grey.png", small.convert("L"), 0, 1)
    small.save(INPUTS / "uncompressed.tiff")
    cup.save(INPUTS / "deflate.tiff", compression="tiff_adobe_deflate")
    palette.save(INPUTS / "palette.tiff", compression="tiff_lzw")
    small.save(INPUTS / "colour.bmp")
    palette.resize((75, 51)).save(INPUTS / "palette.bmp")
    Image.new("RGB", (1, 1), "teal").save(INPUTS / "one-pixel.png")
    Image.new("RGB", (1, 1), "teal").save(INPUTS / "one-pixel.jpg")


def main() -> None:
    for folder in INPUTS, EXPECTED:
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    make_inputs()
    for path in sorted(INPUTS.iterdir()):
        expect(path, (64, 48))
    for path in sorted(PHOTOS.iterdir()):
        if path.suffix in (".jpg", ".png"):
            expect(path, (112, 80))
    for name in "astronaut.jpg", "chelsea.png", "raccoon.jpg":
        expect(PHOTOS / name, (224, 224))


if __name__ == "__main__":
    main()
