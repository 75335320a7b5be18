#!/usr/bin/env python3
"""Writes the golden values of detectors, all or those that are named:

    python scripts/goldens/write_detection_models.py [NAME …]

Computes in float64 on the CPU with torchvision, whose detectors get every weight from its name (deterministic.py). detectron2's rules are
stated in detectron2_rules.py. Samplers have room for every candidate, so nothing depends on a random generator. Images are enlarged by 1
or 2, because torchvision scales boxes by ratios in float32. Requires torch and the release of torchvision that the files record.
"""

import json
import platform
import sys
from pathlib import Path

import torch
import torchvision
from torchvision.models import mobilenet_v2
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from detectron2_rules import follow_detectron2
from deterministic import fill_module, sequence
from write_goldens import summary

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "goldens" / "detectors"
PROVENANCE = {
    "writtenBy": "scripts/goldens/write_detection_models.py",
    "seed": "none: every weight and input is a function of its name",
    "torch": torch.__version__,
    "torchvision": torchvision.__version__,
    "python": platform.python_version(),
}
NUM_CLASSES = 4
ALL = 2**20
OPTIMIZER = {"learningRate": 1e-3, "momentum": 0.9, "nesterov": False, "weightDecay": 1e-4}

# Height, width, boxes and labels: an image of the network's size, one that is enlarged, one without objects.
IMAGES = [
    (64, 96, [[10.5, 8.25, 60.75, 55.5], [50.25, 20.5, 90.0, 61.25], [4.0, 40.5, 30.25, 62.0]], [1, 3, 2]),
    (32, 40, [[5.25, 3.5, 25.75, 28.0], [20.5, 12.0, 38.75, 30.25]], [3, 1]),
    (64, 72, [], []),
]

SHARED = {"minSize": 64, "maxSize": 160}
TWO_STAGE = {
    **SHARED, "anchorSizes": [[8], [16], [32], [64], [128]],
    "rpnPreNmsTopNTrain": 100, "rpnPreNmsTopNTest": 60, "rpnPostNmsTopNTrain": 32, "rpnPostNmsTopNTest": 24,
    "rpnBatchSizePerImage": ALL, "boxBatchSizePerImage": ALL, "boxPositiveFraction": 0.5,
    "boxScoreThresh": 0.2, "boxDetectionsPerImg": 8,
}  # fmt: skip
ONE_STAGE = {
    **SHARED, "anchorSizes": [[16, 20, 25], [32, 40, 50], [64, 80, 101], [128, 161, 203], [256, 322, 406]],
    "scoreThresh": 0.4, "topkCandidates": 60, "detectionsPerImg": 8,
}  # fmt: skip
# Without resizing, for which detectron2 has another filter. A deviation keeps the maps of filled weights small.
DETECTRON2 = {"minSize": None, "imageStd": [57.375, 57.12, 58.395]}

CASES = {
    "faster-rcnn-resnet18-fpn": ("torchvision", TWO_STAGE),
    "mask-rcnn-resnet18-fpn": ("torchvision", TWO_STAGE),
    "retinanet-resnet18-fpn": ("torchvision", ONE_STAGE),
    "retinanet-resnet18-fpn--giou": ("torchvision", {**ONE_STAGE, "boxLoss": "giou"}),
    "faster-rcnn-mobilenetv2-fpn": ("torchvision", {**TWO_STAGE, "trainableLayers": 5}),
    # The divisor of the first losses is this number of anchors, not those that there are.
    "faster-rcnn-resnet18-fpn--detectron2": ("detectron2", {**TWO_STAGE, **DETECTRON2, "rpnBatchSizePerImage": 4096}),
    "retinanet-resnet18-fpn--detectron2": ("detectron2", {**ONE_STAGE, **DETECTRON2}),
}

# The first parameter of each part, by a piece of its name.
PARTS = [
    "body.layer2.0.conv1.weight", "body.layer4.1.conv2.weight", "body.0.0.weight", "body.17.conv.2.weight",
    "inner_blocks.0.0.weight", "layer_blocks.2.0.bias", "extra_blocks.p6.weight", "extra_blocks.p7.bias",
    "rpn.head.conv.0.0.weight", "rpn.head.cls_logits.bias", "rpn.head.bbox_pred.weight",
    "box_head.fc6.bias", "box_head.fc7.weight", "cls_score.weight", "box_predictor.bbox_pred.weight",
    "mask_head.0.0.weight", "conv5_mask.weight", "mask_fcn_logits.bias",
    "classification_head.conv.0.0.weight", "classification_head.cls_logits.bias", "regression_head.conv.3.0.bias",
    "regression_head.bbox_reg.weight",
]  # fmt: skip


def mobilenet_backbone() -> BackboneWithFPN:
    """MobileNetV2 at full width without its last layer; everything is trained but the norms."""
    body = torch.nn.Sequential(*list(mobilenet_v2(norm_layer=FrozenBatchNorm2d).features)[:18])
    layers = {"3": "0", "6": "1", "13": "2", "17": "3"}
    return BackboneWithFPN(body, layers, [24, 32, 96, 320], 256, LastLevelMaxPool())


def resnet_backbone(name: str, is_one_stage: bool, p6_source: str) -> BackboneWithFPN:
    if not is_one_stage:
        return resnet_fpn_backbone(backbone_name=name, weights=None, trainable_layers=3)
    channels = 512 if p6_source == "c5" else 256
    return resnet_fpn_backbone(backbone_name=name, weights=None, trainable_layers=3, returned_layers=[2, 3, 4],
                               extra_blocks=LastLevelP6P7(channels, 256))  # fmt: skip


def widen_labels(rpn) -> None:
    """Keeps torchvision from computing the loss of float64 logits in the type of its labels, float32."""
    assign = rpn.assign_targets_to_anchors

    def assigned(anchors, targets):
        labels, boxes = assign(anchors, targets)
        return [of_image.double() for of_image in labels], boxes

    rpn.assign_targets_to_anchors = assigned


def build(kind: str, backbone_name: str, flavor: str, options: dict):
    is_one_stage = kind == "retinanet"
    if backbone_name == "mobilenetv2":
        backbone = mobilenet_backbone()
    else:
        backbone = resnet_backbone(backbone_name, is_one_stage, "c5" if flavor == "detectron2" else "p5")
    sizes = options["anchorSizes"]
    anchors = AnchorGenerator(tuple(map(tuple, sizes)), ((0.5, 1.0, 2.0),) * len(sizes))
    resizing = {"min_size": options["minSize"] or 64, "max_size": options["maxSize"]}
    if flavor == "detectron2":
        resizing |= {"image_mean": [103.53, 116.28, 123.675], "image_std": options["imageStd"]}
    if is_one_stage:
        model = RetinaNet(backbone, NUM_CLASSES, anchor_generator=anchors, score_thresh=options["scoreThresh"], detections_per_img=options["detectionsPerImg"],
                          topk_candidates=options["topkCandidates"], **resizing)  # fmt: skip
        model.head.regression_head._loss_type = options.get("boxLoss", "l1")
    else:
        model = {"faster-rcnn": FasterRCNN, "mask-rcnn": MaskRCNN}[kind](
            backbone, NUM_CLASSES, rpn_anchor_generator=anchors,
            rpn_pre_nms_top_n_train=options["rpnPreNmsTopNTrain"], rpn_pre_nms_top_n_test=options["rpnPreNmsTopNTest"],
            rpn_post_nms_top_n_train=options["rpnPostNmsTopNTrain"], rpn_post_nms_top_n_test=options["rpnPostNmsTopNTest"],
            rpn_batch_size_per_image=options["rpnBatchSizePerImage"], box_batch_size_per_image=options["boxBatchSizePerImage"],
            box_positive_fraction=options["boxPositiveFraction"], box_score_thresh=options["boxScoreThresh"],
            box_detections_per_img=options["boxDetectionsPerImg"], **resizing,
        )  # fmt: skip
    model = model.double()
    fill_module(model)
    if not is_one_stage:
        widen_labels(model.rpn)
    if flavor == "detectron2":
        follow_detectron2(model, options)
    return model


def mask_of(box: list, height: int, width: int) -> torch.Tensor:
    """The ellipse within a box, at pixel centers."""
    x1, y1, x2, y2 = box
    x, y = torch.arange(width).double() + 0.5, torch.arange(height).double()[:, None] + 0.5
    distance = ((x - (x1 + x2) / 2) / ((x2 - x1) / 2)) ** 2 + ((y - (y1 + y2) / 2) / ((y2 - y1) / 2)) ** 2
    return (distance <= 1).to(torch.uint8)


def batch_of(flavor: str):
    """Images from 0 to 1, in detectron2's form BGR from 0 to 255, and their objects."""
    images, targets = [], []
    for index, (height, width, boxes, labels) in enumerate(IMAGES):
        image = sequence(f"image{index}", (3, height, width)) + 0.5
        images.append(image.flip(0) * 255 if flavor == "detectron2" else image)
        masks = [mask_of(box, height, width) for box in boxes]
        targets.append({
            "boxes": torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4), "labels": torch.tensor(labels, dtype=torch.int64),
            "masks": torch.stack(masks) if masks else torch.zeros((0, height, width), dtype=torch.uint8),
        })  # fmt: skip
    return images, targets


def detections_of(model, images: list) -> list:
    with torch.no_grad():
        found = model.eval()(images)
    return [
        {"boxes": image["boxes"].tolist(), "scores": image["scores"].tolist(), "labels": image["labels"].tolist(),
         **({"masks": summary(image["masks"][:, 0]), "maskAreas": (image["masks"][:, 0] > 0.5).sum((1, 2)).tolist()} if "masks" in image else {})}
        for image in found
    ]  # fmt: skip


def training_of(model, images: list, targets: list) -> dict:
    """Losses of two steps, and the gradients of the first."""
    model.train()
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimizer = torch.optim.SGD(trained.values(), OPTIMIZER["learningRate"], OPTIMIZER["momentum"], weight_decay=OPTIMIZER["weightDecay"])
    steps, gradients = [], {}
    for step in range(2):
        optimizer.zero_grad()
        losses = model(images, [dict(target) for target in targets])
        sum(losses.values()).backward()
        if step == 0:
            gradients = {name: value.grad.clone() for name, value in trained.items()}
        optimizer.step()
        steps.append({name.removeprefix("loss_"): loss.item() for name, loss in losses.items()})
    shown = {name: summary(value) for name, value in gradients.items() if name.endswith(tuple(PARTS))}
    return {"steps": steps, "gradientNorms": {name: value.norm().item() for name, value in gradients.items()}, "gradients": shown}


def golden(name: str) -> dict:
    flavor, options = CASES[name]
    kind, backbone = name.removesuffix("--detectron2").removesuffix("--giou").removesuffix("-fpn").rsplit("-", 1)
    model = build(kind, backbone, flavor, options)
    images, targets = batch_of(flavor)
    with torch.no_grad():
        batch, _ = model.transform(images)
        levels = model.backbone(batch.tensors)
    described = [{"image": f"image{index}", "height": height, "width": width, "boxes": boxes, "labels": labels}
                 for index, (height, width, boxes, labels) in enumerate(IMAGES)]  # fmt: skip
    return {
        "detector": f"{kind}-{backbone}-fpn", "flavor": flavor, "numClasses": NUM_CLASSES, "detection": options, "images": described,
        "optimizer": OPTIMIZER, "parameters": sum(value.numel() for value in model.parameters()),
        "trainedParameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
        "stateDict": {entry: list(value.shape) for entry, value in model.state_dict().items()},
        "imageSizes": [list(size) for size in batch.image_sizes], "input": summary(batch.tensors),
        "pyramid": [summary(level) for level in levels.values()],
        "detections": detections_of(model, images), **training_of(model, images, targets),
    }  # fmt: skip


def main() -> None:
    named = sys.argv[1:] or list(CASES)
    unknown = set(named) - set(CASES)
    if unknown:
        raise SystemExit(f"invalid names: expected {', '.join(CASES)}, received {', '.join(sorted(unknown))}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in named:
        (FOLDER / f"{name}.json").write_text(json.dumps({**PROVENANCE, **golden(name)}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
