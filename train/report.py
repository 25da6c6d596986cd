"""One HTML file about a model: figures, then pictures with all that it says of them.

The file holds everything, pictures too, and asks no other machine for anything.
It belongs into a run's folder: the pictures are the data set's. How it looks is
in report.html.

Shapes: T words, P grid positions.
"""

import base64
import io
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import ImageNetInfo

from answers import Answers
from data import Dataset, words
from heads import WordList, stems
from table import Table, show
from validation import CHOSEN_ON

TEMPLATE = Path(__file__).with_name("report.html")
SEED, DRAWN, WORST = 4, 20, 50  # pictures drawn by the seed, pictures of the lowest CIDEr
PHOTO = 400  # pixels, the longer side
FINE = 28  # pixels a side of a heat map, smoothed from the grid
SHOWN_WORDS, SHOWN_CLASSES = 12, 5

# Colours of shares of a word's greatest attention: red, green, blue, opacity.
SHARES = (0.0, 0.35, 0.65, 1.0)
HEAT = ((16, 20, 52, 130), (36, 26, 80, 90), (206, 60, 66, 95), (255, 190, 50, 140))


class Report:
    """What a model says about the pictures of a data set, to be shown."""

    def __init__(
        self,
        data: Dataset,
        answers: Answers,
        cider: Mapping[str, float],
        picture_words: WordList | None = None,
    ) -> None:
        """Takes the CIDEr of each picture; picture_words are those of answers.words."""
        self.data, self.answers, self.cider = data, answers, cider
        self.row = {name: i for i, name in enumerate(answers.names)}
        self.class_names = ImageNetInfo()
        self.words: list[str] = []
        if picture_words is not None:
            self.words = spell(picture_words, data)
            self.log_odds = picture_words.log_odds(torch.from_numpy(answers.words)).numpy()

    def write(self, path: Path, title: str, tables: Sequence[Table]) -> None:
        """Writes the file."""
        names = self.answers.names
        reporting = [name for name in self.data.val[CHOSEN_ON:] if name in self.row] or names
        drawn = random.Random(SEED).sample(reporting, min(DRAWN, len(reporting)))
        worst = sorted(names, key=lambda name: self.cider[name])[:WORST]
        page = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        ).from_string(TEMPLATE.read_text(encoding="utf-8"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            page.render(
                title=title,
                tables=tables,
                show=show,
                drawn=map(self.picture, drawn),
                worst=map(self.picture, worst),
                counts=(len(drawn), len(worst), len(names)),
            ),
            encoding="utf-8",
        )

    def picture(self, name: str) -> dict:
        """What report.html shows of a picture."""
        row, answers = self.row[name], self.answers
        photo, width, height = inline_photo(self.data.path(name))
        return {
            "name": name,
            "cider": self.cider[name],
            "photo": photo,
            "width": width,
            "height": height,
            "people": self.data.captions[name],
            "hypotheses": list(self._hypotheses(row)),
            "looks": [] if answers.attention is None else list(self._looks(row)),
            "words": [] if not self.words else list(self._words(row)),
            "classes": [] if answers.classes is None else list(self._classes(row)),
        }

    def _hypotheses(self, row: int) -> Iterator[dict]:
        for i, text in enumerate(self.answers.hypotheses[row]):
            scores = {"certainty": self.answers.certainty, "likelihood": self.answers.likelihood}
            known = {name: score[row, i] for name, score in scores.items() if score is not None}
            yield {"text": text, "scores": known}

    def _looks(self, row: int) -> Iterator[tuple[str, str]]:
        """Each word of the caption, and where it looked as a picture to lay over the photo.

        The colours of a word that looked nowhere in particular stay pale.
        """
        attention = self.answers.attention[row]
        least = attention.max() / 2
        caption = self.answers.hypotheses[row][0].split()
        labels = [*caption, "end"][: len(attention)]  # the longest captions are cut off
        for word, look in zip(labels, attention, strict=True):
            yield word, inline_heat(look / max(look.max(), least))

    def _words(self, row: int) -> Iterator[dict]:
        odds = self.log_odds[row]
        for column in np.argsort(-odds)[:SHOWN_WORDS]:
            yield {
                "word": self.words[column],
                "odds": odds[column],
                "probability": self.answers.words[row, column],
                "share": max(0.0, odds[column] / odds.max()),
            }

    def _classes(self, row: int) -> Iterator[dict]:
        probabilities = self.answers.classes[row]
        for column in np.argsort(-probabilities)[:SHOWN_CLASSES]:
            names = self.class_names.index_to_description(int(column))
            yield {"name": names.split(",")[0], "probability": probabilities[column]}


def spell(picture_words: WordList, data: Dataset) -> list[str]:
    """For each stem the word that people write most often: "puppi" is puppy."""
    counts = Counter(
        word for each in data.captions.values() for text in each for word in words(text)
    )
    spelled: dict[str, str] = {}
    for word, _ in counts.most_common():
        for stem in stems(word):
            spelled.setdefault(stem, word.removesuffix("'s"))
    return [spelled.get(stem, stem) for stem in picture_words.stems]


def inline_photo(path: Path) -> tuple[str, int, int]:
    """A data URL of the picture, small and upright; its width and height."""
    with Image.open(path) as image:
        photo = ImageOps.exif_transpose(image).convert("RGB")
    photo.thumbnail((PHOTO, PHOTO))
    return _inline(photo, "jpeg", quality=80, optimize=True), *photo.size


def inline_heat(look: np.ndarray) -> str:
    """A data URL of a see-through picture: shares [side, side] of the greatest one as colours."""
    grid = Image.fromarray(look.astype(np.float32))
    fine = np.asarray(grid.resize((FINE, FINE), Image.Resampling.BICUBIC)).clip(0, 1)
    channels = zip(*HEAT, strict=True)
    colours = np.stack([np.interp(fine, SHARES, channel) for channel in channels], -1)
    return _inline(Image.fromarray(colours.round().astype(np.uint8)), "png", optimize=True)


def _inline(image: Image.Image, kind: str, **options: object) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
