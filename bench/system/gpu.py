"""What NVML tells of a GPU, where its Python package is there: throttling and energy."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from bench.system.clock import now

LONG_ENOUGH_S = 1.0  # the energy counter moves in steps of up to a tenth of a second
CAUSES = {0x08: "hardware slowdown", 0x20: "software thermal", 0x40: "hardware thermal",
          0x80: "power brake"}  # fmt: skip


def throttle_reasons() -> str:
    """Return why the GPU holds its clocks back now; empty if it does not, or none can tell."""
    nvml, handle = _handle()
    if nvml is None:
        return ""
    try:
        bits = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    except nvml.NVMLError:
        return ""
    return ", ".join(cause for bit, cause in CAUSES.items() if bits & bit)


def clock_mhz() -> int | None:
    """Return the clock of the GPU's multiprocessors at this moment; None if none can tell."""
    nvml, handle = _handle()
    if nvml is None:
        return None
    try:
        return nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
    except nvml.NVMLError:
        return None


def energy_mj(function: Callable[[], Any]) -> float | None:
    """Return the millijoules per call by the GPU's own counter; None where there is none."""
    import torch

    nvml, handle = _handle()
    if nvml is None:
        return None
    try:
        before = nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:
        return None
    calls, started = 0, now()
    while now() - started < LONG_ENOUGH_S:
        function()
        torch.cuda.synchronize()
        calls += 1
    used = nvml.nvmlDeviceGetTotalEnergyConsumption(handle) - before
    return used / calls or None


def _handle() -> tuple[ModuleType | None, Any]:
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except Exception:  # no package, no driver or no such device: there is nothing to tell
        return None, None
