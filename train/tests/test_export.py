"""The ONNX graph equals PyTorch; the artifact is whole."""

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch
from conftest import tiny_config
from onnx import numpy_helper
from PIL import Image

import export
import golden
import graph
import parity
from backbone import Backbone
from card import commands
from data import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary
from heads import WordList
from network import Checkpoint, build, describe
from settings import Decoding


def untrained(dataset, folder) -> Checkpoint:
    """A tiny model with random weights that writes words of the tiny data set."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    texts = [text for each in dataset.captions.values() for text in each]
    vocabulary = sorted({word for text in texts for word in text.lower().split()} - {".", "'s"})
    vocabulary, picture_words = Vocabulary([*SPECIALS, *vocabulary]), WordList.build(texts)
    backbone = Backbone("tf_efficientnet_lite0", pretrained=False).eval()
    sizes = {"vocabulary": len(vocabulary), "picture_words": len(picture_words.stems)}
    network = build(backbone, 2, tiny_config(channels=backbone.channels, **sizes), picture_words)
    with torch.no_grad():
        network.captioner.bias.normal_()
        network.captioner.bias[EOS] = 1.5
        network.words.out.weight.normal_()  # or all pictures would be boosted alike
    path = folder / "best.pt"
    stages = [{"name": "1-made-up", "seed": 1}]
    parts = (Decoding(3, 0.8, 0.5), stages, vocabulary, picture_words, 90.0)
    torch.save(describe(network, 2, *parts), path)
    return Checkpoint(path, backbone)


@pytest.fixture(scope="module")
def checkpoint(dataset, tmp_path_factory) -> Checkpoint:
    """Weights as the graph has them."""
    checkpoint = untrained(dataset, tmp_path_factory.mktemp("run"))
    graph.round_weights(checkpoint.backbone, checkpoint.network)
    return checkpoint


@pytest.fixture(scope="module")
def model(checkpoint) -> onnx.ModelProto:
    return graph.build(checkpoint)


@pytest.fixture(scope="module")
def session(model) -> graph.Session:
    return graph.Session(model.SerializeToString(deterministic=True))


def pictures(count: int) -> np.ndarray:
    shape = (count, 64, 64, 3)
    low = np.random.default_rng(count).integers(0, 256, (count, 1, 1, 3))
    return (low + np.random.default_rng(1).integers(0, 99, shape)).clip(0, 255).astype(np.uint8)


def test_the_graph_gives_what_pytorch_gives(checkpoint, session):
    found = parity.compare(session, checkpoint, pictures(33))
    assert [(each.beams, each.batch) for each in found] == [
        (beams, batch) for beams in (1, 3, 5) for batch in (1, 7, 32)
    ]
    for each in found:
        assert each.good, each
        assert each.pictures == 33 and each.near < 10
        assert each.logits > 0 and each.cross_attention > 0  # they were compared


def test_a_difference_is_found(checkpoint, session):
    class Spoilt:
        """A graph that gives one output wrong."""

        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, *inputs) -> dict[str, np.ndarray]:
            outputs = session.run(*inputs)
            spoilt = outputs[self.name].copy()
            spoilt[-1] = np.where(spoilt[-1] == PAD, PAD, 4) if self.name == "tokens" else 0.5
            return {**outputs, self.name: spoilt}

    for name in graph.OUTPUTS:
        found = parity.compare(Spoilt(name), checkpoint, pictures(9), [3], [4])
        assert not found[0].good, name


def test_without_inputs_the_graph_decodes_as_the_checkpoint_says(checkpoint, session):
    pixels = pictures(3)
    assert session.run(pixels)["tokens"].tolist() == session.run(pixels, 3)["tokens"].tolist()


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("beams", [1, 3])
def test_forced_tokens_are_those_of_pytorch(checkpoint, session, rows, beams):
    pixels = pictures(7)
    # No word twice: that is banned, and next to its -10,000 nats all others are alike.
    forced = np.random.default_rng(0).permuted(np.tile(np.arange(4, 13), (rows, 1)), axis=1)
    forced[:, 3] = -1
    found = session.run(pixels, beams, forced)
    written = checkpoint.write(
        checkpoint.features(pixels), beams, torch.from_numpy(forced).expand(7, -1)
    )
    assert found["tokens"][:, 0].tolist() == written.captions.tokens[:, 0].tolist()
    assert (found["tokens"][:, 0, :3] == forced[:, :3]).all()
    assert np.abs(found["certainty"] - written.captions.certainty.numpy())[:, 0].max() < 1e-3
    ours = written.captions.logits.numpy()
    assert np.abs(found["logits"] - ours)[ours > -5e3].max() < 1e-3


def test_the_loop_ends_when_every_hypothesis_has(session):
    forced = np.array([[5, 6, EOS], [5, EOS, -1]])
    found = session.run(pictures(2), 3, forced)
    assert found["tokens"][:, 0].tolist() == [[5, 6, EOS], [5, EOS, PAD]]
    assert found["tokens"].shape == (2, 3, 3) and found["logits"].shape[:2] == (2, 3)
    assert (found["certainty"] < 0).all()


def test_a_caption_is_at_most_max_length_long(session):
    forced = np.array([[5, 6] * 20])
    assert session.run(pictures(1), 1, forced)["tokens"].shape == (1, 1, 12)


def test_special_tokens_are_never_chosen(session):
    for row in session.run(pictures(7))["tokens"].reshape(21, -1).tolist():
        end = row.index(EOS) if EOS in row else len(row)
        assert not {PAD, BOS, UNK} & set(row[:end])


def test_large_weights_are_stored_as_fp16_and_nothing_names_this_machine(checkpoint, model):
    words = checkpoint.network.captioner.embedding.weight.numel()
    stored = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    halves = sum(array.size for array in stored if array.dtype == np.float16)
    singles = [array for array in stored if array.dtype == np.float32 and array.size >= 1024]
    assert halves > words and not singles
    assert str(export.HERE).encode() not in model.SerializeToString()
    assert (model.ir_version, model.opset_import[0].version) == (graph.IR, graph.OPSET)


def test_a_graph_of_fp32_has_the_checkpoints_own_weights(dataset, tmp_path):
    own = untrained(dataset, tmp_path)
    made = graph.build(own)
    # Only what was never trained is fp16 all the same: the ones of a LayerNorm.
    for array in map(numpy_helper.to_array, made.graph.initializer):
        assert array.dtype != np.float16 or len(np.unique(array)) == 1
    session = graph.Session(made.SerializeToString())
    for each in parity.compare(session, own, pictures(5), [3], [5]):
        assert each.good and each.logits < 2e-4, each


def test_a_graph_may_compute_in_fp16(dataset, model, tmp_path):
    out = tmp_path / "half"
    export.export_half(untrained(dataset, tmp_path), dataset, out, "tiny")
    info = json.loads((out / "model.json").read_text())
    check_hashes(out, info)
    assert "model-int8.onnx" not in info["sha256"] and info["val"]
    made = onnx.load(out / "model.onnx")
    kinds = {tensor.data_type for tensor in made.graph.initializer if np.prod(tensor.dims) > 1024}
    assert kinds == {onnx.TensorProto.FLOAT16}
    half, single = (graph.Session(m.SerializeToString()) for m in (made, model))
    theirs, ours = (each.run(pictures(9), 1) for each in (single, half))
    for name in ("words", "classes", "cross_attention"):
        assert (
            theirs[name].dtype == ours[name].dtype
            and np.abs(theirs[name] - ours[name]).max() < 0.02
        )
    wanted, found = theirs["logits"][:, 0], ours["logits"][:, 0]
    assert 0 < np.abs(wanted - found)[wanted > -5e3].max() < 0.1


def test_the_threshold_marks_captions_worth_less_than_half_of_the_mean():
    scores = {str(i): float(i) for i in range(100)}
    cider = {str(i): 0.1 if i < 20 else 1.0 for i in range(100)}
    # Mean 0.82; the lowest 25 % have 0.28, the lowest 30 % 0.40, 35 % 0.486.
    assert export.unsure_below(scores, cider) == 29.0
    assert export.unsure_below(scores, dict.fromkeys(scores, 1.0)) == 0.0


def test_picture_words_come_with_what_people_write_for_them():
    captions = ["A dog runs", "two dogs run", "the dog 's dogs running", "run, dogs"]
    forms = export.written_forms(captions)
    table = export.words_table(WordList(["dog", "run"], [0.25, 1 / 3]), forms)
    assert table == "dog\t0.25\tdogs,dog\nrun\t0.33333333\trun,running,runs\n"


def test_the_classes_are_imagenets_in_its_order():
    classes = export.class_names().splitlines()
    assert len(classes) == 1000
    assert classes[0].startswith("n01440764\ttench")
    assert classes[504] == "n03063599\tcoffee mug"


FILES = ["model.onnx", "model-int8.onnx", "vocabulary.txt", "words.tsv", "classes.txt"]


def check_hashes(folder, info: dict) -> None:
    """All files are those that model.json means."""
    for name, digest in info["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_artifact_is_whole_and_the_same_again(dataset, model, tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "PHOTOS", ("one", "two"))
    own = untrained(dataset, tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in (("one.png", "red"), ("two.jpg", "navy")):
        Image.new("RGB", (90, 70), colour).save(photos / name)
    outs = [tmp_path / "first", tmp_path / "second"]
    export.export(own, dataset, photos, outs[0], "tiny", "fp16")
    monkeypatch.setattr(graph, "build", lambda _: model)  # made of the same weights before
    export.export(own, dataset, photos, outs[1], "tiny", "fp16")
    files = sorted(p.relative_to(outs[0]).as_posix() for p in outs[0].rglob("*") if p.is_file())
    pngs = ["golden/golden.json", "golden/one.png", "golden/two.png"]
    assert files == sorted([*FILES, *pngs, "MODEL_CARD.md", "model.json"])
    for name in files:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
    info = json.loads((outs[0] / "model.json").read_text())
    check_hashes(outs[0], info)
    assert list(info["sha256"]) == FILES
    assert info["cpu_precision"] in ("fp32", "int8") and info["unsure_below_int8"] < 0
    assert info["int8"]["val"][0]["title"] == "Captions, beam 3"
    titles = [table["title"] for table in info["val"]]
    assert titles[:3] == ["Captions, greedy", "Captions, beam 3", "Captions, beam 5"]
    assert info["val"][1]["rows"]["pictures"] == [3, 3]  # few, so all are of the first
    assert info["decoding"] == {"beams": 3, "length_penalty": 0.8, "boost": 0.5}
    assert (info["words"], info["classes"]) == (own.config.picture_words, 1000)
    assert len((outs[0] / "words.tsv").read_text().splitlines()) == info["words"]
    entries = json.loads((outs[0] / "golden" / "golden.json").read_text())
    assert [entry["source"] for entry in entries] == ["one.png", "two.jpg"]
    assert [search["beams"] for search in entries[0]["searches"]] == [1, 3]
    assert len(entries[0]["steps"]) == len(entries[0]["searches"][0]["tokens"][0])
    card = (outs[0] / "MODEL_CARD.md").read_text()
    assert all(command in card for command in commands("tiny", "1-made-up"))
    assert export.check(own, outs[0], dataset)


def test_a_model_that_has_learnt_nothing_is_written_for_its_size(tmp_path):
    recipe, out = tmp_path / "tiny", tmp_path / "out"
    recipe.mkdir()
    (recipe / "model.toml").write_text(
        """
        backbone = "tf_efficientnet_lite0"
        size = 64
        channels = 1280
        positions = 4
        max_length = 5
        width = 32
        heads = 4
        encoder_layers = 1
        decoder_layers = 1
        dropout = 0.1
        words_hidden = 8
        [decoding]
        beams = 2
        length_penalty = 1.0
        boost = 0.3
        """
    )
    (recipe / "1-stage.toml").write_text((export.HERE / "configs/lite/1-frozen.toml").read_text())
    export.export_random(recipe, out, "fp16")
    info = json.loads((out / "model.json").read_text())
    check_hashes(out, info)
    assert "model-int8.onnx" not in info["sha256"]  # it takes pictures to find scales
    tokens = graph.Session((out / "model.onnx").read_bytes()).run(pictures(2))["tokens"]
    assert tokens.shape == (2, 2, 5)
    assert info["unsure_below"] == 0 and info["name"] == "random tiny"
