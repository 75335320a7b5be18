"""torchvision's half of detection.mjs: one JSON request per line on stdin, one JSON answer per line on stdout.

Faster R-CNN and Mask R-CNN with ResNet-50 and frozen norms, eager or with compiled networks: backbone with pyramid, region proposal head,
box head and mask head. Proposals, losses and non-maximum suppression are torchvision's own code, which does not compile as a whole.
detector_distillation_baseline.py shares networks, data and server.
"""

import json
import platform
import sys
import time

import numpy as np
import torch
import torchvision
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops.misc import FrozenBatchNorm2d

KINDS = {"faster-rcnn": FasterRCNN, "mask-rcnn": MaskRCNN}
CLASSES = 91

# Frozen norms do not normalize: without these factors the values of random networks would grow from block to block, and
# no class would stand out.
BRANCH_SCALE = 0.2
SCORE_SCALE = 30.0


def create_model(kind, size, backbone_name="resnet50", **options):
    """Returns a detector with random values; `options` are those of torchvision's constructor."""
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name=backbone_name, weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3)
    model = KINDS[kind](backbone, CLASSES, min_size=size, max_size=size, **options)
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, (BasicBlock, Bottleneck)):
                last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                last.weight.fill_(BRANCH_SCALE)
        model.roi_heads.box_predictor.cls_score.weight.mul_(SCORE_SCALE)
    return model


def compile_networks(model):
    """Compiles the parts of a detector that are networks, in place."""
    heads = model.roi_heads
    model.backbone = torch.compile(model.backbone)
    model.rpn.head = torch.compile(model.rpn.head)
    heads.box_head = torch.compile(heads.box_head)
    if heads.mask_head is not None:
        heads.mask_head = torch.compile(heads.mask_head, dynamic=True)


def read_data(request):
    """Returns the images of a request's file and its objects, as torchvision's detectors take them."""
    batch, size = request["batch"], request["size"]
    pixels = np.fromfile(request["images"], dtype=np.float32).reshape(batch, 3, size, size)
    images = [torch.from_numpy(image) for image in pixels]
    targets = []
    for target in request["targets"]:
        boxes = torch.tensor(target["boxes"], dtype=torch.float32)
        entry = {"boxes": boxes, "labels": torch.tensor(target["labels"])}
        if request["kind"] == "mask-rcnn":
            entry["masks"] = torch.zeros(len(boxes), size, size, dtype=torch.uint8)
            for mask, (left, top, right, bottom) in zip(entry["masks"], boxes.int().tolist()):
                mask[top:bottom, left:right] = 1
        targets.append(entry)
    return images, targets


class Training:
    def __init__(self, request):
        self.model = create_model(request["kind"], request["size"])
        self.images, self.targets = read_data(request)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=request["learningRate"], momentum=0.9, weight_decay=1e-4)
        if request["compiled"]:
            compile_networks(self.model)

    def step(self):
        self.model.train()
        started, processor = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.model(self.images, self.targets)
        forward = time.perf_counter()
        total = sum(losses.values())
        total.backward()
        backward = time.perf_counter()
        self.optimizer.step()
        values = {name: loss.item() for name, loss in losses.items()}
        done = time.perf_counter()
        return {"step": done - started, "forward": forward - started, "backward": backward - forward, "optimizer": done - backward,
                "processor": time.process_time() - processor, "losses": values}

    def detect(self):
        self.model.eval()
        started, processor = time.perf_counter(), time.process_time()
        with torch.no_grad():
            found = self.model(self.images)
        return {"detect": time.perf_counter() - started, "processor": time.process_time() - processor, "found": [len(image["scores"]) for image in found]}


def status_bytes(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def measure_memory(request):
    training = Training(request)
    before = status_bytes("VmRSS:")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # resets the peak
    for _ in range(3):
        getattr(training, request["call"])()
    return {"bytes": status_bytes("VmHWM:") - before}


def describe():
    return {"torch": torch.__version__, "torchvision": torchvision.__version__, "python": platform.python_version()}


def answer(request, trainings):
    operation, name = request["operation"], request.get("name")
    if operation == "describe":
        return describe()
    if operation == "weights":
        torch.save(create_model(request["kind"], request["size"]).state_dict(), request["path"])
        return {}
    if operation == "prepare":
        trainings[name] = Training(request)
        return {}
    if operation in ("step", "detect"):
        return getattr(trainings[name], operation)()
    if operation == "drop":
        del trainings[name]
        return {}
    if operation == "memory":  # once per process
        return measure_memory(request)
    raise ValueError(f"invalid operation: expected one that this server has, received {operation!r}.")


def serve(answer):
    """Answers each request, after setting its number of threads, by `answer(request, trainings)`, which keeps trainings by name."""
    trainings = {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if "threads" in request:
                torch.set_num_threads(request["threads"])
            result = answer(request, trainings)
        except Exception as error:  # the client reports it
            result = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(answer)
