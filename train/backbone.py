"""EfficientNet as feature extractor: uint8 pixels -> grid of features.

Its weights come from ImageNet (weights.py) and are checked by classifying a known
picture; how the network is trained further is not known here.

Shapes: B pictures, P grid positions.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from timm.layers import BatchNormAct2d
from timm.models import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

import weights
from data import load_pixels

log = logging.getLogger(__name__)

# ImageNet classes that a picture of a cup of coffee may be called.
COFFEE = {504: "coffee mug", 967: "espresso", 968: "cup"}


class Backbone(nn.Module):
    """A timm EfficientNet cut into stages: stem, blocks, head convolution.

    Batch normalisation is folded into the convolutions: it would be kept as it
    is in any later training, and runs faster without.
    """

    def __init__(self, name: str, pretrained: bool = True, file: Path | None = None) -> None:
        """Builds timm's network of that name, with its ImageNet weights or those of a file.

        pretrained=False leaves them random.
        """
        super().__init__()
        self.file, self.knows_classes = file, True
        if file:
            net = timm.create_model(name).eval()
            self.knows_classes = weights.load(net, file)
        elif pretrained:
            net = weights.pretrained(name).eval()
        else:
            net = timm.create_model(name).eval()
        if not isinstance(net, EfficientNet) or net.num_classes != 1000:
            raise ValueError(f"{name} is not an EfficientNet for ImageNet's 1,000 classes")
        fold_batch_norm(net)
        if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
            raise ValueError(f"{name} has batch normalisation that cannot be folded")
        self.stages = nn.ModuleList(
            [
                nn.Sequential(net.conv_stem, net.bn1),
                *net.blocks,
                nn.Sequential(net.conv_head, net.bn2),
            ]
        )
        self.classifier = nn.Sequential(net.global_pool, net.classifier)
        self.channels: int = net.num_features
        mean, std = (255 * torch.tensor(net.pretrained_cfg[k]) for k in ("mean", "std"))
        if name in weights.PACKAGES:
            # What EfficientNet-Lite was trained with; ImageNet's mean and
            # deviation cost it 5 points of accuracy.
            mean, std = torch.full((3,), 127.0), torch.full((3,), 128.0)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        # A copy, because a network shares the last stages and trains them.
        self._loaded = {name: t.clone() for name, t in self.state_dict().items()} if file else None

    def carried(self) -> dict[str, Tensor] | None:
        """What a checkpoint carries of weights that came from a file: all; else None."""
        return self._loaded

    @classmethod
    def restore(cls, name: str, carried: Mapping[str, Tensor] | None) -> "Backbone":
        """The untouched backbone of a checkpoint, by what it carried."""
        backbone = cls(name, pretrained=carried is None).eval()
        if carried is not None:
            backbone.load_state_dict(carried)
        return backbone

    def body(self, pixels: Tensor, tail: int) -> Tensor:
        """uint8 [B, H, W, 3] -> the grid [B, c, h, w] that the last `tail` stages take."""
        x = pixels.permute(0, 3, 1, 2).float()  # first: ONNX Runtime is slow on rows of 3
        x = (x - self.mean.view(3, 1, 1)) / self.std.view(3, 1, 1)
        x = x.to(self.stages[0][0].weight.dtype)
        for stage in self.stages[: len(self.stages) - tail]:
            x = stage(x)
        return x

    def tail(self, count: int) -> nn.Sequential:
        """The last `count` stages: what body gave -> features [B, P, channels]."""
        return nn.Sequential(*self.stages[len(self.stages) - count :], GridToSequence())

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> features [B, P, channels]."""
        return GridToSequence()(self.body(pixels, 0))

    def classify(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> logits of ImageNet's classes [B, 1000]."""
        return self.classifier(self.body(pixels, 0))

    def check(self, coffee: Path, size: int) -> None:
        """Fails unless the network sees coffee in a picture of it: wrong weights do not.

        Without a classifier only names and shapes were checked, in loading.
        """
        if not self.knows_classes:
            log.warning(
                "%s has no classifier: only names and shapes of its weights could be "
                "checked, and the model will say nothing of ImageNet's classes",
                self.file,
            )
            return
        pixels = torch.from_numpy(load_pixels(coffee, size)[None])
        with torch.no_grad():
            seen = int(self.classify(pixels).argmax())
        if seen not in COFFEE:
            raise ValueError(f"the backbone calls {coffee} ImageNet class {seen}, not coffee")


class GridToSequence(nn.Module):
    """[B, c, h, w] -> [B, h * w, c]."""

    def forward(self, x: Tensor) -> Tensor:
        """Rows of the grid follow each other."""
        return x.flatten(2).transpose(1, 2)


def fold_batch_norm(module: nn.Module) -> None:
    """Replaces every convolution and the batch norm after it by one convolution."""
    convolution = None
    for name, child in module.named_children():
        if isinstance(child, BatchNormAct2d) and convolution is not None:
            convolution.weight, convolution.bias = fuse_conv_bn_weights(
                convolution.weight, convolution.bias,
                child.running_mean, child.running_var, child.eps, child.weight, child.bias,
            )  # fmt: skip
            setattr(module, name, nn.Sequential(child.drop, child.act))
        else:
            fold_batch_norm(child)
        convolution = child if isinstance(child, nn.Conv2d) else None
