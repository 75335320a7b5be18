"""MobileNet: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017), table 1."""

from torch import nn
from torch.nn import functional as F

# Channels and stride of each depthwise separable convolution after the stem.
_BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
# The last block of each size except the first.
_STAGES = {"3": "model.3", "5": "model.5", "11": "model.11", "13": "model.13"}


class MobileNetV1(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32)))
        width_in = 32
        for width, stride in _BLOCKS:
            depthwise = nn.Conv2d(width_in, width_in, 3, stride, 1, groups=width_in, bias=False)
            pointwise = nn.Conv2d(width_in, width, 1, bias=False)
            self.model.append(nn.Sequential(depthwise, nn.BatchNorm2d(width_in), nn.ReLU(), pointwise, nn.BatchNorm2d(width)))
            width_in = width
        self.fc = nn.Linear(width_in, num_classes)

    def forward(self, x):
        features = []
        for index, block in self.model.named_children():
            before = block(x)
            x = F.relu(before)
            if index in _STAGES:
                features.append((_STAGES[index], before, x))
        pooled = x.mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return self.fc(pooled.flatten(1)), features


NETWORKS = {"mobilenetv1": MobileNetV1}

# Batch statistics of a few values would amplify rounding: the deepest map of 64×96 has 2×3.
CASES = {"mobilenetv1": [(10, (64, 64), "eval"), (1000, (37, 51), "eval"), (10, (64, 96), "train")]}
