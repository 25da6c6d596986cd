"""Metrics against known figures."""

import json

import pytest
from conftest import SHARED

from evaluate import read_jsonl
from metrics import Scorer, tokenize, variety

CHECK = SHARED / "caption-metrics-check.json"

REFERENCES = {
    "1.jpg": ["A brown dog runs through the snow .", "A dog is running in snow ."],
    "2.jpg": ["Two boys play football .", "Boys playing with a ball on grass ."],
    "3.jpg": ["A woman in a red dress .", "A lady wears red ."],
}


def test_the_tokenizer_lowers_case_and_drops_punctuation():
    assert tokenize({"1": ["A man's T-shirt, red."]}) == {"1": ["a man 's t-shirt red"]}


def test_a_reference_scores_better_than_another_pictures_caption():
    scorer = Scorer(REFERENCES)
    good = scorer.scores({name: each[0] for name, each in REFERENCES.items()})
    bad = scorer.scores({"1.jpg": "A lady .", "2.jpg": "A dog .", "3.jpg": "Two boys ."})
    assert good["BLEU-4"] == pytest.approx(1.0, abs=1e-3)
    assert all(good[name] > bad[name] for name in good)


def test_cider_of_the_set_is_the_mean_of_the_pictures():
    scorer = Scorer(REFERENCES)
    captions = {"1.jpg": "a dog in snow", "2.jpg": "two boys", "3.jpg": "a woman in red"}
    each = scorer.cider_each(captions)
    assert scorer.cider(captions) == pytest.approx(sum(each.values()) / 3)
    assert scorer.scores(captions)["CIDEr"] == pytest.approx(scorer.cider(captions))


def test_a_picture_without_a_caption_is_an_error():
    with pytest.raises(ValueError, match=r"2 pictures have no caption, such as 2.jpg"):
        Scorer(REFERENCES).cider({"1.jpg": "a dog"})


def test_variety_counts_captions_words_and_repetition():
    captions = {str(i): "A dog runs." for i in range(6)} | {"6": "a big cat a big cat"}
    assert variety(captions) == {
        "pictures": 7,
        "different captions": 2,
        "share repeated 5 times or more": 0.8571,
        "different words": 5,
        "words a caption": 3.43,
        "captions that repeat a phrase at once": 1,
    }


def test_captions_of_the_binary_are_read_by_file_name(tmp_path):
    lines = [{"path": "/a/b c.jpg", "caption": "A dog.", "score": -1.5}]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_jsonl(tmp_path / "out.jsonl") == {"b c.jpg": "A dog."}


@pytest.mark.skipif(not CHECK.exists(), reason="needs ../shared/data/caption-metrics-check.json")
def test_published_figures_of_coco_caption_come_out():
    check = json.loads(CHECK.read_text())
    scorer = Scorer({str(item["id"]): item["references"] for item in check["items"]})
    scores = scorer.scores({str(item["id"]): item["candidate"] for item in check["items"]})
    names = {f"BLEU-{n}": f"Bleu_{n}" for n in range(1, 5)} | {"ROUGE-L": "ROUGE_L"}
    for name, score in scores.items():
        assert score == pytest.approx(check["expected"][names.get(name, name)], abs=0.001), name
