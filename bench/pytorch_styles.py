"""The styles in which pytorch_baseline.py runs the same training step, as `NAME[-bfloat16 | -tf32][-EXECUTION]`. Requires no torch."""

import dataclasses

NAMES = ("published", "expert")
PRECISIONS = ("bfloat16", "tf32")
EXECUTIONS = {
    "graph": "the whole step with the optimizer, captured with torch.cuda.CUDAGraph and replayed",
    "graphed-callables": "forward and backward captured with torch.cuda.make_graphed_callables",
    "compiled": "torch.compile",
    "reduce-overhead": 'torch.compile(mode="reduce-overhead")',
    "max-autotune": 'torch.compile(mode="max-autotune")',
}
ON_CUDA_ONLY = ("graph", "graphed-callables")


@dataclasses.dataclass(frozen=True)
class Style:
    """`published` or expert; parameters are float32, `precision` is that of autocast; TF32 in place of float32 for convolutions and products."""

    published: bool
    precision: str
    tf32: bool
    execution: str

    @property
    def compile_mode(self):
        return None if self.execution == "compiled" else self.execution

    @property
    def is_compiled(self):
        return EXECUTIONS.get(self.execution, "").startswith("torch.compile")


def parse_style(text, device="cpu"):
    """Returns the style with this name; ValueError if it does not exist, or not on this device."""
    name, _, rest = text.partition("-")
    precision = next((candidate for candidate in PRECISIONS if rest == candidate or rest.startswith(candidate + "-")), "")
    execution = rest[len(precision):].removeprefix("-") if precision else rest
    if name not in NAMES or execution not in ("", *EXECUTIONS):
        raise ValueError(f"invalid style: expected {'|'.join(NAMES)}[-{'|-'.join(PRECISIONS)}][-{'|-'.join(EXECUTIONS)}], received {text}. Check its spelling.")
    if execution in ON_CUDA_ONLY and device != "cuda":
        raise ValueError(f"invalid device: expected cuda for {execution}, received {device}. CUDA graphs exist on a GPU only.")
    return Style(name == "published", "bfloat16" if precision == "bfloat16" else "float32", precision == "tf32", execution or "eager")
