#!/usr/bin/env python3
"""Writes the golden values of masks and of the evaluation of detections:

    python scripts/goldens/write_detection_goldens.py [masks | evaluation | voc …]

COCO's values are pycocotools'. Pascal VOC's are computed here in plain Python, as its development kit does. Requires numpy and
pycocotools, and the release of pycocotools that the files record for the same digits.
"""

import copy
import io
import json
import platform
import random
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "goldens" / "detection"
PROVENANCE = {
    "writtenBy": "scripts/goldens/write_detection_goldens.py",
    "pycocotools": version("pycocotools"),
    "numpy": np.__version__,
    "python": platform.python_version(),
}


def counts_of(pixels: np.ndarray) -> list:
    """Returns the runs of a mask, column by column, zeros first."""
    counts, value, run = [], 0, 0
    for pixel in pixels.flatten(order="F"):
        if pixel != value:
            counts.append(run)
            value, run = pixel, 0
        run += 1
    return [*counts, run]


def text_of(rle: dict) -> dict:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}


def box_of(random_: random.Random, size: int, step: float) -> list:
    """Returns a box whose numbers are multiples of `step`, partly outside of the image."""
    draw = lambda low, high: round(random_.uniform(low, high) / step) * step
    width, height = (max(step, draw(0, size * random_.choice([0.1, 0.4, 0.9]))) for _ in range(2))
    return [draw(-0.05 * size, size), draw(-0.05 * size, size), width, height]


def polygons_of(random_: random.Random, box: list) -> list:
    """Returns one or two polygons within a box."""
    x, y, width, height = box
    polygon = [x, y, x + width, y + 0.125 * height, x + 0.875 * width, y + height, x + 0.125 * width, y + 0.75 * height]
    second = [x + 0.5 * width, y, x + width, y, x + width, y + 0.5 * height]
    return [polygon, second] if random_.random() < 0.3 else [polygon]


def union_of(polygons: list, height: int, width: int) -> dict:
    return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))


def masks_golden() -> dict:
    """Polygons as masks, with areas, boxes, unions and overlaps."""
    random_ = random.Random(20_210)
    height, width = 37, 53
    cases = []
    for index in range(40):
        step = [1, 0.5, 0.2, 1 / 64][index % 4]
        points = random_.randint(3, 8)
        draw = lambda side: round(random_.uniform(-0.2 * side, 1.2 * side) / step) * step
        polygons = [
            [draw(side) for _ in range(points) for side in (width, height)] for _ in range(1 + index % 3)
        ]  # fmt: skip
        rle = union_of(polygons, height, width)
        cases.append({
            "polygons": polygons,
            "counts": rle["counts"].decode(),
            "runs": counts_of(coco_mask.decode(rle)),
            "area": int(coco_mask.area(rle)),
            "box": coco_mask.toBbox(rle).tolist(),
        })
    rles = [{"size": [height, width], "counts": case["counts"].encode()} for case in cases[:12]]
    crowd = [int(index % 4 == 1) for index in range(12)]
    boxes = np.array([case["box"] for case in cases[:12]])
    return {
        "size": [height, width],
        "cases": cases,
        "crowd": crowd,
        "iou": coco_mask.iou(rles, rles, crowd).tolist(),
        "boxIou": coco_mask.iou(boxes, boxes, crowd).tolist(),
        "union": coco_mask.merge(rles)["counts"].decode(),
        "intersection": coco_mask.merge(rles[3:5], intersect=True)["counts"].decode(),
    }


def segmentation_of(random_: random.Random, box: list, size: int, is_crowd: bool):
    """Returns a segmentation in one of COCO's forms; a crowd's is a list of runs."""
    polygons = polygons_of(random_, box)
    rle = union_of(polygons, size, size)
    if is_crowd:
        return {"size": [size, size], "counts": counts_of(coco_mask.decode(rle))}
    return polygons if random_.random() < 0.5 else text_of(rle)


def data_set(seed: int, kind: str) -> dict:
    """Draws truths, and detections near them and elsewhere, with equal scores, crowds and areas of all sizes."""
    random_ = random.Random(seed)
    size, step = random_.choice([(120, 4), (200, 1), (160, 10)])
    images = [{"id": id_, "height": size, "width": size} for id_ in random_.sample(range(1000), 8)]
    categories = [{"id": id_} for id_ in random_.sample(range(1, 91), 4)]
    annotations, detections = [], []
    for image in images:
        for _ in range(random_.choice([0, 2, 9])):
            box, is_crowd = box_of(random_, size, step), random_.random() < 0.15
            annotations.append({
                "id": len(annotations) + 1, "image_id": image["id"], "category_id": random_.choice(categories[:3])["id"],
                "bbox": box, "area": random_.choice([box[2] * box[3], 1024, 9216]), "iscrowd": int(is_crowd),
            })  # fmt: skip
            if kind == "segm":
                annotations[-1]["segmentation"] = segmentation_of(random_, box, size, is_crowd)
    for annotation in annotations:
        for _ in range(random_.randint(0, 3)):
            box = [value + random_.choice([0, 0, step, -step]) for value in annotation["bbox"]]
            box[2:] = [max(step, side) for side in box[2:]]
            category = random_.choice([annotation["category_id"]] * 4 + [category["id"] for category in categories])
            detections.append({
                "image_id": annotation["image_id"], "category_id": category, "bbox": box,
                "score": random_.choice([0.125, 0.5, 0.5, 0.875, round(random_.random(), 3)]),
            })  # fmt: skip
    random_.shuffle(detections)
    if kind == "segm":
        for detection in detections:
            box = detection.pop("bbox") if seed % 2 else detection["bbox"]
            detection["segmentation"] = text_of(union_of(polygons_of(random_, box), size, size))
    return {"kind": kind, "groundTruth": {"images": images, "categories": categories, "annotations": annotations},
            "detections": detections}  # fmt: skip


def summary(values: np.ndarray) -> dict:
    """Describes an array by its shape, sum, norm and weighted sum, which a permutation changes."""
    flat = values.flatten()
    return {"shape": list(values.shape), "sum": flat.sum().item(), "norm": np.linalg.norm(flat).item(),
            "weightedSum": (flat * np.cos(np.arange(flat.size))).sum().item()}  # fmt: skip


def coco_case(seed: int, kind: str) -> dict:
    case = data_set(seed, kind)
    with redirect_stdout(io.StringIO()):
        truths = COCO()
        truths.dataset = copy.deepcopy(case["groundTruth"])
        truths.createIndex()
        evaluation = COCOeval(truths, truths.loadRes(copy.deepcopy(case["detections"])), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {**case, "stats": evaluation.stats.tolist(),
            **{name: summary(evaluation.eval[name]) for name in ("precision", "recall", "scores")}}  # fmt: skip


def overlap(a: list, b: list) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def voc_curve(truths: list, detections: list, threshold: float):
    """Returns recall and precision after each detection; as VOCevaldet.m, with boxes that need no extra pixel."""
    taken, right, wrong, points = set(), 0, 0, []
    positives = sum(not truth["difficult"] for truth in truths)
    for detection in sorted(detections, key=lambda found: (-found["score"], found["image_id"])):
        candidates = [truth for truth in truths if truth["image_id"] == detection["image_id"]]
        best = max(candidates, key=lambda truth: overlap(truth["bbox"], detection["bbox"]), default=None)
        if best is None or overlap(best["bbox"], detection["bbox"]) <= threshold:
            wrong += 1
        elif best["difficult"]:
            continue
        elif best["id"] in taken:
            wrong += 1
        else:
            taken.add(best["id"])
            right += 1
        points.append((right / positives, right / (right + wrong)))
    return points


def voc_precision(points: list, rule: str) -> float:
    highest = lambda recall: max((precision for reached, precision in points if reached >= recall), default=0)
    if rule == "voc2007":
        return sum(highest(tenth / 10) for tenth in range(11)) / 11
    recalls = sorted({reached for reached, _ in points})
    return sum((recall - before) * highest(recall) for before, recall in zip([0, *recalls], recalls, strict=False))


def voc_case(seed: int, rule: str) -> dict:
    case = data_set(seed, "bbox")
    for annotation in case["groundTruth"]["annotations"]:
        annotation["difficult"] = annotation.pop("iscrowd")
        annotation.pop("area")
    per_category = []
    for category in sorted(category["id"] for category in case["groundTruth"]["categories"]):
        of_category = lambda items: [item for item in items if item["category_id"] == category]
        truths, detections = of_category(case["groundTruth"]["annotations"]), of_category(case["detections"])
        has_truths = any(not truth["difficult"] for truth in truths)
        at = lambda percent: voc_precision(voc_curve(truths, detections, percent / 100), rule) if has_truths else -1
        values = {percent: at(percent) for percent in range(50, 100, 5)}
        per_category.append({"id": category, "ap": sum(values.values()) / 10, "ap50": values[50], "ap75": values[75]})
    counted = [scores for scores in per_category if scores["ap50"] >= 0]
    stats = {name: sum(scores[name] for scores in counted) / len(counted) for name in ("ap", "ap50", "ap75")}
    return {**case, "metric": rule, "stats": stats, "perCategory": per_category}


def evaluation_golden() -> dict:
    return {"cases": [coco_case(seed, kind) for seed in (1, 2, 3) for kind in ("bbox", "segm")]}


def voc_golden() -> dict:
    return {"cases": [voc_case(seed, rule) for seed in (11, 12) for rule in ("voc2007", "voc2010")]}


GOLDENS = {"masks": masks_golden, "evaluation": evaluation_golden, "voc": voc_golden}


def main() -> None:
    named = sys.argv[1:] or list(GOLDENS)
    unknown = set(named) - set(GOLDENS)
    if unknown:
        raise SystemExit(f"invalid names: expected {', '.join(GOLDENS)}, received {', '.join(sorted(unknown))}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in named:
        golden = {**PROVENANCE, "seed": "of Python's generator, in the script", **GOLDENS[name]()}
        (FOLDER / f"{name}.json").write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
