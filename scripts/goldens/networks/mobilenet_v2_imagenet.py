"""MobileNetV2 at full width: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), table 2."""

from torch import nn

# Expansion, channels, blocks and stride of each row.
_ROWS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
# The last block of each size from stride 4 on.
_STAGES = (3, 6, 13, 17)


def _layer(width_in, width, kernel, stride=1, groups=1):
    convolution = nn.Conv2d(width_in, width, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU6())


class _Block(nn.Module):
    def __init__(self, width_in, width, stride, expansion):
        super().__init__()
        middle = width_in * expansion
        layers = [] if expansion == 1 else [_layer(width_in, middle, 1)]
        layers += [_layer(middle, middle, 3, stride, middle), nn.Conv2d(middle, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and width_in == width

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        layers = [_layer(3, 32, 3, 2)]
        width_in = 32
        for expansion, width, blocks, stride in _ROWS:
            for block in range(blocks):
                layers.append(_Block(width_in, width, stride if block == 0 else 1, expansion))
                width_in = width
        layers.append(_layer(width_in, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(1280, num_classes))

    def forward(self, x):
        features = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _STAGES:
                features.append((f"features.{index}", x, x))
        pooled = x.mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return self.classifier(pooled.flatten(1)), features


NETWORKS = {"mobilenetv2": MobileNetV2}

# Batch statistics of a few values would amplify rounding: the deepest map of 64×96 has 2×3.
CASES = {"mobilenetv2": [(10, (64, 64), "eval"), (1000, (37, 51), "eval"), (10, (64, 96), "train")]}
