#!/usr/bin/env python3
"""Writes the golden values that the tests compare with, all or those that are named:

    python scripts/goldens/write_goldens.py [NAME …]

Computes in float64 on the CPU with PyTorch. Networks and losses are implemented in this folder, independently of the native
code, and every weight is a function of its name (deterministic.py). Requires torch and numpy.
"""

import json
import platform
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn import functional as F

from deterministic import fill_module, images_of, sequence
from methods import build_method
from networks import CASES, NETWORKS
from review import Review, hcl

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "goldens"
PROVENANCE = {
    "writtenBy": "scripts/goldens/write_goldens.py",
    "seed": "none: every weight and input is a function of its name",
    "torch": torch.__version__,
    "python": platform.python_version(),
}

HCL_SIZES = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (8, 8), (3, 8), (8, 3), (1, 5), (6, 1)]

# Small images keep the files quick to check; odd sizes make every resize uneven.
REVIEWS = [
    {"name": "resnet20--resnet8", "batch": 4, "imageSize": (32, 32), "weight": 0.6},
    {"name": "resnet32x4--resnet8x4", "batch": 3, "imageSize": (16, 16), "weight": 5.0},
    {"name": "resnet8x4--resnet14", "batch": 3, "imageSize": (19, 27), "weight": 1.0},
    {
        "name": "resnet14--resnet8--switched", "batch": 3, "imageSize": (24, 20), "weight": 0.25,
        "switches": {"teacherMode": "train", "teacherFeatures": "after", "studentFeatures": "before", "midChannels": 24},
    },
    {
        "name": "shufflenetv2--shufflenetv1", "batch": 3, "imageSize": (40, 24), "weight": 5.0,
        "switches": {"teacherMode": "train", "midChannels": 32},
    },
    {
        "name": "mobilenetv1--mobilenetv2-half", "batch": 2, "imageSize": (56, 64), "weight": 30.0,
        "switches": {"studentFeatures": "before", "midChannels": 32},
    },
]  # fmt: skip

WEIGHTING = {"weight": 1.0, "warmupEpochs": 0}
FEATURES = {**WEIGHTING, "teacherFeatures": "before", "studentFeatures": "after"}
FUSED = {**FEATURES, "fusion": "abf", "distance": "hcl", "midChannels": 16}

# At least one golden for each method, and one for each of its switches. resnet8x4 has other channels than resnet8, vgg13 one
# stage more.
METHODS = [
    ("kd", "resnet14", {**WEIGHTING, "kind": "kd", "temperature": 4.0, "weight": 0.9}),
    ("dkd", "resnet14", {**WEIGHTING, "kind": "dkd", "temperature": 3.0, "alpha": 1.0, "beta": 8.0, "weight": 0.5}),
    ("single-layer", "resnet8x4", {**FEATURES, "kind": "single-layer", "distance": "l2"}),
    ("single-layer--across", "resnet8x4", {**FEATURES, "kind": "single-layer", "distance": "hcl", "stage": 3, "teacherStage": 1}),
    ("multi-layer", "resnet8x4", {**FEATURES, "kind": "multi-layer", "distance": "l2", "stageWeights": [0.5, 2.0, 0.0, 1.0]}),
    ("multi-layer--more-stages", "vgg13", {**FEATURES, "kind": "multi-layer", "distance": "hcl"}),
    ("review-stage", "resnet8x4", {**FEATURES, "kind": "review-stage", "distance": "l2"}),
    ("review-stage--third", "resnet8x4", {**FEATURES, "kind": "review-stage", "distance": "l2", "stage": 3, "stageWeights": [1.0, 2.0, 3.0, 4.0]}),
    ("review-pairs", "resnet8x4", {**FEATURES, "kind": "review-pairs", "distance": "l2", "weight": 0.25, "stageWeights": [1.0, 0.5, 0.25, 2.0]}),
    ("review-fused", "resnet8x4", {**FUSED, "kind": "review-fused", "weight": 0.6}),
    ("review-fused--sum-l2", "resnet8x4", {**FUSED, "kind": "review-fused", "fusion": "sum", "distance": "l2", "stageWeights": [2.0, 1.0, 0.5, 0.0]}),
    ("review--sum", "resnet8x4", {**FUSED, "kind": "review", "fusion": "sum"}),
    ("review--l2", "resnet8x4", {**FUSED, "kind": "review", "distance": "l2", "stageWeights": [2.0, 1.0, 0.5, 0.0], "weight": 3.0}),
    ("review--more-stages", "vgg13", {**FUSED, "kind": "review"}),
    (
        "sum", "resnet8x4",
        {"kind": "sum", "of": [
            {**WEIGHTING, "kind": "kd", "temperature": 4.0, "weight": 0.75},
            {**FUSED, "kind": "review", "weight": 0.5},
            {**FEATURES, "kind": "multi-layer", "distance": "l2", "teacherFeatures": "after", "weight": 2.0},
        ]},
    ),
]  # fmt: skip


def summary(tensor: torch.Tensor, shown: int = 6) -> dict:
    values = tensor.detach().flatten()
    return {
        "shape": list(tensor.shape),
        "sum": values.sum().item(),
        "norm": values.norm().item(),
        "first": values[:shown].tolist(),
    }


def write(path: Path, golden: dict) -> None:
    text = json.dumps({**PROVENANCE, **golden}, indent=2)
    # Lists of plain values are written on one line: shapes and numbers are easier to read.
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def model_case(name: str, num_classes: int, size, mode: str) -> dict:
    model = NETWORKS[name](num_classes).double().train(mode == "train")
    fill_module(model)
    with torch.no_grad():
        logits, features = model(images_of(2, size))
    return {
        "numClasses": num_classes,
        "imageSize": list(size),
        "mode": mode,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "logits": summary(logits, shown=logits.numel() if num_classes == 10 else 6),
        "features": [{"name": stage, "before": summary(before), "after": summary(after)} for stage, before, after in features],
    }


def model_golden(name: str) -> dict:
    state = NETWORKS[name](10).state_dict()
    return {
        "model": name,
        "batch": 2,
        "cases": [model_case(name, *case) for case in CASES[name]],
        # The order is PyTorch's; shapes are those for 10 classes.
        "stateDict": {entry: list(value.shape) for entry, value in state.items()},
    }


def hcl_golden() -> dict:
    cases = []
    for height, width in HCL_SIZES:
        shape = (2, 3, height, width)
        student = (4 * sequence("student map", shape)).requires_grad_()
        loss = hcl(student, 4 * sequence("teacher map", shape))
        loss.backward()
        cases.append({"shape": list(shape), "loss": loss.item(), "gradient": summary(student.grad)})
    return {"cases": cases}


def tapped(features, side: str):
    return [after if side == "after" else before for _, before, after in features]


def channels_of(features) -> list[int]:
    return [after.shape[1] for _, _, after in features]


def review_golden(case: dict, num_classes: int = 10) -> dict:
    teacher_name, student_name = case["name"].split("--")[:2]
    switches = {"teacherMode": "eval", "teacherFeatures": "before", "studentFeatures": "after"} | case.get("switches", {})
    teacher = NETWORKS[teacher_name](num_classes).double().train(switches["teacherMode"] == "train")
    student = NETWORKS[student_name](num_classes).double().train()
    fill_module(teacher, "teacher.")
    fill_module(student, "student.")

    images = images_of(case["batch"], case["imageSize"])
    labels = torch.tensor([(3 * i + 1) % num_classes for i in range(case["batch"])])
    with torch.no_grad():
        teacher_logits, teacher_features = teacher(images)
    logits, features = student(images)
    review = Review(channels_of(features), channels_of(teacher_features), switches.get("midChannels")).double()
    fill_module(review)
    outputs, losses = review(tapped(features, switches["studentFeatures"]), tapped(teacher_features, switches["teacherFeatures"]))
    cross_entropy = F.cross_entropy(logits, labels)
    total = cross_entropy + case["weight"] * sum(losses)
    total.backward()

    named = [("student." + name, parameter) for name, parameter in student.named_parameters()] + list(review.named_parameters())
    return {
        "teacher": teacher_name,
        "student": student_name,
        "numClasses": num_classes,
        "batch": case["batch"],
        "imageSize": list(case["imageSize"]),
        "labels": labels.tolist(),
        "weight": case["weight"],
        "switches": switches,
        "trainingOnlyParameters": sum(parameter.numel() for parameter in review.parameters()),
        "teacherLogits": summary(teacher_logits),
        "studentLogits": summary(logits),
        "outputs": [summary(output) for output in outputs],
        "losses": {"crossEntropy": cross_entropy.item(), "perStage": [loss.item() for loss in losses], "total": total.item()},
        "gradientNorms": {name: parameter.grad.norm().item() for name, parameter in named},
    }


def method_golden(teacher_name: str, method: dict, num_classes: int = 10, batch: int = 3) -> dict:
    # Odd sizes make every resize uneven; vgg13 needs larger images.
    size = (33, 40) if teacher_name == "vgg13" else (11, 14)
    teacher = NETWORKS[teacher_name](num_classes).double().eval()
    student = NETWORKS["resnet8"](num_classes).double().train()
    fill_module(teacher, "teacher.")
    fill_module(student, "student.")
    images = images_of(batch, size)
    labels = torch.tensor([(3 * i + 1) % num_classes for i in range(batch)])
    with torch.no_grad():
        of_teacher = SimpleNamespace(**dict(zip(("logits", "features"), teacher(images), strict=True)))
    of_student = SimpleNamespace(**dict(zip(("logits", "features"), student(images), strict=True)))

    cross_entropy = F.cross_entropy(of_student.logits, labels)
    total = cross_entropy
    named = [("student." + name, parameter) for name, parameter in student.named_parameters()]
    terms, all_outputs = [], []
    for k, options in enumerate(method.get("of", [method])):
        prefix = f"methods.{k}." if method["kind"] == "sum" else ""
        module = build_method(options, channels_of(of_student.features), channels_of(of_teacher.features)).double()
        fill_module(module, prefix)
        loss, distances, outputs = module(of_student, of_teacher, labels)
        total = total + options["weight"] * loss
        named += [(prefix + name, parameter) for name, parameter in module.named_parameters()]
        terms.append({"kind": options["kind"], "loss": loss.item(), "perStage": [distance.item() for distance in distances]})
        all_outputs += outputs
    total.backward()
    return {
        "teacher": teacher_name,
        "student": "resnet8",
        "numClasses": num_classes,
        "batch": batch,
        "imageSize": list(size),
        "labels": labels.tolist(),
        "method": method,
        "outputs": [summary(output) for output in all_outputs],
        "losses": {"crossEntropy": cross_entropy.item(), "terms": terms, "total": total.item()},
        "gradientNorms": {name: parameter.grad.norm().item() for name, parameter in named},
    }


def goldens() -> dict:
    """What computes each golden, by its path."""
    return {
        **{FOLDER / "models" / f"{name}.json": partial(model_golden, name) for name in NETWORKS},
        FOLDER / "distillation" / "hcl.json": hcl_golden,
        **{FOLDER / "distillation" / f"{case['name']}.json": partial(review_golden, case) for case in REVIEWS},
        **{FOLDER / "methods" / f"{name}.json": partial(method_golden, teacher, method) for name, teacher, method in METHODS},
    }


def main() -> None:
    named = set(sys.argv[1:])
    all_goldens = goldens()
    unknown = named - {path.stem for path in all_goldens}
    if unknown:
        raise SystemExit(f"invalid names: expected names of goldens without .json, received {', '.join(sorted(unknown))}.")
    for path, compute in all_goldens.items():
        if not named or path.stem in named:
            write(path, compute())


if __name__ == "__main__":
    main()
