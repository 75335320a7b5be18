"""Wide ResNets for 32×32 images: Zagoruyko and Komodakis, "Wide Residual Networks" (BMVC 2016), without dropout."""

from torch import nn
from torch.nn import functional as F

# Depth 6n + 4, and channels as a multiple of 16, 32, 64.
_ARCHITECTURES = {"wrn-16-1": (16, 1), "wrn-16-2": (16, 2), "wrn-40-1": (40, 1), "wrn-40-2": (40, 2)}


class Block(nn.Module):
    """Normalizes and activates before each convolution; a projected shortcut starts from the activated input, too."""

    def __init__(self, width_in: int, width: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        if width_in != width:
            self.convShortcut = nn.Conv2d(width_in, width, 1, stride, bias=False)

    def forward(self, x):
        active = F.relu(self.bn1(x))
        shortcut = self.convShortcut(active) if hasattr(self, "convShortcut") else x
        return shortcut + self.conv2(F.relu(self.bn2(self.conv1(active))))


class Stage(nn.Module):
    def __init__(self, blocks: list[Block]):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth: int, factor: int, num_classes: int):
        super().__init__()
        blocks = (depth - 4) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        incoming = 16
        for stage, base in enumerate((16, 32, 64), start=1):
            width = base * factor
            first = Block(incoming, width, 2 if stage > 1 else 1)
            self.add_module(f"block{stage}", Stage([first] + [Block(width, width, 1) for _ in range(blocks - 1)]))
            incoming = width
        self.bn1 = nn.BatchNorm2d(incoming)
        self.fc = nn.Linear(incoming, num_classes)

    def forward(self, images):
        """Returns logits and features. A stage's map "after" is its raw sum, the one "before" is the next normalization's output."""
        first = self.block1(self.conv1(images))
        second = self.block2(first)
        third = self.block3(second)
        pooled = F.relu(self.bn1(third)).mean((2, 3), keepdim=True)
        features = [
            ("block1", self.block2.layer[0].bn1(first), first),
            ("block2", self.block3.layer[0].bn1(second), second),
            ("block3", self.bn1(third), third),
            ("pool", pooled, pooled),
        ]
        return self.fc(pooled.flatten(1)), features


def _builder(depth: int, factor: int):
    return lambda num_classes: WideResNet(depth, factor, num_classes)


NETWORKS = {name: _builder(*architecture) for name, architecture in _ARCHITECTURES.items()}
