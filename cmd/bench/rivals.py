"""Times other ways to caption than shoebox's, for cmd/bench.

python rivals.py ARTIFACT PIXELS THREADS

ARTIFACT is a folder of a model, PIXELS a file of the pixels of some pictures, one after
the other, as the model takes them.
It reads a line of JSON a time from standard input, {"way": "eager", "batch": 8}, and
answers with the time of a batch, {"seconds": 0.2}, or {"error": "why not"}. The ways:

    eager     PyTorch, beam search as shipped, keys and values cached
    compiled  the same through torch.compile
    seed      PyTorch, one picture at a time, greedy, no cache: the whole caption
              goes through the decoder again for each word
    greedy    shoebox's graph for processors in ONNX Runtime, with one beam
    blip      a network of the size of BLIP-base with random weights, greedy, captions
              as long as shoebox's on average

All but the last have the weights of the artifact: PyTorch computes in fp32, and is
refused if it writes another caption than the graph in fp32.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import graph
import numpy as np
import onnx
import torch
from backbone import Backbone
from data import BOS, EOS, Vocabulary
from heads import WordList
from model import HISTORY, NEVER, ModelConfig, repeating
from network import Checkpoint, build, describe
from onnx import GraphProto, numpy_helper
from settings import Decoding
from torch import Tensor, nn

AT_LEAST = 1.5  # seconds that a measurement takes, or one batch


def initializers(part: GraphProto) -> dict[str, Tensor]:
    """A graph's weights by name, fp16 as fp32, and under the names of their Casts too."""
    found = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in part.initializer}
    found = {name: t.float() if t.dtype == torch.float16 else t for name, t in found.items()}
    for node in part.node:
        if node.op_type == "Cast" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def nodes(part: GraphProto) -> list[onnx.NodeProto]:
    """All nodes, those of loops' bodies too."""
    inner = [a.g for node in part.node for a in node.attribute if a.HasField("g")]
    return [*part.node, *(node for body in inner for node in nodes(body))]


def weights(part: GraphProto) -> dict[str, Tensor]:
    """The network's weights, by the names of begin.network and step.captioner.

    The exporter transposes the matrix of a linear layer and forgets its name: it has
    that of the bias that is added next. The last bias is part of what is added to the
    boost.
    """
    named = initializers(part)
    users = {name: node for node in nodes(part) for name in node.input}
    for node in nodes(part):
        if node.op_type == "MatMul" and node.input[1] in named:
            add = users[node.output[0]]
            bias = next(name for name in add.input if name != node.output[0])
            named[bias.removesuffix("bias") + "weight"] = named[node.input[1]].T
        elif node.op_type == "Add" and node.input[0] == "boost" and node.input[1] in named:
            named["step.captioner.bias"] = named[node.input[1]]
    found = {}
    for name, tensor in named.items():
        part_of, _, rest = name.partition(".")
        found[f"network.{rest}" if part_of == "step" else rest] = tensor
    return found


def shipped(artifact: Path) -> Checkpoint:
    """The network in PyTorch, with the weights of the graph; one that is missing is an error."""
    info = json.loads((artifact / "model.json").read_text())
    config = ModelConfig(**info["training"]["model"])
    rows = [row.split("\t") for row in (artifact / "words.tsv").read_text().splitlines()]
    words = WordList([row[0] for row in rows], [float(row[1]) for row in rows])
    vocabulary = Vocabulary((artifact / "vocabulary.txt").read_text().splitlines())
    found = weights(onnx.load(artifact / "model.onnx").graph)
    tail = 1 + max(int(name.split(".")[2]) for name in found if name.startswith("network.tail."))
    backbone = Backbone(config.backbone, pretrained=False).eval()
    network = build(backbone, tail, config, words)
    frozen = backbone.stages[: len(backbone.stages) - tail]
    for prefix, module in (("backbone.stages.", frozen), ("network.", network)):
        module.load_state_dict({name: found[prefix + name] for name in module.state_dict()})
    never = network.captioner.never
    with torch.no_grad():
        network.captioner.bias.sub_(never)
    decoding = Decoding(**info["decoding"])
    saved = describe(network, tail, decoding, [], vocabulary, words, seconds=0.0)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(saved, Path(folder) / "model.pt")
        return Checkpoint(Path(folder) / "model.pt", backbone)


def trimmed(tokens: list[int]) -> list[int]:
    """Up to <eos>."""
    return tokens[: tokens.index(EOS)] if EOS in tokens else tokens


class Rivals:
    """The ways, by name, over the same pictures."""

    def __init__(self, artifact: Path, pixels: np.ndarray, threads: int) -> None:
        """Loads what all need."""
        self.pixels = pixels
        exact = graph.Session((artifact / "model.onnx").read_bytes(), threads)
        written = exact.run(pixels[:8], outputs=("tokens",))["tokens"]
        info = json.loads((artifact / "model.json").read_text())
        int8 = info.get("cpu_precision") == "int8"
        file = artifact / ("model-int8.onnx" if int8 else "model.onnx")
        self.session = graph.Session(file.read_bytes(), threads)
        self.captions = [trimmed(row[0].tolist()) for row in written]
        self.length = round(sum(len(c) + 1 for c in self.captions) / len(self.captions))
        self.ways: dict[str, Callable[[np.ndarray], list[list[int]]]] = {
            "eager": self.eager,
            "compiled": self.compiled,
            "seed": self.seed,
            "greedy": self.greedy,
            "blip": self.blip,
        }
        self.artifact = artifact
        self.warm: set[tuple[str, int]] = set()

    def seconds(self, way: str, batch: int) -> float:
        """Of a batch; the first of its kind is not counted, and checked."""
        pictures = np.resize(self.pixels, (batch, *self.pixels.shape[1:]))
        caption = self.ways[way]
        if (way, batch) not in self.warm and way != "blip":  # which takes a minute
            written = caption(pictures)
            if way in ("eager", "compiled") and written[0] != self.captions[0]:
                raise ValueError(f"{way} writes {written[0]}, the graph {self.captions[0]}")
            self.warm.add((way, batch))
        runs, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < AT_LEAST or runs == 0:
            caption(pictures)
            runs += 1
        return took / runs

    @cached_property
    def model(self) -> Checkpoint:
        """The network in PyTorch."""
        return shipped(self.artifact)

    @cached_property
    def faster(self) -> Checkpoint:
        """The network through torch.compile: all up to the decoder, and the decoder's step."""
        model = shipped(self.artifact)
        model.features = torch.compile(model.features)
        captioner = model.network.captioner
        captioner.encode = torch.compile(captioner.encode)
        captioner.step = torch.compile(captioner.step, dynamic=True)
        return model

    def eager(self, pictures: np.ndarray) -> list[list[int]]:
        """Beam search."""
        return self._search(self.model, pictures)

    def compiled(self, pictures: np.ndarray) -> list[list[int]]:
        """Beam search."""
        return self._search(self.faster, pictures)

    def _search(self, model: Checkpoint, pictures: np.ndarray) -> list[list[int]]:
        written = model.write(model.features(pictures), model.decoding.beams).captions.tokens
        return [trimmed(row[0].tolist()) for row in written]

    def greedy(self, pictures: np.ndarray) -> list[list[int]]:
        """The graph with one beam."""
        written = self.session.run(pictures, beams=1, outputs=("tokens",))["tokens"]
        return [trimmed(row[0].tolist()) for row in written]

    @torch.no_grad()
    def seed(self, pictures: np.ndarray) -> list[list[int]]:
        """One picture after the other, the whole prefix for each word."""
        return [self._prefixes(picture[None]) for picture in pictures]

    def _prefixes(self, picture: np.ndarray) -> list[int]:
        captioner = self.model.network.captioner
        features = self.model.features(picture)
        boost = self.model.boost(self.model.network.words(features).sigmoid())
        memory, first = captioner.encode(features), torch.zeros(1, dtype=torch.long)
        history = torch.full((1, HISTORY), BOS)
        for _ in range(captioner.config.max_length):
            states = captioner.decode(memory, history[:, HISTORY - 1 :], first)
            logits = captioner.logits(states[:, -1]) + captioner.never
            logits = (logits + boost.scatter(1, history, 0.0)).scatter(1, repeating(history), NEVER)
            history = torch.cat([history, logits.argmax(-1, keepdim=True)], 1)
            if history[0, -1] == EOS:
                break
        return trimmed(history[0, HISTORY:].tolist())

    @cached_property
    def large(self) -> nn.Module:
        """A captioner as large as BLIP-base, of 224 million parameters."""
        import transformers  # not needed, nor there, for the others

        torch.manual_seed(1)
        return transformers.BlipForConditionalGeneration(transformers.BlipConfig()).eval()

    @torch.no_grad()
    def blip(self, pictures: np.ndarray) -> list[list[int]]:
        """Its own preparation of pictures, which is not timed elsewhere, is left out."""
        side = self.large.config.vision_config.image_size
        pixels = torch.zeros(len(pictures), 3, side, side)
        length = self.length
        written = self.large.generate(
            pixel_values=pixels, num_beams=1, min_new_tokens=length, max_new_tokens=length
        )
        return written.tolist()


def main() -> None:
    """Command line."""
    torch.set_num_threads(int(sys.argv[3]))
    artifact = Path(sys.argv[1])
    size = json.loads((artifact / "model.json").read_text())["input"]
    pixels = np.fromfile(sys.argv[2], np.uint8).reshape(-1, size["height"], size["width"], 3)
    rivals = Rivals(artifact, pixels, int(sys.argv[3]))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"seconds": rivals.seconds(asked["way"], asked["batch"])}
        except (ImportError, KeyError, OSError, RuntimeError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
