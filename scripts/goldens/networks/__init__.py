"""The networks, implemented in PyTorch: one file per family, each with a table NETWORKS of names and `build(num_classes)`.

A network's forward pass returns its logits, and for each stage its name and its map before and after the stage's last
activation, from shallow to deep, the pooled map last.

A golden covers a network at several numbers of classes, image sizes and modes: the published number of classes and another one, and
a size that is not square. A family whose networks need other cases than the default ones lists them in a table CASES.
"""

from networks import cifar_resnet, mobilenet_v1, mobilenet_v2, mobilenet_v2_imagenet, resnet, shufflenet, vgg, wide_resnet

FAMILIES = [cifar_resnet, wide_resnet, vgg, mobilenet_v2, shufflenet, resnet, mobilenet_v1, mobilenet_v2_imagenet]

NETWORKS = {name: build for family in FAMILIES for name, build in family.NETWORKS.items()}

# The number of classes, the image size and the mode of each case.
_USUAL = [(10, (32, 32), "eval"), (100, (12, 20), "eval"), (10, (12, 20), "train")]
CASES = {name: getattr(family, "CASES", {}).get(name, _USUAL) for family in FAMILIES for name in family.NETWORKS}
