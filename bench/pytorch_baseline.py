"""The PyTorch baselines: ResNets distilled by Knowledge Review, written for comparison only.

A server: one JSON request per line on stdin, one JSON answer per line on stdout, so that another program can take turns with it, step by
step, on the same machine. Two implementations of the same training step, each in the styles of pytorch_styles.py:

published  like the method's CIFAR code: NCHW, the teacher in train mode with frozen parameters, losses read after each step
expert     channels_last, the teacher in eval mode under no_grad, on a GPU the fused optimizer
"""

import json
import platform
import resource
import shutil
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pytorch_styles import parse_style

# Before a capture: optimizer state exists and cuDNN has chosen its algorithms.
WARM_UP_STEPS = 3


class BasicBlock(nn.Module):
    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        residual = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return out + residual


class ResNet(nn.Module):
    """Returns logits and each stage's map before and after its last ReLU, the pooled vector last."""

    def __init__(self, blocks, channels, stem_channels, classes, imagenet=False):
        super().__init__()
        self.imagenet = imagenet
        self.conv1 = (nn.Conv2d(3, stem_channels, 7, 2, 3, bias=False) if imagenet
                      else nn.Conv2d(3, stem_channels, 3, 1, 1, bias=False))
        self.bn1 = nn.BatchNorm2d(stem_channels)
        self.stages = nn.ModuleList()
        in_channels = stem_channels
        for i, (count, width) in enumerate(zip(blocks, channels)):
            stage = nn.ModuleList()
            for block in range(count):
                stage.append(BasicBlock(in_channels, width, 2 if i > 0 and block == 0 else 1))
                in_channels = width
            self.stages.append(stage)
        self.fc = nn.Linear(in_channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.imagenet:
            x = F.max_pool2d(x, 3, 2, 1)
        before, after = [], []
        for stage in self.stages:
            for block in stage:
                total = block(x)
                x = F.relu(total)
            before.append(total)
            after.append(x)
        pooled = F.adaptive_avg_pool2d(x, 1)
        return self.fc(pooled.flatten(1)), before + [pooled], after + [pooled]


NETWORKS = {
    **{f"resnet{6 * n + 2}": (lambda classes, n=n: ResNet([n] * 3, [16, 32, 64], 16, classes)) for n in (1, 2, 3, 5, 7, 9, 18)},
    "resnet8x4": lambda classes: ResNet([1] * 3, [64, 128, 256], 32, classes),
    "resnet32x4": lambda classes: ResNet([5] * 3, [64, 128, 256], 32, classes),
    "resnet18": lambda classes: ResNet([2, 2, 2, 2], [64, 128, 256, 512], 64, classes, imagenet=True),
    "resnet34": lambda classes: ResNet([3, 4, 6, 3], [64, 128, 256, 512], 64, classes, imagenet=True),
}


class Fusion(nn.Module):
    """Attention based fusion."""

    def __init__(self, in_channels, mid, out_channels, fuses):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(in_channels, mid, 1, bias=False), nn.BatchNorm2d(mid))
        self.conv2 = nn.Sequential(nn.Conv2d(mid, out_channels, 3, 1, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.attention = nn.Sequential(nn.Conv2d(2 * mid, 2, 1), nn.Sigmoid()) if fuses else None

    def forward(self, x, residual, size):
        x = self.conv1(x)
        if self.attention is not None:
            y = F.interpolate(residual, x.shape[2:], mode="nearest")
            z = self.attention(torch.cat([x, y], dim=1))
            x = x * z[:, 0:1] + y * z[:, 1:2]
        if x.shape[2:] != size:
            x = F.interpolate(x, size, mode="nearest")
        return self.conv2(x), x


def hierarchical_context_loss(student, teacher):
    height = student.shape[2]
    loss, weight, weights = F.mse_loss(student, teacher), 1.0, 1.0
    for level in (4, 2, 1):
        if level >= height:
            continue
        weight /= 2
        weights += weight
        loss = loss + weight * F.mse_loss(F.adaptive_avg_pool2d(student, level), F.adaptive_avg_pool2d(teacher, level))
    return loss / weights


class Distillation(nn.Module):
    """Maps images and labels to the loss and its two terms."""

    def __init__(self, teacher, student, sample, published, precision, cache_casts=True):
        super().__init__()
        self.teacher, self.student, self.published, self.precision = teacher, student, published, precision
        self.cache_casts = cache_casts
        with torch.no_grad():
            _, _, student_maps = student.eval()(sample)
            _, teacher_maps, _ = teacher.eval()(sample)
        mid = min(512, student_maps[-1].shape[1])
        last = len(student_maps) - 1
        self.fusions = nn.ModuleList(
            Fusion(student_maps[i].shape[1], mid, teacher_maps[i].shape[1], i < last) for i in range(last, -1, -1))
        self.train()
        if not published:
            teacher.eval()
        for parameter in teacher.parameters():
            parameter.requires_grad_(False)

    def forward(self, images, labels):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=self.cache_casts):
            if self.published:
                _, teacher_maps, _ = self.teacher(images)
            else:
                with torch.no_grad():
                    _, teacher_maps, _ = self.teacher(images)
            logits, _, student_maps = self.student(images)
            review, residual = 0.0, None
            for fusion, mine, target in zip(self.fusions, reversed(student_maps), reversed(teacher_maps)):
                output, residual = fusion(mine, residual, target.shape[2:])
                review = review + hierarchical_context_loss(output.float(), target.float())
            cross_entropy = F.cross_entropy(logits.float(), labels)
        return cross_entropy + 0.6 * review, cross_entropy, review


class Training:
    def __init__(self, request):
        device = request.get("device", "cpu")
        self.style = parse_style(request["style"], device)
        self.published = self.style.published
        batch, size, classes = request["batch"], request["size"], request["classes"]
        self.select_precision()
        torch.manual_seed(0)
        teacher, student = (NETWORKS[request[key]](classes) for key in ("teacher", "student"))
        self.images = torch.randn(batch, 3, size, size)
        self.labels = torch.randint(0, classes, (batch,))
        # Casts that autocast caches during a capture must not be used outside of it.
        cache_casts = self.style.execution != "graphed-callables"
        self.module = Distillation(teacher, student, self.images[:2], self.published, self.style.precision, cache_casts).to(device)
        self.images, self.labels = self.images.to(device), self.labels.to(device)
        if not self.published:
            self.module = self.module.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.run, self.replay = self.module, None
        self.optimizer = self.create_optimizer(is_fused=device == "cuda" and not self.published)
        if self.style.is_compiled:
            self.run = torch.compile(self.module, mode=self.style.compile_mode)
        elif self.style.execution == "graphed-callables":
            self.run = torch.cuda.make_graphed_callables(self.module, (self.images, self.labels), allow_unused_input=True)
        elif self.style.execution == "graph":
            self.replay = self.capture()

    def select_precision(self):
        """Sets the process-wide flags; called before each use, since several trainings may take turns in one process."""
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.style.tf32
        torch.backends.cudnn.benchmark = True

    def create_optimizer(self, is_fused):
        """Returns SGD; if fused, one kernel that reads the learning rate from the device, which may change between replays of a graph."""
        trained = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        options = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
        if not is_fused:
            return torch.optim.SGD(trained, lr=0.01, **options)
        self.optimizer = torch.optim.SGD(trained, lr=torch.tensor(0.01, device=self.images.device), fused=True, **options)
        try:
            self.take_step()
            return self.optimizer
        except RuntimeError as error:  # it requires that parameters and gradients have the same strides
            print(f"{self.style}: SGD is not fused: {error}", file=sys.stderr)
            return self.create_optimizer(is_fused=False)

    def forward(self):
        """Returns the losses, after zeroing the gradients."""
        self.optimizer.zero_grad(set_to_none=not self.published or self.style.execution == "graph")
        if self.style.is_compiled:
            torch.compiler.cudagraph_mark_step_begin()  # outputs of the previous step may be overwritten
        return self.run(self.images, self.labels)

    def take_step(self):
        losses = self.forward()
        losses[0].backward()
        self.optimizer.step()
        return losses

    def capture(self):
        """Captures the whole step as one CUDA graph, warmed up on a side stream as PyTorch's documentation prescribes.

        Returns a function that replays it and returns the losses.
        """
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self.take_step()
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)  # so that gradients are allocated from the graph's memory
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            losses = self.take_step()

        def replay():
            graph.replay()
            return losses

        return replay

    def step(self):
        self.select_precision()
        started = time.perf_counter()
        if self.replay is not None:
            self.replay()[0].item()
            return {"step": time.perf_counter() - started}
        loss, cross_entropy, review = self.forward()
        forward = time.perf_counter()
        loss.backward()
        backward = time.perf_counter()
        self.optimizer.step()
        cross_entropy.item(), review.item()  # both appear in the progress bar
        done = time.perf_counter()
        return {"step": done - started, "forward": forward - started, "backward": backward - forward, "optimizer": done - backward}

    def burst(self, steps):
        """Returns the seconds per step of consecutive steps. Published style reads each step's losses, expert style the last one's."""
        self.select_precision()
        advance = self.replay or self.take_step
        started = time.perf_counter()
        for _ in range(steps):
            loss, cross_entropy, review = advance()
            if self.published:
                cross_entropy.item(), review.item()
        loss.item()
        if self.images.is_cuda:
            torch.cuda.synchronize()
        return {"step": (time.perf_counter() - started) / steps}

    def teacher_seconds(self):
        started = time.perf_counter()
        with torch.no_grad(), torch.autocast(self.images.device.type, torch.bfloat16, enabled=self.module.precision == "bfloat16"):
            self.module.teacher(self.images)
        return time.perf_counter() - started


class Images(torch.utils.data.Dataset):
    """CIFAR's augmentation image by image: pad by 4, crop, flip, scale, normalize."""

    def __init__(self, count):
        self.pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self.mean = np.array([125.3, 123.0, 113.9], dtype=np.float32) / 255
        self.deviation = np.array([63.0, 62.1, 66.7], dtype=np.float32) / 255

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        padded = np.pad(self.pixels[index], ((4, 4), (4, 4), (0, 0)))
        top, left = torch.randint(0, 9, (2,)).tolist()
        image = padded[top:top + 32, left:left + 32]
        if torch.rand(1).item() < 0.5:
            image = image[:, ::-1]
        image = (image.astype(np.float32) / 255 - self.mean) / self.deviation
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), index % 100


def loader_images_per_second(request):
    loader = torch.utils.data.DataLoader(Images(request["images"]), request["batch"], shuffle=True, num_workers=2)
    seen, started = 0, None
    for images, _ in loader:  # the first batch includes starting the workers
        if started is None:
            started = time.perf_counter()
        else:
            seen += len(images)
    return seen / (time.perf_counter() - started)


def matrix_product_rate(dtype):
    """Returns the GFLOP/s of the fastest of several products of 2048 × 2048 matrices."""
    n = 2048
    left, right = torch.randn(n, n, dtype=dtype), torch.randn(n, n, dtype=dtype)
    return 2 * n**3 / best_seconds(lambda: left @ right) / 1e9


def copy_rate():
    """Returns the GB/s, bytes read plus bytes written, of the fastest copy of 256 MiB."""
    source = torch.ones(64 << 20)
    target = torch.empty_like(source)
    return 2 * source.nbytes / best_seconds(lambda: target.copy_(source)) / 1e9


def best_seconds(work, times=5):
    work()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def operations(request):
    """Returns every convolution of a step: {part, n, in, out, kernel, height, width, heightOut, widthOut, needsInputGradient}."""
    training = Training({**request, "style": "expert", "batch": 2})
    found = []

    def watch(part, module, needs_input_gradient):
        def hook(layer, inputs, output):
            found.append({
                "part": part, "n": request["batch"], "in": layer.in_channels, "out": layer.out_channels, "kernel": layer.kernel_size[0],
                "height": inputs[0].shape[2], "width": inputs[0].shape[3], "heightOut": output.shape[2], "widthOut": output.shape[3],
                "needsInputGradient": needs_input_gradient and inputs[0].shape[1] > 3})
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(hook)

    watch("teacher", training.module.teacher, False)
    watch("student", training.module.student, True)
    watch("review", training.module.fusions, True)
    training.step()
    return found


def resident_peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def answer(request, trainings):
    operation = request["operation"]
    if "threads" in request:
        torch.set_num_threads(request["threads"])
    if operation == "describe":
        return {"torch": torch.__version__, "python": platform.python_version(), "capability": torch.backends.cpu.get_cpu_capability(),
                "compiler": shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"),
                "gpu": torch.cuda.get_device_name() if request.get("device") == "cuda" else None}
    if operation == "rates":
        return {"float32": matrix_product_rate(torch.float32), "bfloat16": matrix_product_rate(torch.bfloat16), "copy": copy_rate()}
    if operation == "prepare":
        trainings[request["name"]] = Training(request)
        return {}
    if operation == "step":
        return trainings[request["name"]].step()
    if operation == "burst":
        return trainings[request["name"]].burst(request["steps"])
    if operation == "teacher":
        return {"teacher": trainings[request["name"]].teacher_seconds()}
    if operation == "drop":
        del trainings[request["name"]]
        torch.compiler.reset()
        return {}
    if operation == "loader":
        return {"imagesPerSecond": loader_images_per_second(request)}
    if operation == "operations":
        return {"operations": operations(request)}
    if operation == "memory":  # once per process: the peak never decreases
        training = Training(request)
        before = resident_bytes()
        for _ in range(3):
            training.step()
        return {"stepBytes": resident_peak_bytes() - before, "peakBytes": resident_peak_bytes()}
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
