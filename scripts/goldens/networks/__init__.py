"""The networks, written out in PyTorch: one file a family, each with a table NETWORKS of names and `build(num_classes)`.

A network's forward pass gives its logits, and for each stage its name and its map before and after the stage's last
activation, from shallow to deep, the pooled map last.
"""

from networks import cifar_resnet

FAMILIES = [cifar_resnet]

NETWORKS = {name: build for family in FAMILIES for name, build in family.NETWORKS.items()}
