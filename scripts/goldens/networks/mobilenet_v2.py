"""MobileNetV2 for 32×32 images: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018)."""

from torch import nn

# Expansion, channels at width 1, blocks, stride. For small images, the second row has stride 1.
_GROUPS = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
# The last group of each size.
_STAGES = (1, 2, 4, 6)


def _conv_bn(width_in: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(width_in, width, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(width)]


class InvertedResidual(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int, expansion: int):
        super().__init__()
        mid = width_in * expansion
        widen, depthwise, narrow = _conv_bn(width_in, mid), _conv_bn(mid, mid, 3, stride, mid), _conv_bn(mid, width)
        self.conv = nn.Sequential(*widen, nn.ReLU(), *depthwise, nn.ReLU(), *narrow)
        self.shortcut = stride == 1 and width_in == width

    def forward(self, x):
        return self.conv(x) + x if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, factor: float, num_classes: int):
        super().__init__()
        width_in = int(32 * factor)
        self.conv1 = nn.Sequential(*_conv_bn(3, width_in, 3, 2), nn.ReLU())
        self.blocks = nn.ModuleList()
        for expansion, channels, count, stride in _GROUPS:
            width = int(channels * factor)
            group = nn.Sequential()
            for i in range(count):
                group.append(InvertedResidual(width_in, width, stride if i == 0 else 1, expansion))
                width_in = width
            self.blocks.append(group)
        self.conv2 = nn.Sequential(*_conv_bn(width_in, 1280), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(1280, num_classes))

    def forward(self, images):
        """Returns logits and features. No stage has a last activation: the maps before and after it are the same."""
        x = self.conv1(images)
        features = []
        for index, group in enumerate(self.blocks):
            x = group(x)
            if index in _STAGES:
                features.append((f"blocks.{index}", x, x))
        pooled = self.conv2(x).mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return self.classifier(pooled.flatten(1)), features


NETWORKS = {"mobilenetv2-half": lambda num_classes: MobileNetV2(0.5, num_classes)}

# Batch statistics of a few values would amplify rounding: the deepest map of 32×48 has 2×3.
CASES = {"mobilenetv2-half": [(10, (32, 32), "eval"), (100, (13, 21), "eval"), (10, (32, 48), "train")]}
