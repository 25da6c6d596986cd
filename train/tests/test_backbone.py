"""The EfficientNet: its weights, its stages and how they reach a checkpoint."""

import logging
from pathlib import Path

import pytest
import timm
import torch
from conftest import SHARED, tiny_config
from safetensors.torch import save_file
from torch import nn

import weights
from backbone import Backbone, fold_batch_norm
from data import SPECIALS, Vocabulary
from heads import WordList
from network import Checkpoint, build, describe
from settings import Decoding

COFFEE = Path(__file__).parents[2] / "testdata" / "photos" / "coffee.png"
LITE = "tf_efficientnet_lite0"
PIXELS = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)


def random_net(name: str) -> nn.Module:
    """A network of which every tensor is unlike the others of its shape."""
    torch.manual_seed(0)
    net = timm.create_model(name).eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.0)
    return net


def tensors_of(net: nn.Module, without: str = "nothing") -> dict[str, torch.Tensor]:
    """A network's weights, as a file holds them."""
    state = net.state_dict()
    return {n: t for n, t in state.items() if "num_batches" not in n and not n.startswith(without)}


def as_keras(net: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a timm EfficientNetV2 under Keras's names and in its layout."""
    layers = {
        "stem_conv": net.conv_stem, "stem_bn": net.bn1, "top_conv": net.conv_head,
        "top_bn": net.bn2,
    }  # fmt: skip
    names = {
        "ConvBnAct": {"conv": "project_conv", "bn1": "project_bn"},
        "EdgeResidual": {
            "conv_exp": "expand_conv", "bn1": "expand_bn", "conv_pwl": "project_conv",
            "bn2": "project_bn",
        },
        "InvertedResidual": {
            "conv_pw": "expand_conv", "bn1": "expand_bn", "conv_dw": "dwconv2", "bn2": "bn",
            "se.conv_reduce": "se_reduce", "se.conv_expand": "se_expand",
            "conv_pwl": "project_conv", "bn3": "project_bn",
        },
    }  # fmt: skip
    for stage, blocks in enumerate(net.blocks, start=1):
        for letter, block in zip("abcdefgh", blocks, strict=False):
            for ours, theirs in names[type(block).__name__].items():
                layers[f"block{stage}{letter}_{theirs}"] = block.get_submodule(ours)
    found = {}
    for name, layer in layers.items():
        if isinstance(layer, nn.Conv2d):
            order = (2, 3, 0, 1) if layer.groups > 1 else (2, 3, 1, 0)
            found[f"{name}/kernel"] = layer.weight.detach().permute(order).contiguous()
            if layer.bias is not None:
                found[f"{name}/bias"] = layer.bias.detach()
        else:
            found |= {f"{name}/gamma": layer.weight.detach(), f"{name}/beta": layer.bias.detach()}
            found |= {f"{name}/mean": layer.running_mean, f"{name}/var": layer.running_var}
    return found


def test_folding_batch_norm_changes_no_feature():
    torch.manual_seed(0)
    net = timm.create_model(LITE).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = net.forward_features(pixels)
        fold_batch_norm(net)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
        assert torch.allclose(net.forward_features(pixels), before, atol=1e-4)


def test_body_and_tail_make_the_whole_backbone():
    backbone = Backbone(LITE, pretrained=False).eval()
    with torch.no_grad():
        whole = backbone(PIXELS)
        assert whole.shape == (2, 4, backbone.channels)
        for tail in (0, 1, 3, 9):
            grid = backbone.body(PIXELS, tail)
            assert torch.equal(backbone.tail(tail)(grid), whole)


@pytest.mark.parametrize(("name", "size"), [(LITE, 224), ("tf_efficientnet_lite1", 240),
                                            ("tf_efficientnet_lite2", 260)])  # fmt: skip
def test_packaged_weights_know_coffee(name, size):
    Backbone(name).eval().check(COFFEE, size)


def test_random_weights_do_not_know_coffee():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="not coffee"):
        Backbone(LITE, pretrained=False).eval().check(COFFEE, 224)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_a_file_with_timms_names_is_read(tmp_path, ending):
    net, path = random_net(LITE), tmp_path / f"weights.{ending}"
    if ending == "pth":
        torch.save({"state_dict": net.state_dict()}, path)
    else:
        save_file(tensors_of(net), path)
    other = timm.create_model(LITE)
    assert weights.load(other, path)
    assert all(torch.equal(t, tensors_of(net)[n]) for n, t in tensors_of(other).items())


def test_a_file_with_other_names_is_read_in_its_order(tmp_path):
    net, path = random_net(LITE), tmp_path / "weights.pth"
    torch.save({f"layer{i}": t for i, t in enumerate(tensors_of(net).values())}, path)
    other = timm.create_model(LITE)
    assert weights.load(other, path)
    assert all(torch.equal(t, tensors_of(net)[n]) for n, t in tensors_of(other).items())


def test_a_file_in_kerass_layout_is_read(tmp_path):
    net, path = random_net("tf_efficientnetv2_b0"), tmp_path / "weights.safetensors"
    save_file(as_keras(net), path)  # which sorts by name
    other = timm.create_model("tf_efficientnetv2_b0")
    assert not weights.load(other, path)
    expected = tensors_of(net, without="classifier")
    found = tensors_of(other, without="classifier")
    assert all(torch.equal(t, expected[n]) for n, t in found.items())


def test_without_a_classifier_no_class_is_likelier_and_the_log_says_so(tmp_path, caplog):
    path = tmp_path / "weights.safetensors"
    save_file(tensors_of(random_net(LITE), without="classifier"), path)
    backbone = Backbone(LITE, file=path).eval()
    with torch.no_grad(), caplog.at_level(logging.WARNING):
        assert (backbone.classify(PIXELS) == 0).all()
        backbone.check(COFFEE, 64)
    assert f"{path} has no classifier" in caplog.text


def test_a_file_of_another_network_is_refused(tmp_path):
    net, path = random_net(LITE), tmp_path / "weights.pth"
    tensors = tensors_of(net)
    for wrong, says in (
        (tensors | {"blocks.0.0.conv_dw.weight": torch.zeros(32, 1, 5, 5)}, r"conv_dw.weight is"),
        ({n: t for n, t in tensors.items() if n != "bn1.bias"}, "tensors, not"),
        ({n.replace("conv_stem", "stem"): t for n, t in reversed(tensors.items())}, "is"),
    ):
        torch.save(wrong, path)
        with pytest.raises(ValueError, match=f"{path} does not hold .*{says}"):
            weights.load(timm.create_model(LITE), path)
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        weights.load(net, tmp_path / "missing.pth")


def test_without_network_the_message_says_what_to_do(monkeypatch):
    def fail(name: str, pretrained: bool = False) -> None:
        raise FileNotFoundError("cannot find the requested files in the local cache")

    monkeypatch.setattr(weights.timm, "create_model", fail)
    with pytest.raises(OSError, match="weights of efficientnet_b1: .* --backbone-weights"):
        Backbone("efficientnet_b1")


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_cc_b0_4e"])
def test_what_is_no_efficientnet_of_one_kind_is_refused(name):
    with torch.device("meta"), pytest.raises(ValueError, match=name):
        Backbone(name, pretrained=False)


def test_a_checkpoint_of_weights_from_a_file_stands_alone(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_file(tensors_of(timm.create_model(LITE)), path)
    backbone = Backbone(LITE, file=path).eval()
    words = WordList(["dog", "run"], [0.1, 0.2])
    network = build(backbone, 3, tiny_config(channels=1280, picture_words=2), words).eval()
    with torch.no_grad():
        before = backbone(PIXELS)
        network.tail[0][0].conv_pw.weight.mul_(1.1)  # as training would
        after = backbone(PIXELS)
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(36))])
    parts = (Decoding(3, 1.0, 0.0), [], vocabulary, words, 1.0)
    torch.save(describe(network, 3, *parts, backbone.carried()), tmp_path / "best.pt")
    path.unlink()
    checkpoint = Checkpoint(tmp_path / "best.pt")
    assert torch.equal(checkpoint.features(PIXELS.numpy()), after)
    with torch.no_grad():
        assert torch.equal(checkpoint.untouched()(PIXELS), before)
    assert not torch.allclose(before, after)


def test_weights_that_have_a_name_are_not_carried():
    assert Backbone(LITE).carried() is None


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/weights")
def test_the_shared_weights_of_efficientnetv2_b0_are_read():
    file = SHARED.parent / "weights" / "efficientnetv2b0_bn.safetensors"
    backbone = Backbone("tf_efficientnetv2_b0", file=file).eval()
    assert not backbone.knows_classes
    pixels = torch.zeros(1, 224, 224, 3, dtype=torch.uint8)
    with torch.no_grad():
        assert backbone(pixels).shape == (1, 49, 1280)
