"""ResNets in the ImageNet configuration: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), table 1.

The bottleneck has its stride on the 3×3 convolution. `resnet18-cifar` and `resnet50-cifar` have a stem that keeps the size of
a 32×32 image.
"""

from torch import nn
from torch.nn import functional as F

# Layers of a block and blocks of each stage.
_ARRANGEMENTS = {
    18: (2, (2, 2, 2, 2)),
    34: (2, (3, 4, 6, 3)),
    50: (3, (3, 4, 6, 3)),
    101: (3, (3, 4, 23, 3)),
    152: (3, (3, 8, 36, 3)),
}
_WIDTHS = (64, 128, 256, 512)
_IMAGENET = {f"resnet{depth}": depth for depth in _ARRANGEMENTS}
_CIFAR = {"resnet18-cifar": 18, "resnet50-cifar": 50}


class Block(nn.Module):
    """Convolutions of the given kernels and widths, normalized, around a shortcut that is projected if the shape changes."""

    def __init__(self, width_in: int, kernels: tuple[int, ...], widths: tuple[int, ...], stride: int, shortcut: str):
        super().__init__()
        self.layers = len(kernels)
        incoming = width_in
        for layer, (kernel, width) in enumerate(zip(kernels, widths, strict=True), start=1):
            # The first 3×3 convolution has the stride.
            step = stride if kernel == 3 and 3 not in kernels[: layer - 1] else 1
            self.add_module(f"conv{layer}", nn.Conv2d(incoming, width, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{layer}", nn.BatchNorm2d(width))
            incoming = width
        self.projection = shortcut if stride > 1 or width_in != incoming else None
        if self.projection is not None:
            projection = nn.Sequential(nn.Conv2d(width_in, incoming, 1, stride, bias=False), nn.BatchNorm2d(incoming))
            self.add_module(self.projection, projection)

    def forward(self, x):
        """Returns the sum before the last ReLU."""
        branch = x
        for layer in range(1, self.layers + 1):
            branch = getattr(self, f"bn{layer}")(getattr(self, f"conv{layer}")(branch))
            if layer < self.layers:
                branch = F.relu(branch)
        return branch + (x if self.projection is None else getattr(self, self.projection)(x))


class ResNet(nn.Module):
    def __init__(self, depth: int, cifar: bool, num_classes: int):
        super().__init__()
        layers, blocks = _ARRANGEMENTS[depth]
        self.cifar = cifar
        shortcut, self.classifier = ("shortcut", "linear") if cifar else ("downsample", "fc")
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False) if cifar else nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        incoming = 64
        for stage, (count, width) in enumerate(zip(blocks, _WIDTHS, strict=True), start=1):
            kernels, widths = ((3, 3), (width, width)) if layers == 2 else ((1, 3, 1), (width, width, 4 * width))
            layer = nn.Sequential()
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                layer.append(Block(incoming, kernels, widths, stride, shortcut))
                incoming = widths[-1]
            self.add_module(f"layer{stage}", layer)
        self.add_module(self.classifier, nn.Linear(incoming, num_classes))

    def forward(self, images):
        """Returns logits, and for each stage its name and its map before and after the last ReLU; the pooled map last."""
        x = F.relu(self.bn1(self.conv1(images)))
        if not self.cifar:
            x = F.max_pool2d(x, 3, 2, 1)
        features = []
        for name in ("layer1", "layer2", "layer3", "layer4"):
            for block in getattr(self, name):
                before = block(x)
                x = F.relu(before)
            features.append((name, before, x))
        pooled = x.mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return getattr(self, self.classifier)(pooled.flatten(1)), features


def _builder(depth: int, cifar: bool):
    return lambda num_classes: ResNet(depth, cifar, num_classes)


NETWORKS = {
    **{name: _builder(depth, cifar=True) for name, depth in _CIFAR.items()},
    **{name: _builder(depth, cifar=False) for name, depth in _IMAGENET.items()},
}
# Published are 1000 classes at 224×224; a tenth of the pixels keeps the goldens quick to check.
CASES = {name: [(10, (64, 64), "eval"), (1000, (64, 96), "train")] for name in _IMAGENET}
