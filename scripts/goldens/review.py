"""Knowledge Review in its residual framework: Chen et al., CVPR 2021, sections 3.1 to 3.3."""

import torch
from torch import nn
from torch.nn import functional as F


def hcl(student, teacher):
    """Hierarchical context loss of two maps [N, C, H, W]."""
    height = student.shape[2]
    terms = [((student - teacher) ** 2).mean()]
    for cells in (4, 2, 1):
        if cells < height:
            pool = nn.AdaptiveAvgPool2d(cells)
            terms.append(((pool(student) - pool(teacher)) ** 2).mean())
    weights = [0.5**level for level in range(len(terms))]
    return sum(weight * term for weight, term in zip(weights, terms, strict=True)) / sum(weights)


class Abf(nn.Module):
    """Fusion of a student stage with the fusion of deeper ones: by attention ("abf") or by addition ("sum")."""

    def __init__(self, width_in: int, mid: int, width_out: int | None, deepest: bool, fusion: str = "abf"):
        super().__init__()
        self.deepest = deepest
        self.conv1 = nn.Sequential(nn.Conv2d(width_in, mid, 1, bias=False), nn.BatchNorm2d(mid))
        self.conv2 = None
        if width_out is not None:
            self.conv2 = nn.Sequential(nn.Conv2d(mid, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out))
        attends = fusion == "abf" and not deepest
        self.att_conv = nn.Sequential(nn.Conv2d(2 * mid, 2, 1), nn.Sigmoid()) if attends else None

    def forward(self, x, residual, size):
        x = self.conv1(x)
        if not self.deepest:
            residual = F.interpolate(residual, tuple(x.shape[2:]), mode="nearest")
        if self.att_conv is not None:
            attention = self.att_conv(torch.cat((x, residual), dim=1))
            x = x * attention[:, :1] + residual * attention[:, 1:]
        elif not self.deepest:
            x = x + residual
        x = F.interpolate(x, size, mode="nearest")
        return None if self.conv2 is None else self.conv2(x), x


class Review(nn.Module):
    """The recursion from the deepest stage to the shallowest. Channels are listed from shallow to deep."""

    def __init__(self, student_channels, teacher_channels, mid=None, fusion="abf", distance=hcl):
        super().__init__()
        self.distance = distance
        mid = mid or min(512, student_channels[-1])
        pairs = list(zip(student_channels, teacher_channels, strict=True))[::-1]
        self.abfs = nn.ModuleList(Abf(s, mid, t, i == 0, fusion) for i, (s, t) in enumerate(pairs))

    def forward(self, student_maps, teacher_maps):
        """Returns fused maps and losses per stage, shallow to deep."""
        residual, outputs, losses = None, [], []
        pairs = list(zip(student_maps, teacher_maps, strict=True))[::-1]
        for abf, (student, teacher) in zip(self.abfs, pairs, strict=True):
            output, residual = abf(student, residual, tuple(teacher.shape[2:]))
            outputs.insert(0, output)
            losses.insert(0, self.distance(output, teacher))
        return outputs, losses
