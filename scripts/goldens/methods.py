"""The methods other than review: soft targets, and the design steps of Chen et al., CVPR 2021, section 3.1.

Each method returns, for a batch, the loss and per stage of the teacher the unweighted distances.
"""

import torch
from torch import nn
from torch.nn import functional as F

from review import Abf, Review, hcl

DISTANCES = {"hcl": hcl, "l2": F.mse_loss}


class Kd(nn.Module):
    """Hinton et al. 2015: cross entropy of softened distributions, here as a divergence."""

    def __init__(self, options):
        super().__init__()
        self.temperature = options["temperature"]

    def forward(self, student, teacher, labels):
        log_student = F.log_softmax(student.logits / self.temperature, dim=1)
        soft_teacher = F.softmax(teacher.logits / self.temperature, dim=1)
        return F.kl_div(log_student, soft_teacher, reduction="batchmean") * self.temperature**2, [], []


class Dkd(nn.Module):
    """Zhao et al., CVPR 2022: target and non-target classes separately, in probabilities as in the paper."""

    def __init__(self, options):
        super().__init__()
        self.temperature, self.alpha, self.beta = options["temperature"], options["alpha"], options["beta"]

    def forward(self, student, teacher, labels):
        is_label = F.one_hot(labels, student.logits.shape[1]).bool()

        def decoupled(logits):
            p = F.softmax(logits / self.temperature, dim=1)
            target = p[is_label]
            rest = p[~is_label].reshape(len(p), -1)
            return torch.stack((target, 1 - target), dim=1), rest / rest.sum(dim=1, keepdim=True)

        (b_student, q_student), (b_teacher, q_teacher) = decoupled(student.logits), decoupled(teacher.logits)
        tckd = F.kl_div(b_student.log(), b_teacher, reduction="batchmean")
        nckd = F.kl_div(q_student.log(), q_teacher, reduction="batchmean")
        return self.temperature**2 * (self.alpha * tckd + self.beta * nckd), [], []


class OnFeatures(nn.Module):
    def __init__(self, options, stages: int):
        super().__init__()
        self.options = options
        self.distance = DISTANCES[options["distance"]]
        self.weights = options.get("stageWeights", [1.0] * stages)

    def taken(self, features, side):
        """The deepest common stages, shallow to deep."""
        maps = [after if self.options[side] == "after" else before for _, before, after in features]
        return maps[len(maps) - len(self.weights) :]

    def maps(self, student, teacher):
        return self.taken(student.features, "studentFeatures"), self.taken(teacher.features, "teacherFeatures")


class StagePairs(OnFeatures):
    """Pairs (i, j) of student and teacher stages, each with its own 1×1 convolution; i and j count from 1."""

    def __init__(self, options, student_channels, teacher_channels):
        n = len(student_channels)
        super().__init__(options, n)
        stage = options.get("stage", n)
        self.pairs = {
            "single-layer": [(stage, options.get("teacherStage", stage))],
            "multi-layer": [(i, i) for i in range(1, n + 1)],
            "review-stage": [(stage, j) for j in range(1, stage + 1)],
            "review-pairs": [(i, j) for i in range(1, n + 1) for j in range(1, i + 1)],
        }[options["kind"]]
        self.transforms = nn.ModuleList(nn.Conv2d(student_channels[i - 1], teacher_channels[j - 1], 1) for i, j in self.pairs)

    def forward(self, student, teacher, labels):
        student_maps, teacher_maps = self.maps(student, teacher)
        outputs, by_stage = [], {}
        for transform, (i, j) in zip(self.transforms, self.pairs, strict=True):
            target = teacher_maps[j - 1]
            output = F.interpolate(transform(student_maps[i - 1]), tuple(target.shape[2:]), mode="nearest")
            outputs.append(output)
            by_stage[j] = by_stage.get(j, 0) + self.distance(output, target)
        loss = sum(self.weights[j - 1] * distance for j, distance in by_stage.items())
        return loss, [by_stage[j] for j in sorted(by_stage)], outputs


class Fused(OnFeatures):
    """(d) by review.py's recursion."""

    def __init__(self, options, student_channels, teacher_channels):
        super().__init__(options, len(student_channels))
        review = Review(student_channels, teacher_channels, options.get("midChannels"), options["fusion"], self.distance)
        self.abfs = review.abfs
        self.run = review.forward

    def forward(self, student, teacher, labels):
        outputs, distances = self.run(*self.maps(student, teacher))
        return sum(w * d for w, d in zip(self.weights, distances, strict=True)), distances, outputs


class Stacks(OnFeatures):
    """(c): for each stage of the teacher, from the deepest, a stack of fusions from the deepest stage of the student."""

    def __init__(self, options, student_channels, teacher_channels):
        n = len(student_channels)
        super().__init__(options, n)
        mid = options.get("midChannels") or min(512, student_channels[-1])
        self.stacks = nn.ModuleList(
            nn.ModuleList(
                Abf(student_channels[i], mid, teacher_channels[i] if i == j else None, i == n - 1, options["fusion"])
                for i in range(n - 1, j - 1, -1)
            )
            for j in range(n - 1, -1, -1)
        )

    def forward(self, student, teacher, labels):
        student_maps, teacher_maps = self.maps(student, teacher)
        outputs, distances = [], []
        for j in range(len(student_maps)):
            residual, output = None, None
            stack = self.stacks[len(student_maps) - 1 - j]
            for k, abf in enumerate(stack):
                i = len(student_maps) - 1 - k
                output, residual = abf(student_maps[i], residual, tuple(teacher_maps[i].shape[2:]))
            outputs.append(output)
            distances.append(self.distance(output, teacher_maps[j]))
        return sum(w * d for w, d in zip(self.weights, distances, strict=True)), distances, outputs


def build_method(options, student_channels, teacher_channels):
    """A method of one term. Channels of all stages are listed from shallow to deep."""
    if options["kind"] in ("kd", "dkd"):
        return {"kd": Kd, "dkd": Dkd}[options["kind"]](options)
    n = min(len(student_channels), len(teacher_channels))
    family = {"review": Fused, "review-fused": Stacks}.get(options["kind"], StagePairs)
    return family(options, student_channels[-n:], teacher_channels[-n:])
