"""What is printed about a model, and the report."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny_config
from PIL import Image

import answers
import evaluate
from answers import Answers, Artifact, Pictures
from backbone import Backbone
from data import BOS, EOS, SPECIALS, Vocabulary
from heads import WordList
from network import Checkpoint, build, describe
from report import Report, inline_heat, spell
from settings import Decoding
from table import Table


@pytest.fixture(scope="module")
def checkpoint(dataset, tmp_path_factory) -> Checkpoint:
    """A tiny untrained model that writes words of the tiny data set."""
    torch.set_num_threads(1)
    torch.manual_seed(2)
    texts = [text for each in dataset.captions.values() for text in each]
    words = sorted({word for text in texts for word in text.lower().split()} - {"."})
    vocabulary, picture_words = Vocabulary([*SPECIALS, *words]), WordList.build(texts)
    backbone = Backbone("tf_efficientnet_lite0", pretrained=False).eval()
    config = tiny_config(
        vocabulary=len(vocabulary),
        channels=backbone.channels,
        picture_words=len(picture_words.stems),
    )
    network = build(backbone, 1, config, picture_words)
    with torch.no_grad():
        network.captioner.bias.normal_()
        network.captioner.bias[EOS] = 1.5
    path = tmp_path_factory.mktemp("run") / "best.pt"
    torch.save(
        describe(network, 1, Decoding(3, 1.0, 0.5), [], vocabulary, picture_words, 9.0), path
    )
    return Checkpoint(path, backbone)


@pytest.fixture(scope="module")
def evaluated(checkpoint, dataset) -> tuple[evaluate.Evaluation, Answers]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "CHOSEN_ON", 1)  # of three pictures
        return evaluate.evaluate_checkpoint(checkpoint, dataset, beams=[1])


def table(evaluation: evaluate.Evaluation, title: str) -> Table:
    return next(each for each in evaluation.tables if each.title == title)


def test_everything_is_said_about_a_checkpoint(evaluated):
    evaluation, given = evaluated
    assert [each.title for each in evaluation.tables] == [
        "Captions, greedy",
        "Captions, beam 3",
        "Likelihood",
        "Score of a caption",
        "Finding a picture by a person's caption",
        "0 short queries",
        "Picture words",
        "ImageNet classes",
    ]
    figures = [f for each in evaluation.tables for _, row in each.rows for f in row]
    assert np.isfinite(figures).all()
    assert [len(each) for each in given.hypotheses] == [3, 3, 3]


def test_the_parts_of_val_add_up(evaluated):
    evaluation, given = evaluated
    assert list(evaluation.parts) == ["first 1", "other 2", "all 3"]
    captions = dict(table(evaluation, "Captions, beam 3").rows)
    assert captions["pictures"] == [1, 2, 3]
    finding = dict(table(evaluation, "Finding a picture by a person's caption").rows)
    for name in ("captions: recall@1", "words: recall@1"):
        first, other, whole = finding[name]
        assert whole == pytest.approx((first + 2 * other) / 3)
    each = evaluation.scorer.cider_each(given.captions)
    assert captions["CIDEr"][2] == pytest.approx(sum(each.values()) / 3)


def test_the_loss_is_that_of_each_caption_alone(evaluated, checkpoint, dataset):
    evaluation, _ = evaluated
    captioner, length = checkpoint.network.captioner, checkpoint.config.max_length
    total, count = 0.0, 0
    for name in dataset.val:
        pixels = Pictures.read(dataset, [name], checkpoint.config.size).pixels
        with torch.no_grad():
            memory = captioner.encode(checkpoint.features(pixels))
            for text in dataset.captions[name]:
                ids = torch.tensor(checkpoint.vocabulary.encode(text, length))
                before = torch.cat([torch.tensor([BOS]), ids[:-1]])
                states = captioner.decode(memory, before[None], torch.zeros(1, dtype=torch.long))
                likelihoods = captioner.logits(states[0]).log_softmax(-1)
                total -= likelihoods[torch.arange(len(ids)), ids].sum().item()
                count += len(ids)
    loss = dict(table(evaluation, "Likelihood").rows)["loss, nats a token"]
    assert loss[2] == pytest.approx(total / count, rel=1e-4)


def test_an_untouched_backbone_agrees_with_itself(evaluated):
    evaluation, _ = evaluated
    ours = np.random.default_rng(0).random((3, 1000))
    rows = dict(evaluation.class_table(ours, ours).rows)
    assert rows == {"first is the backbone's": [1.0] * 3, "first five hold it": [1.0] * 3}
    second = np.argsort(-ours, 1)[:, 1]
    theirs = np.eye(1000)[second]
    rows = dict(evaluation.class_table(ours, theirs).rows)
    assert rows == {"first is the backbone's": [0.0] * 3, "first five hold it": [1.0] * 3}


def test_a_score_that_knows_cider_is_well_calibrated(evaluated):
    evaluation, given = evaluated
    each = evaluation.scorer.cider_each(given.captions)
    cider = np.array([[each[name]] for name in given.names])
    made_up = replace(given, certainty=cider - 9.0, likelihood=-cider)
    rows = dict(evaluation.calibration_table(made_up).rows)
    assert rows["CIDEr of tenth 1"][:2] == pytest.approx([cider.min(), cider.max()])
    assert rows["rank correlation with CIDEr"][:2] == pytest.approx([1, -1])


@pytest.fixture
def artifact(checkpoint, tmp_path, monkeypatch) -> Artifact:
    """An artifact with PyTorch in place of its graph."""

    class Graph:
        def __init__(self, content: bytes) -> None:
            assert content == b"graph"

        def run(self, pixels, beams, outputs):
            written = checkpoint.write(checkpoint.features(pixels), beams)
            said = {**vars(written.captions), "words": written.words, "classes": written.classes}
            return {name: said[name].numpy() for name in outputs}

    monkeypatch.setattr(answers, "Session", Graph)
    info = {"input": {"width": 64, "height": 64}, "decoding": {"beams": 2}}
    words = zip(checkpoint.picture_words.stems, checkpoint.picture_words.priors, strict=True)
    (tmp_path / "model.json").write_text(json.dumps(info))
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "vocabulary.txt").write_text(checkpoint.vocabulary.text())
    (tmp_path / "words.tsv").write_text("".join(f"{s}\t{prior}\tforms\n" for s, prior in words))
    return Artifact.read(tmp_path, "fp32")


def test_a_graph_is_judged_as_its_checkpoint_is(artifact, checkpoint, dataset):
    assert artifact.picture_words == checkpoint.picture_words
    evaluation, theirs = evaluate.evaluate_graph(artifact, dataset, [])
    assert [each.title for each in evaluation.tables][:2] == [
        "Captions, beam 2",
        "Score of a caption",
    ]
    pictures = Pictures.read(dataset, dataset.val, checkpoint.config.size)
    features = answers.features(checkpoint, pictures)
    ours = answers.of_checkpoint(checkpoint, pictures.names, features, 2)
    assert theirs.captions == ours.captions
    assert np.array_equal(theirs.certainty, ours.certainty)
    # Where each word of the best hypothesis looked, and its end if it has one.
    most = checkpoint.config.max_length
    lengths = [min(len(text.split()) + 1, most) for text in ours.captions.values()]
    assert [len(look) for look in theirs.attention] == lengths


def test_a_picture_that_cannot_be_read_is_left_out(dataset, caplog):
    pictures = Pictures.read(dataset, [dataset.val[0], "gone.jpg"], 8)
    assert pictures.names == dataset.val[:1]
    assert pictures.pixels.shape == (1, 8, 8, 3)
    assert "left out: gone.jpg" in caplog.text


def test_captions_of_the_binary_are_read_by_file_name(dataset, tmp_path, caplog):
    first = dataset.val[0]
    line = {"path": f"/a/b c/{first}", "caption": "A dog.", "score": -1.5}
    (tmp_path / "out.jsonl").write_text(json.dumps(line) + "\n")
    given = answers.of_file(tmp_path / "out.jsonl", dataset.val)
    assert given.captions == {first: "A dog."}
    assert given.certainty.tolist() == [[-1.5]]
    assert "no caption of 2 pictures of 3" in caplog.text
    evaluation, _ = evaluate.evaluate_file(tmp_path / "out.jsonl", dataset)
    assert table(evaluation, "Captions").rows[0][0] == "BLEU-1"


def test_tuning_prints_a_grid(checkpoint, dataset, capsys):
    decoding = checkpoint.decoding
    evaluate.tune(checkpoint, dataset, 2, [0.5, 1.0], [0.0, 0.3, 0.6])
    assert checkpoint.decoding == decoding
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[-3:] == ["0", "0.3", "0.6"]
    assert [row.split()[2] for row in rows] == ["0.5", "1"]
    assert all(len(row.split()) == 3 + 2 * 3 for row in rows)


def test_the_report_holds_every_picture_and_asks_nobody(evaluated, checkpoint, dataset, tmp_path):
    evaluation, given = evaluated
    cider = evaluation.scorer.cider_each(given.captions)
    path = tmp_path / "new" / "report.html"
    Report(dataset, given, cider, checkpoint.picture_words).write(path, "a <b>", evaluation.tables)
    page = path.read_text(encoding="utf-8")
    assert "<title>a &lt;b&gt;</title>" in page
    assert not re.findall(r"https?://|@import|<script|<link", page)
    assert set(re.findall(r"url\((\w+:\w+/\w+)", page)) == {"data:image/jpeg", "data:image/png"}
    for name, hypotheses in zip(given.names, given.hypotheses, strict=True):
        # Each picture is drawn by lot and among the worst.
        assert page.count(f'aria-label="{name}"') == 2
        assert all(text in page for text in hypotheses)
    assert page.count("--heat:url(") == 2 * sum(len(looks) for looks in given.attention)
    for each in evaluation.tables:
        assert f"<th>{each.title.replace(chr(39), '&#39;')}</th>" in page


def test_captions_alone_make_a_report_too(dataset, tmp_path):
    given = Answers(dataset.val, [["a dog"]] * 3, None, None, None, None, None)
    cider = dict.fromkeys(dataset.val, 0.5)
    Report(dataset, given, cider).write(tmp_path / "report.html", "captions", [])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "--heat:url(" not in page and "ImageNet" not in page
    assert page.count('class="caption">a dog<') == 6


def test_a_heat_map_is_brightest_where_the_model_looked():
    look = np.array([0.1, 0.1, 0.1, 1.0])
    data = base64.b64decode(inline_heat(look).split(",")[1])
    red = np.asarray(Image.open(io.BytesIO(data)))[..., 0].astype(int)
    assert red[-1, -1] > 200 > 60 > red[0, 0]


def test_stems_are_shown_as_people_spell_them(dataset):
    assert spell(WordList(["run", "grass", "zzz"], [0.1, 0.1, 0.1]), dataset) == [
        "runs", "grass", "zzz",
    ]  # fmt: skip
