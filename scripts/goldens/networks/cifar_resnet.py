"""ResNets for 32×32 images: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), section 4.2."""

from torch import nn
from torch.nn import functional as F

# Depth, and channels of the stem and of the three stages.
_ARCHITECTURES = {
    "resnet8": (8, (16, 16, 32, 64)),
    "resnet14": (14, (16, 16, 32, 64)),
    "resnet20": (20, (16, 16, 32, 64)),
    "resnet32": (32, (16, 16, 32, 64)),
    "resnet44": (44, (16, 16, 32, 64)),
    "resnet56": (56, (16, 16, 32, 64)),
    "resnet110": (110, (16, 16, 32, 64)),
    "resnet8x4": (8, (32, 64, 128, 256)),
    "resnet32x4": (32, (32, 64, 128, 256)),
}


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut, which is a projection if the shape changes."""

    def __init__(self, width_in: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if stride > 1 or width_in != width:
            self.downsample = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        """Returns the sum before the last ReLU."""
        hidden = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(hidden)) + self.downsample(x)


class CifarResNet(nn.Module):
    def __init__(self, depth: int, channels: tuple[int, ...], num_classes: int):
        super().__init__()
        stem, *widths = channels
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        width_in = stem
        for stage, width in enumerate(widths, start=1):
            layer = nn.Sequential()
            for block in range(blocks):
                layer.append(Block(width_in, width, 2 if stage > 1 and block == 0 else 1))
                width_in = width
            self.add_module(f"layer{stage}", layer)
        self.fc = nn.Linear(width_in, num_classes)

    def forward(self, images):
        """Returns logits, and for each stage its name and its map before and after the last ReLU; the pooled map last."""
        x = F.relu(self.bn1(self.conv1(images)))
        features = []
        for name in ("layer1", "layer2", "layer3"):
            for block in getattr(self, name):
                before = block(x)
                x = F.relu(before)
            features.append((name, before, x))
        pooled = x.mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return self.fc(pooled.flatten(1)), features


def _builder(depth: int, channels: tuple[int, ...]):
    return lambda num_classes: CifarResNet(depth, channels, num_classes)


NETWORKS = {name: _builder(*architecture) for name, architecture in _ARCHITECTURES.items()}
