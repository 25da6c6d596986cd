"""Metrics against known figures."""

import json

import pytest
from conftest import SHARED

from metrics import Scorer, mean_by_tenth, rank_correlation, repeats, tokenize, variety

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
        "captions that use a word twice": 1,
        "captions that repeat a phrase at once": 1,
    }


def test_a_word_that_says_something_may_stand_once():
    assert repeats("two men in shirts beside a man in a red shirt")
    assert not repeats("a man on a hill and a dog on a rock")


def test_a_part_of_the_pictures_is_scored_as_if_it_were_alone():
    names = ["1.jpg", "3.jpg"]
    captions = {"1.jpg": "a dog in snow", "2.jpg": "two boys", "3.jpg": "a woman in red"}
    alone = Scorer({name: REFERENCES[name] for name in names})
    assert Scorer(REFERENCES).only(names).scores(captions) == alone.scores(captions)


def test_tenths_go_from_the_lowest_score_to_the_highest():
    worth = list(range(40))
    scores = [-number for number in worth]
    assert mean_by_tenth(worth, scores) == [37.5 - 4 * tenth for tenth in range(10)]
    assert mean_by_tenth([1.0, 2.0], [5, 4]) == [2.0, 1.0]


def test_rank_correlation_looks_at_the_order_alone():
    assert rank_correlation([1, 2, 3, 4], [0.1, 0.2, 5, 900]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [4, 3, 2]) == 0
    # Equal values share a rank: 1, 2.5, 2.5, 4 beside 1, 3, 2, 4.
    assert rank_correlation([0, 7, 7, 9], [1, 3, 2, 4]) == pytest.approx(0.9487, abs=1e-4)


@pytest.mark.skipif(not CHECK.exists(), reason="needs ../shared/data/caption-metrics-check.json")
def test_published_figures_of_coco_caption_come_out():
    check = json.loads(CHECK.read_text())
    scorer = Scorer({str(item["id"]): item["references"] for item in check["items"]})
    scores = scorer.scores({str(item["id"]): item["candidate"] for item in check["items"]})
    names = {f"BLEU-{n}": f"Bleu_{n}" for n in range(1, 5)} | {"ROUGE-L": "ROUGE_L"}
    for name, score in scores.items():
        assert score == pytest.approx(check["expected"][names.get(name, name)], abs=0.001), name
