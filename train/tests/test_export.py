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
from test_train import tiny_training

import export
import graph
from backbone import Backbone
from card import recipe
from data import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary
from model import NO_REPEAT, Captioner
from train import Config, Trained


@pytest.fixture(scope="module")
def trained(dataset) -> Trained:
    """A tiny untrained model that writes words of the tiny data set."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    words = sorted({w for each in dataset.captions.values() for c in each for w in c.split()})
    vocabulary = Vocabulary([*SPECIALS, *(w for w in words if w != ".")])
    backbone = Backbone("tf_efficientnet_lite0", pretrained=False).eval()
    model = tiny_config(vocabulary=len(vocabulary), channels=backbone.channels)
    captioner = Captioner(model).eval()
    with torch.no_grad():
        captioner.bias.normal_()
        captioner.bias[EOS] = 1.5
    graph.round_weights(backbone, captioner)
    config = Config(seed=1, model=model, train=tiny_training())
    return Trained(config, vocabulary, backbone, captioner, seconds=90.0)


@pytest.fixture(scope="module")
def model(trained) -> onnx.ModelProto:
    return graph.build(trained.backbone, trained.captioner)


@pytest.fixture(scope="module")
def session(model) -> graph.Session:
    return graph.Session(model.SerializeToString(deterministic=True))


def pictures(count: int) -> np.ndarray:
    shape = (count, 64, 64, 3)
    low = np.random.default_rng(count).integers(0, 256, (count, 1, 1, 3))
    return (low + np.random.default_rng(1).integers(0, 99, shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("batch", [1, 7])
def test_the_graph_writes_what_pytorch_writes(trained, session, batch):
    pixels = pictures(batch)
    tokens, score, logits = session.run(pixels)
    ours = trained.caption(pixels)
    assert tokens.dtype == np.int64 and score.dtype == np.float32
    assert np.abs(logits - ours.logits.numpy()).max() < 1e-3
    assert np.abs(score - ours.score.numpy()).max() < 1e-3
    margin = (ours.logits.topk(2).values * torch.tensor([1.0, -1.0])).sum(-1)
    assert (margin > 1e-3).all()
    assert tokens.tolist() == ours.tokens.tolist()


@pytest.mark.parametrize("rows", [1, 7])
def test_forced_tokens_give_pytorchs_logits(trained, session, rows):
    pixels = pictures(7)
    forced = np.random.default_rng(0).integers(4, 12, (rows, 9))
    forced[:, 3] = -1
    tokens, score, logits = session.run(pixels, forced)
    ours = trained.caption(pixels, torch.from_numpy(forced).expand(7, -1))
    assert tokens.tolist() == ours.tokens.tolist()
    assert np.abs(logits - ours.logits.numpy()).max() < 1e-3
    assert np.abs(score - ours.score.numpy()).max() < 1e-3


def test_the_loop_ends_when_every_caption_has(session):
    forced = np.array([[5, 6, EOS], [5, EOS, -1]])
    tokens, score, logits = session.run(pictures(2), forced)
    assert tokens.tolist() == [[5, 6, EOS], [5, EOS, PAD]]
    assert logits.shape[:2] == (2, 3)
    assert (score < 0).all()


def test_a_caption_is_at_most_max_length_long(session):
    forced = np.array([[5, 6] * 20])
    assert session.run(pictures(1), forced)[0].shape == (1, 12)


def test_special_tokens_and_repeated_words_are_never_chosen(session):
    tokens = session.run(pictures(7))[0]
    for row in tokens.tolist():
        end = row.index(EOS) if EOS in row else len(row)
        assert not {PAD, BOS, UNK} & set(row[:end])
        assert all(row[i] not in row[max(i - NO_REPEAT, 0) : i] for i in range(end))


def test_large_weights_are_stored_as_fp16_and_nothing_names_this_machine(model):
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        assert array.dtype != np.float32 or array.size < graph.HALF_FROM, tensor.name
    assert str(export.HERE).encode() not in model.SerializeToString()
    assert (model.ir_version, model.opset_import[0].version) == (graph.IR, graph.OPSET)


def test_the_threshold_marks_captions_worth_less_than_half_of_the_mean():
    scores = {str(i): float(i) for i in range(100)}
    cider = {str(i): 0.1 if i < 20 else 1.0 for i in range(100)}
    # Mean 0.82; the lowest 25 % have 0.28, the lowest 30 % 0.40, 35 % 0.486.
    assert export.unsure_below(scores, cider) == 29.0
    assert export.unsure_below(scores, dict.fromkeys(scores, 1.0)) == 0.0


def test_the_artifact_is_whole_and_the_same_again(trained, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "GOLDEN", ("one", "two"))
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in (("one.png", "red"), ("two.jpg", "navy")):
        Image.new("RGB", (90, 70), colour).save(photos / name)
    outs = [tmp_path / "first", tmp_path / "second"]
    for out in outs:
        export.export(trained, dataset, photos, out, "tiny")
    files = sorted(p.relative_to(outs[0]).as_posix() for p in outs[0].rglob("*") if p.is_file())
    assert files == [
        "MODEL_CARD.md",
        "golden/golden.json",
        "golden/one.png",
        "golden/two.png",
        "model.json",
        "model.onnx",
        "vocabulary.txt",
    ]
    for name in files:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
    info = json.loads((outs[0] / "model.json").read_text())
    for name, key in (("model.onnx", "onnx_sha256"), ("vocabulary.txt", "vocabulary_sha256")):
        assert hashlib.sha256((outs[0] / name).read_bytes()).hexdigest() == info[key]
    assert info["metrics"]["pictures"] == 3
    golden = json.loads((outs[0] / "golden" / "golden.json").read_text())
    assert [entry["source"] for entry in golden] == ["one.png", "two.jpg"]
    assert len(golden[0]["steps"]) == len(golden[0]["tokens"]) == len(golden[0]["margins"])
    for command in recipe("tiny", tuned=False):
        assert command in (outs[0] / "MODEL_CARD.md").read_text()
