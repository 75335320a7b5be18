"""VGG with batch normalization for 32×32 images: Simonyan and Zisserman (ICLR 2015), table 1, with a single linear layer."""

from torch import nn
from torch.nn import functional as F

# Channels of the convolutions of each block.
_ARCHITECTURES = {
    "vgg8": ((64,), (128,), (256,), (512,), (512,)),
    "vgg11": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "vgg13": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "vgg16": ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
}


class Vgg(nn.Module):
    def __init__(self, architecture: tuple[tuple[int, ...], ...], num_classes: int):
        super().__init__()
        incoming = 3
        for index, widths in enumerate(architecture):
            layers = []
            for width in widths:
                layers += [nn.Conv2d(incoming, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                incoming = width
            # The last ReLU is applied outside, so that the map before it is available.
            self.add_module(f"block{index}", nn.Sequential(*layers[:-1]))
        self.classifier = nn.Linear(incoming, num_classes)

    def forward(self, images):
        """Returns logits and features: four blocks, the first of which is not a stage, and the pooled map."""
        x = F.relu(self.block0(images))
        features = []
        for name in ("block1", "block2", "block3", "block4"):
            if name != "block4" or images.shape[2] == 64:
                x = F.max_pool2d(x, 2)
            before = getattr(self, name)(x)
            x = F.relu(before)
            features.append((name, before, x))
        pooled = x.mean((2, 3), keepdim=True)
        features.append(("pool", pooled, pooled))
        return self.classifier(pooled.flatten(1)), features


def _builder(architecture: tuple[tuple[int, ...], ...]):
    return lambda num_classes: Vgg(architecture, num_classes)


NETWORKS = {name: _builder(architecture) for name, architecture in _ARCHITECTURES.items()}
# An image of height 64 is pooled once more.
CASES = {"vgg8": [(10, (32, 32), "eval"), (100, (12, 20), "eval"), (10, (12, 20), "train"), (10, (64, 33), "eval")]}
