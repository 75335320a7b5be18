"""detectron2's arithmetic where it differs from torchvision's, on torchvision's modules.

Stated from detectron2's configuration and its modeling/{anchor_generator, matcher, poolers, proposal_generator/rpn, roi_heads/fast_rcnn,
meta_arch/retinanet}.py, in plain PyTorch. State dicts keep torchvision's names and order of rows. Images have their size already.
"""

from types import MethodType

import torch
from torch.nn import functional as F
from torchvision.ops import box_iou, clip_boxes_to_image, nms, roi_align, sigmoid_focal_loss

RATIOS = (0.5, 1.0, 2.0)
FIRST_STRIDE = 4


def cell_anchors(sizes: list) -> torch.Tensor:
    """Anchors of one level around the origin, not rounded."""
    sides = [(size / ratio**0.5, size * ratio**0.5) for ratio in RATIOS for size in sizes]
    return torch.tensor([[-w / 2, -h / 2, w / 2, h / 2] for w, h in sides], dtype=torch.float64)


def anchors_of(sizes: list, first_stride: int, maps: list) -> list:
    """Anchors of all levels, whose strides double from level to level."""
    levels = []
    for level, (of_level, features) in enumerate(zip(sizes, maps, strict=True)):
        height, width = features.shape[-2:]
        stride = first_stride * 2**level
        y, x = torch.meshgrid(torch.arange(height) * stride, torch.arange(width) * stride, indexing="ij")
        shifts = torch.stack((x, y, x, y), -1).reshape(-1, 1, 4)
        levels.append((shifts + cell_anchors(of_level)).reshape(-1, 4))
    return levels


def nms_by_class(boxes, scores, classes, threshold: float) -> torch.Tensor:
    """Indices of kept boxes by falling score; boxes may reach beyond the image."""
    kept = [(classes == c).nonzero()[:, 0] for c in classes.unique()]
    kept = [of_class[nms(boxes[of_class], scores[of_class], threshold)] for of_class in kept]
    kept = torch.cat(kept) if kept else torch.zeros(0, dtype=torch.int64)
    return kept[scores[kept].argsort(descending=True, stable=True)]


def within(boxes, scores, labels, size) -> dict:
    """Detections clipped to the image, without those that have no area then."""
    boxes = clip_boxes_to_image(boxes, size)
    kept = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
    return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}


def rpn_loss(rpn, logits, deltas, labels, wanted):
    """Both sums over the samples of a full batch, and L1 for boxes."""
    batch_size = rpn.fg_bg_sampler.batch_size_per_image * len(labels)
    labels, wanted = torch.cat(labels), torch.cat(wanted)
    sampled, objects = labels >= 0, labels == 1
    objectness = F.binary_cross_entropy_with_logits(logits.flatten()[sampled], labels[sampled], reduction="sum")
    return objectness / batch_size, (deltas[objects] - wanted[objects]).abs().sum() / batch_size


def pooled(maps: list, boxes: list, side: int = 7) -> torch.Tensor:
    """Regions from the levels that suit them: aligned, with as many samples as they have pixels."""
    rois = torch.cat([torch.cat((torch.full((len(b), 1), i, dtype=b.dtype), b), 1) for i, b in enumerate(boxes)])
    sides = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).sqrt()
    levels = (4 + torch.log2(sides / 224 + 1e-8)).floor().clamp(2, 5)
    result = torch.zeros((len(rois), maps[0].shape[1], side, side), dtype=rois.dtype)
    for level, features in enumerate(maps, 2):
        chosen = levels == level
        result[chosen] = roi_align(features, rois[chosen], side, 2.0**-level, 0, True)
    return result


def roi_detections(heads, logits, deltas, proposals: list, sizes: list) -> list:
    found = []
    counts = [len(boxes) for boxes in proposals]
    decoded = heads.box_coder.decode(deltas, proposals).split(counts)
    for boxes, scores, size in zip(decoded, logits.softmax(1).split(counts), sizes, strict=True):
        region, label = (scores[:, 1:] > heads.score_thresh).nonzero(as_tuple=True)
        label = label + 1
        boxes, scores = clip_boxes_to_image(boxes[region, label], size), scores[region, label]
        kept = nms_by_class(boxes, scores, label, heads.nms_thresh)[: heads.detections_per_img]
        found.append(within(boxes[kept], scores[kept], label[kept], size))
    return found


def roi_heads(heads, features: dict, proposals: list, sizes: list, targets=None):
    labels = wanted = None
    if heads.training:
        proposals, _, labels, wanted = heads.select_training_samples(proposals, targets)
    maps = [features[name] for name in ("0", "1", "2", "3")]
    logits, deltas = heads.box_predictor(heads.box_head(pooled(maps, proposals)))
    if not heads.training:
        return roi_detections(heads, logits, deltas, proposals, sizes), {}
    labels, wanted = torch.cat(labels), torch.cat(wanted)
    objects = labels > 0
    of_class = deltas.reshape(len(labels), -1, 4)[objects, labels[objects]]
    return [], {
        "loss_classifier": F.cross_entropy(logits, labels),
        "loss_box_reg": (of_class - wanted[objects]).abs().sum() / len(labels),
    }


def retinanet_loss(model, targets: list, outputs: dict, anchors: list) -> dict:
    """Sums over the batch by a running mean of the number of anchors with an object, which starts at 100."""
    classification, boxes, count = 0.0, 0.0, 0
    of_images = zip(targets, outputs["cls_logits"], outputs["bbox_regression"], anchors, strict=True)
    for target, logits, deltas, grid in of_images:
        matches = torch.full((len(grid),), -1)
        if len(target["boxes"]):
            matches = model.proposal_matcher(box_iou(target["boxes"], grid))
        objects = matches >= 0
        count += int(objects.sum())
        classes = torch.zeros_like(logits)
        classes[objects, target["labels"][matches[objects]]] = 1
        counted = matches != -2
        classification = classification + sigmoid_focal_loss(logits[counted], classes[counted], 0.25, 2.0, "sum")
        wanted = model.box_coder.encode_single(target["boxes"][matches[objects]], grid[objects])
        boxes = boxes + (deltas[objects] - wanted).abs().sum()
    model.normalizer = 0.9 * model.normalizer + 0.1 * max(1, count)
    return {"classification": classification / model.normalizer, "bbox_regression": boxes / model.normalizer}


def retinanet_detections(model, outputs: dict, anchors: list, sizes: list) -> list:
    """Suppression before clipping."""
    found = []
    for image, size in enumerate(sizes):
        parts = []
        for logits, deltas, grid in zip(outputs["cls_logits"], outputs["bbox_regression"], anchors[image], strict=True):
            scores = logits[image].sigmoid()
            anchor, label = (scores > model.score_thresh).nonzero(as_tuple=True)
            best, order = scores[anchor, label].topk(min(model.topk_candidates, len(anchor)))
            anchor, label = anchor[order], label[order]
            parts.append((model.box_coder.decode_single(deltas[image][anchor], grid[anchor]), best, label))
        boxes, scores, labels = (torch.cat(part) for part in zip(*parts, strict=True))
        kept = nms_by_class(boxes, scores, labels, model.nms_thresh)[: model.detections_per_img]
        found.append(within(boxes[kept], scores[kept], labels[kept], size))
    return found


def follow_detectron2(model, options: dict) -> None:
    """Gives a torchvision detector detectron2's rules."""
    is_two_stage = hasattr(model, "rpn")
    model.transform.resize = lambda image, target: (image, target)
    sizes = options["anchorSizes"]

    def grid(self, images, maps):
        levels = anchors_of(sizes, FIRST_STRIDE if is_two_stage else 2 * FIRST_STRIDE, maps)
        return [torch.cat(levels) for _ in images.image_sizes]

    generator = model.rpn.anchor_generator if is_two_stage else model.anchor_generator
    generator.forward = MethodType(grid, generator)
    if is_two_stage:
        model.rpn.min_size = 5e-324  # more than 0
        model.rpn.compute_loss = MethodType(rpn_loss, model.rpn)
        model.roi_heads.forward = MethodType(roi_heads, model.roi_heads)
    else:
        model.normalizer = 100.0
        model.compute_loss = MethodType(retinanet_loss, model)
        model.postprocess_detections = MethodType(retinanet_detections, model)
