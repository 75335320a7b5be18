"""PyTorch's half of detector-distillation.mjs: one JSON request per line on stdin, one JSON answer per line on stdout.

Review distillation of torchvision's Faster R-CNN, put together as the method's code for detection does it with detectron2's: the teacher's
backbone and pyramid see the same pixels under the teacher's own normalization; the student's five levels, fused from deep to shallow, are
compared with the teacher's; one backward pass through all losses. Eager, or with compiled networks and review.
"""

import time

import torch
from torch import nn

from detection_baseline import compile_networks, create_model, describe, read_data, serve
from pytorch_baseline import Fusion, hierarchical_context_loss

PYRAMID_CHANNELS = 256
LEVELS = 5

# So many that no sample is drawn at random: losses of both sides can then be compared.
ALL_SAMPLES = {"rpn_batch_size_per_image": 1 << 20, "box_batch_size_per_image": 1 << 20}
NAMES = {"loss_objectness": "objectness", "loss_rpn_box_reg": "rpnBoxReg", "loss_classifier": "classifier", "loss_box_reg": "boxReg"}


def create_detector(request, role):
    """Returns the teacher or the student. Images have the size of the input: they are not resized."""
    samples = ALL_SAMPLES if request.get("allSamples") else {}
    return create_model(request["kind"], request["size"], request[role], _skip_resize=True, **samples)


class Review(nn.Module):
    """Maps the levels of both pyramids, shallow to deep, to the distance by level."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.fusions = nn.ModuleList(Fusion(*[PYRAMID_CHANNELS] * 3, fuses=depth > 0) for depth in range(LEVELS))  # the deepest first

    def forward(self, student, teacher):
        distances, residual = [], None
        for fusion, mine, target in zip(self.fusions, reversed(student), reversed(teacher)):
            output, residual = fusion(mine, residual, mine.shape[2:])
            distances.insert(0, hierarchical_context_loss(output.float(), target.float()))
        return distances

    def published_state(self):
        """Returns the state dict under the names of the method's code."""
        return {name.replace("fusions.", "abfs.").replace("attention.", "att_conv."): values for name, values in self.state_dict().items()}


class Laps:
    """Seconds between consecutive points of a step."""

    def __init__(self):
        self.seconds, self.last = {}, time.perf_counter()

    def end(self, part):
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now


class Training:
    """A distillation, its student's training alone and its teacher's forward pass. The student alone has values of its own."""

    def __init__(self, request):
        self.images, self.targets = read_data(request)
        self.weight, self.precision = request["weight"], request["precision"]
        self.teacher = create_detector(request, "teacher").requires_grad_(False).train()
        self.student, self.review = create_detector(request, "student").train(), Review()
        self.alone = create_detector(request, "student").train()
        self.optimizers = {"distill": self.create_optimizer([self.student, self.review], request),
                           "student": self.create_optimizer([self.alone], request)}
        if request["compiled"]:
            for model in (self.student, self.alone):
                compile_networks(model)
            self.teacher.backbone = torch.compile(self.teacher.backbone)
            self.review = torch.compile(self.review)

    def create_optimizer(self, modules, request):
        """Returns SGD without weight decay of norms."""
        layers = [module for parent in modules for module in parent.modules()]
        norms = [parameter for layer in layers if isinstance(layer, nn.BatchNorm2d) for parameter in layer.parameters()]
        decayed = [parameter for layer in layers if not isinstance(layer, nn.BatchNorm2d)
                   for parameter in layer.parameters(recurse=False) if parameter.requires_grad]
        groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": norms, "weight_decay": 0.0}]
        return torch.optim.SGD([group for group in groups if group["params"]], lr=request["learningRate"], momentum=0.9)

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16")

    def teacher_levels(self):
        with torch.no_grad():
            images, _ = self.teacher.transform(self.images)
            return list(self.teacher.backbone(images.tensors).values())

    def forward(self, student, distills, laps):
        """Returns the detector's losses and, if it is distilled, the distance by level."""
        images, targets = student.transform(self.images, self.targets)
        features = student.backbone(images.tensors)
        laps.end("student")
        distances = []
        if distills:
            teacher = self.teacher_levels()
            laps.end("teacher")
            distances = self.review(list(features.values()), teacher)
            laps.end("review")
        proposals, losses = student.rpn(images, features, targets)
        losses.update(student.roi_heads(features, proposals, images.image_sizes, targets)[1])
        laps.end("heads")
        return {NAMES[name]: loss for name, loss in losses.items()}, distances

    def take_step(self, student, optimizer, distills):
        laps, processor = Laps(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            losses, distances = self.forward(student, distills, laps)
        (sum(losses.values()) + self.weight * sum(distances)).backward()
        laps.end("backward")
        optimizer.step()
        values = {name: loss.item() for name, loss in losses.items()}
        levels = [distance.item() for distance in distances]
        laps.end("optimizer")
        return {"seconds": sum(laps.seconds.values()), "processor": time.process_time() - processor, **laps.seconds, "losses": values,
                "levels": levels}

    def distill(self):
        return self.take_step(self.student, self.optimizers["distill"], distills=True)

    def student_alone(self):
        return self.take_step(self.alone, self.optimizers["student"], distills=False)

    def teacher_alone(self):
        started, processor = time.perf_counter(), time.process_time()
        with self.autocast():
            self.teacher_levels()
        return {"seconds": time.perf_counter() - started, "processor": time.process_time() - processor}


CALLS = {"distill": Training.distill, "student": Training.student_alone, "teacher": Training.teacher_alone}


def answer(request, trainings):
    operation, name = request["operation"], request.get("name")
    if operation == "describe":
        return describe()
    if operation == "weights":
        for role in ("teacher", "student"):
            torch.save(create_detector(request, role).state_dict(), request["weights"][role])
        torch.save(Review().published_state(), request["weights"]["review"])
        return {}
    if operation == "prepare":
        trainings[name] = Training(request)
        return {}
    if operation in CALLS:
        return CALLS[operation](trainings[name])
    if operation == "drop":
        del trainings[name]
        torch.compiler.reset()
        return {}
    raise ValueError(f"invalid operation: expected one that this server has, received {operation!r}.")


if __name__ == "__main__":
    serve(answer)
