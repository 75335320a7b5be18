"""Values that are a pure function of a name, so that a golden needs no weight file and no random generator."""

import math

import numpy as np
import torch


def fnv1a32(text: str) -> int:
    """Returns the 32-bit FNV-1a hash of the text's UTF-8 bytes; 1 instead of 0."""
    state = 0x811C9DC5
    for byte in text.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state or 1


def sequence(name: str, shape) -> torch.Tensor:
    """Returns values in [-0.5, 0.5) of a linear congruential generator seeded with the hash of `name`."""
    count = math.prod(shape)
    # s -> a·s + c, applied k times, is a^k·s + c·(1 + a + … + a^(k-1)). 32-bit numbers wrap around, which is the modulus.
    a, c = np.uint32(1664525), np.uint32(1013904223)
    powers = np.cumprod(np.full(count, a), dtype=np.uint32)
    sums = np.cumsum(np.concatenate((np.ones(1, np.uint32), powers[:-1]))[:count], dtype=np.uint32)
    states = powers * np.uint32(fnv1a32(name)) + c * sums
    return torch.from_numpy(states / 4294967296 - 0.5).reshape(tuple(shape))


def fill(name: str, shape) -> torch.Tensor:
    """Returns the value of the state-dict entry `name`: weights of unit gain, scales near 0.6, variances near 1."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    values = sequence(name, shape)
    if name.endswith("running_var"):
        return 1 + 0.4 * values
    if name.endswith(("running_mean", "bias")):
        return 0.2 * values
    if len(shape) == 1:
        return 0.6 + 0.2 * values
    fan_in = math.prod(shape) / shape[0]
    return values * (2 * math.sqrt(3 / fan_in))


def fill_module(module: torch.nn.Module, prefix: str = "") -> None:
    """Sets every parameter and buffer to the value of its name, prefixed with `prefix`."""
    state = module.state_dict()
    module.load_state_dict({name: fill(prefix + name, tuple(value.shape)) for name, value in state.items()})


def images_of(batch: int, size) -> torch.Tensor:
    """Returns images [batch, 3, H, W] in [-2, 2)."""
    return 4 * sequence("input", (batch, 3, *size))
