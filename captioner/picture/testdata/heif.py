"""Makes the HEIC and AVIF pictures among the inputs, and what Pillow makes of
them; see expected.py, which has to run first.

    python3 heif.py        needs Pillow with AVIF (11.3) and pillow-heif
"""

import pillow_heif
from expected import INPUTS, PHOTOS, expect
from PIL import Image

SIZE = (64, 48)
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="4">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A cup</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>coffee</rdf:li><rdf:li>red</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def main() -> None:
    """Writes the inputs and what is expected of them."""
    pillow_heif.register_heif_opener()
    cat = Image.open(PHOTOS / "chelsea.png").convert("RGB")
    cat.info.clear()  # of a profile, which would be written in place of a name
    cup = Image.open(PHOTOS / "coffee.png").convert("RGB").resize((151, 101))
    fade = cup.copy()
    fade.putalpha(Image.linear_gradient("L").resize(cup.size))
    small = cup.resize((75, 51))
    # The HEIC decoder leaves transparency out, so only AVIF has it here.
    files = {
        "colour.heic": (cat, {"quality": 70, "chroma": 420}),
        "sampling-422.heic": (cup, {"quality": 90, "chroma": 422}),
        "sampling-444.heic": (cup, {"quality": 90, "chroma": 444}),
        "limited-range.heic": (
            cat.resize((226, 150)),
            {"quality": 85, "chroma": 444, "matrix_coefficients": 1, "full_range_flag": 0},
        ),
        "grey.heic": (cup.convert("L"), {"quality": 90}),
        "colour.avif": (cup, {"quality": 90, "subsampling": "4:2:0"}),
        "sampling-422.avif": (cup, {"quality": 90, "subsampling": "4:2:2"}),
        "sampling-444.avif": (cup, {"quality": 90, "subsampling": "4:4:4"}),
        "alpha.avif": (fade, {"quality": 90}),
        "grey.avif": (cup.convert("L"), {"quality": 90, "subsampling": "4:0:0"}),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"orientation-{orientation}.heic"] = (
            small,
            {"quality": 80, "chroma": 444, "exif": exif.tobytes()},
        )
        files[f"orientation-{orientation}.avif"] = (
            small,
            {"quality": 80, "subsampling": "4:4:4", "exif": exif},
        )
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 40D"
    exif.get_ifd(0x8769)[0x9003] = "2008:05:30 15:56:01"
    exif.get_ifd(0x8769)[0x9011] = "-03:30"
    files["metadata.heic"] = (small, {"quality": 50, "exif": exif.tobytes(), "xmp": XMP})
    files["metadata.avif"] = (small, {"quality": 50, "exif": exif, "xmp": XMP})
    for name, (image, options) in files.items():
        image.save(INPUTS / name, **options)
        if not name.startswith("metadata"):
            expect(INPUTS / name, SIZE)


if __name__ == "__main__":
    main()
