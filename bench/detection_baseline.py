"""torchvision's half of detection.mjs: one JSON request per line on stdin, one JSON answer per line on stdout.

Faster R-CNN and Mask R-CNN with ResNet-50 and frozen norms, eager or with compiled networks: backbone with pyramid, region proposal head,
box head and mask head. Proposals, losses and non-maximum suppression are torchvision's own code, which does not compile as a whole.
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
from torchvision.ops.misc import FrozenBatchNorm2d

KINDS = {"faster-rcnn": FasterRCNN, "mask-rcnn": MaskRCNN}
CLASSES = 91

# Frozen norms do not normalize: without these factors the values of random networks would grow from block to block, and
# no class would stand out.
BRANCH_SCALE = 0.2
SCORE_SCALE = 30.0


def create_model(kind, size):
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3)
    model = KINDS[kind](backbone, CLASSES, min_size=size, max_size=size)
    with torch.no_grad():
        for name, values in backbone.named_buffers():
            if name.endswith("bn3.weight"):
                values.fill_(BRANCH_SCALE)
        model.roi_heads.box_predictor.cls_score.weight.mul_(SCORE_SCALE)
    return model


class Training:
    def __init__(self, request):
        batch, size = request["batch"], request["size"]
        self.model = create_model(request["kind"], size)
        pixels = np.fromfile(request["images"], dtype=np.float32).reshape(batch, 3, size, size)
        self.images = [torch.from_numpy(image) for image in pixels]
        self.targets = []
        for target in request["targets"]:
            boxes = torch.tensor(target["boxes"], dtype=torch.float32)
            entry = {"boxes": boxes, "labels": torch.tensor(target["labels"])}
            if request["kind"] == "mask-rcnn":
                entry["masks"] = torch.zeros(len(boxes), size, size, dtype=torch.uint8)
                for mask, (left, top, right, bottom) in zip(entry["masks"], boxes.int().tolist()):
                    mask[top:bottom, left:right] = 1
            self.targets.append(entry)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=request["learningRate"], momentum=0.9, weight_decay=1e-4)
        if request["compiled"]:
            heads = self.model.roi_heads
            self.model.backbone = torch.compile(self.model.backbone)
            self.model.rpn.head = torch.compile(self.model.rpn.head)
            heads.box_head = torch.compile(heads.box_head)
            if request["kind"] == "mask-rcnn":
                heads.mask_head = torch.compile(heads.mask_head, dynamic=True)

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


def answer(request, trainings):
    operation, name = request["operation"], request.get("name")
    if "threads" in request:
        torch.set_num_threads(request["threads"])
    if operation == "describe":
        return {"torch": torch.__version__, "torchvision": torchvision.__version__, "python": platform.python_version()}
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


def main():
    trainings = {}
    for line in sys.stdin:
        try:
            result = answer(json.loads(line), trainings)
        except Exception as error:  # the client reports it
            result = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
