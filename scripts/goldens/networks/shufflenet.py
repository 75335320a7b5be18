"""ShuffleNets for 32×32 images, with a 1×1 stem.

Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices" (CVPR 2018);
Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (ECCV 2018).
"""

import torch
from torch import nn
from torch.nn import functional as F

_STEM = 24


def _shuffle(x, groups: int):
    """Channel i of each group, for each i in turn."""
    order = torch.arange(x.shape[1]).reshape(groups, -1).T.flatten()
    return x[:, order]


def _add_convolutions(block: nn.Module, layers) -> None:
    """conv1, bn1, conv2, bn2, …; each of (width in, width, kernel, stride, groups)."""
    for i, (width_in, width, kernel, stride, groups) in enumerate(layers, start=1):
        block.add_module(f"conv{i}", nn.Conv2d(width_in, width, kernel, stride, kernel // 2, groups=groups, bias=False))
        block.add_module(f"bn{i}", nn.BatchNorm2d(width))


def _normalized(block: nn.Module, i: int, x):
    return getattr(block, f"bn{i}")(getattr(block, f"conv{i}")(x))


class Bottleneck(nn.Module):
    """Grouped convolutions around a shortcut; a block that halves the map keeps its averaged input as channels."""

    def __init__(self, width_in: int, width: int, halves: bool, groups: int):
        super().__init__()
        self.halves = halves
        self.groups = 1 if width_in == _STEM else groups
        added = width - width_in if halves else width
        mid = added // 4
        stride = 2 if halves else 1
        _add_convolutions(self, [(width_in, mid, 1, 1, self.groups), (mid, mid, 3, stride, mid), (mid, added, 1, 1, groups)])

    def forward(self, x):
        """Returns the map before and after the last ReLU."""
        hidden = _shuffle(F.relu(_normalized(self, 1, x)), self.groups)
        out = _normalized(self, 3, F.relu(_normalized(self, 2, hidden)))
        before = torch.cat((out, F.avg_pool2d(x, 3, 2, 1)), 1) if self.halves else x + out
        return before, F.relu(before)


class DownBlock(nn.Module):
    """Two branches over all channels; both halve the map."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        half = width // 2
        left = [(width_in, width_in, 3, 2, width_in), (width_in, half, 1, 1, 1)]
        right = [(width_in, half, 1, 1, 1), (half, half, 3, 2, half), (half, half, 1, 1, 1)]
        _add_convolutions(self, left + right)

    def forward(self, x):
        left = F.relu(_normalized(self, 2, _normalized(self, 1, x)))
        right = F.relu(_normalized(self, 5, _normalized(self, 4, F.relu(_normalized(self, 3, x)))))
        both = _shuffle(torch.cat((left, right), 1), 2)
        return both, both


class SplitBlock(nn.Module):
    """Convolves the second half of the channels. The map before the ReLU is returned unshuffled."""

    def __init__(self, width: int):
        super().__init__()
        half = width // 2
        _add_convolutions(self, [(half, half, 1, 1, 1), (half, half, 3, 1, half), (half, half, 1, 1, 1)])

    def forward(self, x):
        first, second = x.chunk(2, dim=1)
        out = _normalized(self, 3, _normalized(self, 2, F.relu(_normalized(self, 1, second))))
        return torch.cat((first, out), 1), _shuffle(torch.cat((first, F.relu(out)), 1), 2)


class ShuffleNet(nn.Module):
    """Stages as lists of blocks; `head`, if any, widens the last map."""

    def __init__(self, stages, width: int, head: int | None, num_classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, _STEM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        for i, blocks in enumerate(stages, start=1):
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.has_head = head is not None
        if head is not None:
            self.conv2 = nn.Conv2d(width, head, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(head)
        self.linear = nn.Linear(head or width, num_classes)

    def forward(self, images):
        x = F.relu(_normalized(self, 1, images))
        features = []
        for name in ("layer1", "layer2", "layer3"):
            for block in getattr(self, name):
                before, x = block(x)
            features.append((name, before, x))
        if self.has_head:
            x = F.relu(_normalized(self, 2, x))
        pooled = x.mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return self.linear(pooled.flatten(1)), features


def _v1(num_classes: int) -> ShuffleNet:
    stages, width_in = [], _STEM
    for width, blocks in ((240, 4), (480, 8), (960, 4)):
        stages.append([Bottleneck(width_in if i == 0 else width, width, i == 0, 3) for i in range(blocks)])
        width_in = width
    return ShuffleNet(stages, width_in, None, num_classes)


def _v2(num_classes: int) -> ShuffleNet:
    stages, width_in = [], _STEM
    for width, blocks in ((116, 3), (232, 7), (464, 3)):
        stages.append([DownBlock(width_in, width), *(SplitBlock(width) for _ in range(blocks))])
        width_in = width
    return ShuffleNet(stages, width_in, 1024, num_classes)


NETWORKS = {"shufflenetv1": _v1, "shufflenetv2": _v2}
