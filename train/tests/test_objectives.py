"""What stages minimise."""

import gzip

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import OBJECTIVES, tiny_network, tiny_objective, tiny_pictures

from data import BOS, EOS, PAD, UNK
from heads import pool
from heads_loss import Pooled
from objectives import (
    CrossEntropyLoss,
    Part,
    grouped_by_length,
    hide_words,
    no_picture,
    teacher_forced,
)
from settings import CrossEntropy
from text import texts

CAPTIONS = [[[5, 6, EOS], [7, EOS]], [[8, 9, 10, 11, 12, EOS]], [[4, 4, EOS], [5, EOS]]]


def whole(count: int, seed: int = 0) -> Part:
    """A step of so many examples in one part."""
    return Part(range(count), slice(0, count), np.random.default_rng(seed))


def test_grouping_by_length_changes_no_loss():
    network = tiny_network().eval()
    captioner, features = network.captioner, torch.randn(3, 4, 24)
    total = 0.0
    for i, each in enumerate(CAPTIONS):
        for ids in each:
            memory = captioner.encode(features[i : i + 1])
            states = captioner.decode(memory, torch.tensor([[BOS, *ids[:-1]]]), torch.tensor([0]))
            logits = captioner.logits(states)[0]
            total += F.cross_entropy(logits, torch.tensor(ids), reduction="sum").item()
    loss = teacher_forced(network, captioner.encode(features), CAPTIONS, 0.0)
    assert loss.item() == pytest.approx(total, abs=1e-4)


def test_groups_hold_every_caption_once():
    captions = [[[5] * n + [EOS] for n in range(1, 6)] for _ in range(3)]
    rows = []
    for inputs, targets, picture in grouped_by_length(captions):
        assert (inputs[:, 0] == BOS).all()
        assert torch.equal(inputs[:, 1:][inputs[:, 1:] != PAD], targets[targets > EOS])
        for row, which in zip(targets.tolist(), picture.tolist(), strict=True):
            rows.append((which, [t for t in row if t != PAD]))
    assert sorted(rows) == sorted((i, ids) for i in range(3) for ids in captions[i])


def test_hidden_words_are_neither_bos_nor_padding():
    torch.manual_seed(0)
    inputs = torch.tensor([[BOS, 5, 6, PAD]]).repeat(500, 1)
    hidden = hide_words(inputs, 0.5)
    assert (hidden[:, 0] == BOS).all() and (hidden[:, 3] == PAD).all()
    assert (hidden[:, 1:3] == UNK).float().mean().item() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_parts_of_a_step_add_up_to_the_step(cache, name):
    network, (objective, _) = tiny_network().eval(), tiny_objective(name, cache)
    step = [6, 1, 4, 2, 7]
    one = objective.loss(network, Part(step, slice(0, 5), np.random.default_rng(3)))
    cuts = (slice(0, 2), slice(2, 3), slice(3, 5))
    parts = [objective.loss(network, Part(step, cut, np.random.default_rng(3))) for cut in cuts]
    assert sum(loss.item() for loss, _ in parts) == pytest.approx(one[0].item(), abs=1e-5)
    for figure, value in one[1].items():
        assert sum(figures[figure] for _, figures in parts) == pytest.approx(value, abs=1e-5)


def test_bf16_gives_nearly_the_same_loss(cache):
    network, kind = tiny_network(), CrossEntropy(0.1, 0.0, 0.1)
    exact, rough = (
        CrossEntropyLoss(tiny_pictures(cache), kind, bf16).loss(network, whole(8))[0].item()
        for bf16 in (False, True)
    )
    assert exact != rough
    assert rough == pytest.approx(exact, rel=0.02)


def test_every_view_of_a_picture_is_shown(cache):
    network, pictures = tiny_network(), tiny_pictures(cache)
    seen = [pictures.features(network, whole(8, seed), False) for seed in range(8)]
    views = torch.from_numpy(cache.array[:8].copy()).float().flatten(3).transpose(2, 3)
    which = torch.stack([(views == features.unsqueeze(1)).all((2, 3)) for features in seen])
    assert which.any(2).all()
    assert which.any(0).all()


@torch.no_grad()
def test_no_picture_is_as_if_there_were_no_cross_attention():
    network = tiny_network().eval()
    tokens = torch.tensor([[BOS, 5, 6, 7]])
    seen = network.captioner.decode(no_picture(network), tokens, torch.tensor([0]))
    for layer in network.captioner.decoder:
        layer.cross_attention.forward = lambda x, key, value: (torch.zeros_like(x), None)
    without = network.captioner.decode(no_picture(network), tokens, torch.tensor([0]))
    assert torch.allclose(seen, without, atol=1e-6)
    assert not torch.equal(seen, tiny_network().captioner.embed(tokens, 0))


@torch.no_grad()
def test_what_the_heads_learn_from_is_what_they_see_in_captioning(cache):
    network, untouched = tiny_network().eval(), tiny_network().eval()
    untouched.classes.weight.mul_(2)
    names = cache.names[3:6]
    pooled = Pooled.compute(cache, names, 2, network, untouched)
    for row, name in enumerate(names):
        for view in range(2):
            features = network.tail(cache.batch([name], [view]))
            found = pooled.features[row, view].float()
            assert torch.allclose(found, pool(features)[0], atol=1e-2)
            assert torch.allclose(
                network.words.of_pooled(found), network.words(features)[0], atol=1e-2
            )
            classes = untouched.classify(features).softmax(-1)[0]
            assert torch.allclose(pooled.classes[row, view].float(), classes, atol=1e-4)


def test_heads_learn_the_shares_and_the_untouched_classes(cache):
    network, (objective, _) = tiny_network(), tiny_objective("heads", cache)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    found = []
    for step in range(200):
        optimiser.zero_grad()
        loss, figures = objective.loss(network.eval(), whole(8, step))
        loss.backward()
        optimiser.step()
        found.append(figures)
    shares = torch.stack(list(tiny_pictures(cache).words.values()))
    least = F.binary_cross_entropy(shares, shares, reduction="sum").item() / 8
    assert found[0]["picture words"] > least + 0.5
    assert found[-1]["picture words"] == pytest.approx(least, abs=0.1)
    assert 10 * found[-1]["classes"] < found[0]["classes"]


def test_further_captions_hold_nothing_of_val(dataset, tmp_path):
    own = texts(dataset, None)
    assert own and not any(dataset.is_held_out(caption) for caption in own)
    rows = [
        (dataset.val[0], "A picture of val that trains nothing ."),
        ("other.jpg", dataset.captions[dataset.val[0]][0].lower().rstrip(" .")),
        ("other.jpg", "Broken image"),
        ("other.jpg", own[0]),
        ("other.jpg", "A caption that nobody has read ."),
    ]
    path = tmp_path / "more.tsv.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(f"{picture}\t0\ttrain\t{caption}\n" for picture, caption in rows)
    assert texts(dataset, path) == [*own, "A caption that nobody has read ."]


def test_a_file_of_captions_with_other_columns_is_named(dataset, tmp_path):
    path = tmp_path / "more.tsv"
    path.write_text("1.jpg\tA dog .\n")
    with pytest.raises(ValueError, match=r"more.tsv:1 has 2 columns"):
        texts(dataset, path)
