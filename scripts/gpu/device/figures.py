"""Measures upper bounds of this device with PyTorch alone:  python3 figures.py ceilings gaps convolutions

ceilings      a copy, and matrix products: the best rates of memory traffic and arithmetic
gaps          the cost of one dependent, nearly empty kernel of a graph, and of launching a graph
convolutions  each convolution of a step of ResNet56 -> ResNet20 at batch 128, forward and both gradients, by type and memory format

Prints one line of JSON each; exits with 1 if one fails, and without a CUDA device.
"""

import json
import sys
import time

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # the CPU shows that the program runs
ON_CUDA = DEVICE == "cuda"
BATCH = 128 if ON_CUDA else 2


def synchronize():
    if ON_CUDA:
        torch.cuda.synchronize()


def median_seconds(work, runs=20):
    """Returns the median of `runs` calls by CUDA events; on the CPU the wall time of a single call."""
    for _ in range(3 if ON_CUDA else 1):
        work()
    synchronize()
    if not ON_CUDA:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin
    seconds = []
    for _ in range(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(begin.elapsed_time(end) / 1000)
    return sorted(seconds)[len(seconds) // 2]


def capture(work, times):
    """Captures repetitions of `work` as one CUDA graph, so that launches cost nothing. Returns the replay and the count."""
    if not ON_CUDA:
        return work, 1
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            work()
    return graph.replay, times


def captured_seconds(work, times=20, runs=7):
    replay, count = capture(work, times)
    return median_seconds(replay, runs) / count


def host_microseconds(replay, times=10):
    """Measures the host's cost of a launch."""
    begin = time.perf_counter()
    for _ in range(times):
        replay()
    elapsed = time.perf_counter() - begin
    synchronize()
    return round(1e6 * elapsed / times, 1)


def ceilings():
    count = (1 << 30) if ON_CUDA else (1 << 18)
    source, target = torch.randn(count, device=DEVICE), torch.empty(count, device=DEVICE)
    copy = 2 * source.nbytes / median_seconds(lambda: target.copy_(source)) / 1e9
    # The size of a step's feature maps, which fit into the second-level cache.
    small, copied = (torch.randn(BATCH * 16 * 32 * 32, device=DEVICE).bfloat16() for _ in range(2))
    cached = 2 * small.nbytes / captured_seconds(lambda: copied.copy_(small), 100) / 1e9
    n = 8192 if ON_CUDA else 64
    rates = {}
    for name, dtype, tf32 in (("bfloat16", torch.bfloat16, False), ("float32", torch.float32, False), ("TF32", torch.float32, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        left, right = (torch.randn(n, n, device=DEVICE, dtype=dtype) for _ in range(2))
        rates[name] = round(2 * n**3 / median_seconds(lambda: left @ right) / 1e12, 1)
    return {"copyGBs": round(copy), "cachedCopyGBs": round(cached), "matrixTFLOPs": rates}


def gaps():
    value, other = (torch.zeros(1024, device=DEVICE) for _ in range(2))
    result = {}
    for kernels in (100, 1000):
        replay, count = capture(lambda: value.add_(1), kernels)
        result[f"usPerKernelOf{kernels}"] = round(1e6 * median_seconds(replay) / count, 3)
        result[f"hostUsOf{kernels}"] = host_microseconds(replay)
    if not ON_CUDA:
        return result
    side = torch.cuda.Stream()

    def fork():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(20):
                other.add_(1)
        for _ in range(80):
            value.add_(1)
        torch.cuda.current_stream().wait_stream(side)

    replay, count = capture(fork, 10)
    result["usPerForkOf80And20"] = round(1e6 * median_seconds(replay) / count, 1)
    result["hostUsOf10Forks"] = host_microseconds(replay)
    return result


# in, out, side, kernel, stride, count in the teacher, in the student, in the fusions
CONVOLUTIONS = [
    (3, 16, 32, 3, 1, 1, 1, 0), (16, 16, 32, 3, 1, 18, 6, 0), (16, 32, 32, 3, 2, 1, 1, 0), (32, 32, 16, 3, 1, 17, 5, 0),
    (32, 64, 16, 3, 2, 1, 1, 0), (64, 64, 8, 3, 1, 17, 5, 1), (16, 32, 32, 1, 2, 1, 1, 0), (32, 64, 16, 1, 2, 1, 1, 0),
    (16, 64, 32, 1, 1, 0, 0, 1), (32, 64, 16, 1, 1, 0, 0, 1), (64, 64, 8, 1, 1, 0, 0, 1), (64, 64, 1, 1, 1, 0, 0, 1),
    (64, 16, 32, 3, 1, 0, 0, 1), (64, 32, 16, 3, 1, 0, 0, 1), (64, 64, 1, 3, 1, 0, 0, 1),
]
# dtype, memory format, cudnn.benchmark, TF32
VARIANTS = {
    "bfloat16 NHWC": (torch.bfloat16, torch.channels_last, False, False),
    "bfloat16 NHWC, cudnn.benchmark": (torch.bfloat16, torch.channels_last, True, False),
    "float32 NHWC": (torch.float32, torch.channels_last, False, False),
    "float32 NCHW": (torch.float32, torch.contiguous_format, False, False),
    "TF32 NHWC": (torch.float32, torch.channels_last, False, True),
}


def convolution_microseconds(shape, dtype, memory_format):
    """Returns the times of forward, gradient of the input and gradient of the weight."""
    in_channels, out_channels, side, kernel, stride = shape
    like = {"device": DEVICE, "dtype": dtype}
    x = torch.randn(BATCH, in_channels, side, side, **like).contiguous(memory_format=memory_format)
    weight = torch.randn(out_channels, in_channels, kernel, kernel, **like).contiguous(memory_format=memory_format)
    geometry = ([stride] * 2, [kernel // 2] * 2, [1, 1], False, [0, 0], 1)

    def forward():
        return torch.ops.aten.convolution(x, weight, None, *geometry)

    gradient = torch.randn_like(forward())

    def backward(mask):
        return torch.ops.aten.convolution_backward(gradient, x, weight, None, *geometry, mask)

    works = (forward, lambda: backward([True, False, False]), lambda: backward([False, True, False]))
    return [round(1e6 * captured_seconds(work, 10, 5), 1) for work in works]


def convolutions():
    torch.backends.cudnn.deterministic = True
    table, sums = [], {}
    for name, (dtype, memory_format, benchmark, tf32) in VARIANTS.items():
        torch.backends.cudnn.benchmark = benchmark
        torch.backends.cudnn.allow_tf32 = tf32
        total = {"teacher": 0.0, "student": 0.0, "fusions": 0.0}
        for *shape, in_teacher, in_student, in_fusions in CONVOLUTIONS:
            label = "{}->{} @{} {}x{}/{}".format(*shape[:4], shape[3], shape[4])
            try:
                forward, of_input, of_weight = convolution_microseconds(shape, dtype, memory_format)
            except RuntimeError as error:
                table.append([name, label, str(error)[:80]])
                continue
            table.append([name, label, forward, of_input, of_weight])
            trained = forward + of_weight + (of_input if shape[0] > 3 else 0.0)  # images need no gradient
            total["teacher"] += in_teacher * forward
            total["student"] += in_student * trained
            total["fusions"] += in_fusions * trained
        sums[name] = {part: round(value) for part, value in total.items()} | {"step": round(sum(total.values()))}
        print(json.dumps({"convolutions": name, "us": sums[name]}), flush=True)
    return {"usOfAStep": sums, "usForwardInputWeight": table}


FIGURES = {"ceilings": ceilings, "gaps": gaps, "convolutions": convolutions}


def main(names):
    failures = 0
    for name in names:
        begin = time.perf_counter()
        try:
            found = FIGURES[name]()
        except Exception as error:  # the next figure can still be measured
            found = {"error": f"{type(error).__name__}: {error}"[:400]}
            failures += 1
        device = torch.cuda.get_device_name() if ON_CUDA else None
        print(json.dumps({"figure": name, "device": device, "seconds": round(time.perf_counter() - begin, 1), **found}), flush=True)
    if not ON_CUDA:
        print("no CUDA device: these figures of the CPU only show that the program runs")
    return 1 if failures or not ON_CUDA else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
