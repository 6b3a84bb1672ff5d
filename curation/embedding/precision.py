"""Which number format the forward pass takes on the hardware at hand.

bfloat16 keeps the range of float32 and its vectors differ from float32's by a cosine of about 1e-4, but it is worth
having only where the hardware computes in it: GPUs from compute capability 8.0 on, CPUs with AVX512-BF16 or AMX-BF16.
Elsewhere it is emulated, and slower than float32.
"""

from __future__ import annotations

import platform
from pathlib import Path

from curation.errors import JobError

_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


def resolve_precision(requested: str, device: str) -> str:
    """The number format for a device: float32, bfloat16 or float16.

    Args:
        requested: `embedding.precision`; anything but `auto` is taken as it is.
        device: `cpu`, `cuda` or `cuda:N`. To be called on the machine that has it.

    Raises:
        JobError: the device can't compute in the format, or only slowly.
    """
    on_cpu = device.partition(":")[0] == "cpu"
    if requested == "auto":
        return "bfloat16" if (cpu_has_bfloat16() if on_cpu else _gpu_has_bfloat16(device)) else "float32"
    if requested == "float16" and on_cpu:
        raise JobError(
            "embedding.precision is float16, which CPUs do not compute in: set it to auto, bfloat16 or float32"
        )
    return requested


def available_device() -> str:
    """`cuda` where this process has a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    import torch

    try:
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(flag, False) for flag in _CPU_FLAGS)
    except (AttributeError, RuntimeError):  # before torch 2.11
        return _flags_say_bfloat16(Path("/proc/cpuinfo"))


def _flags_say_bfloat16(cpuinfo: Path) -> bool:
    """The same from what Linux lists. x86 calls the list `flags`, ARM `Features`, with `bf16` in it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    wanted = _CPU_FLAGS if platform.machine() in {"x86_64", "AMD64"} else ("bf16",)
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return any(flag in flags for flag in wanted)


def _gpu_has_bfloat16(device: str) -> bool:
    import torch

    return torch.cuda.get_device_capability(device) >= (8, 0) and torch.cuda.is_bf16_supported()
