"""What machine this is: the name of its results folder, and the facts of every record."""

import hashlib
import os
import platform
import re
import secrets
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from bench.system.checkout import PACKAGES, ROOT
from bench.system.environment import KEEP_PAGES

VARIABLE = "REMUL_MACHINE"


def folder(device: str) -> str:
    """Return the name of the machine's folder: its GPU, or its processor, cores and identity.

    Raises `ValueError` for a device that is not "cpu" or "cuda", and without a GPU for the latter.
    """
    if device == "cpu":
        return f"{_slug(processor())}-{cores()}c-{_identity()}"
    if device != "cuda":
        raise ValueError(f"no device {device!r}; there are cpu, cuda")
    name = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not name:
        raise ValueError("no CUDA device on this machine; use --device cpu")
    return _slug(name.splitlines()[0].removeprefix("NVIDIA"))


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's own name."""
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"model name\s*: (.+)", info)
    return model[1].strip() if model else platform.machine()


def facts(device: str) -> dict[str, Any]:
    """Return the `machine` part of a record: hardware, versions, commit and date (UTC)."""
    import e3nn
    import torch

    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return {
        "processor": processor(),
        "gpu": gpu,
        "driver": _output(*query) if gpu else None,
        "threads": torch.get_num_threads(),
        "keeps_pages": KEEP_PAGES.items() <= os.environ.items(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "e3nn": e3nn.__version__,
        "e3nn_jit_mode": e3nn.get_optimization_defaults()["jit_mode"],
        "dtype": "float32",
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "commit": _output("git", "-C", str(ROOT), "rev-parse", "HEAD") or None,
        "dirty": bool(_output("git", "-C", str(ROOT), "status", "--porcelain", "--", *PACKAGES)),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _identity() -> str:
    """Return four hex digits that tell machines apart, those of one image too.

    They are drawn once and kept in the user's state folder: whatever an image holds, its machine-id
    too, all hosts made of it share. `REMUL_MACHINE` gives them instead, to go on with a folder.
    Where they cannot be kept, they are those of this start of the system.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        return _check_digits(given, VARIABLE)
    image = _read_text("/etc/machine-id")  # containers have none, and a node name of a day
    name = _digest(image, platform.node() if image else "")
    file = Path(platformdirs.user_state_dir("remul")) / f"machine-{name}"
    try:
        return _check_digits(_read_or_draw(file), str(file))
    except OSError:
        return _digest(_read_text("/proc/sys/kernel/random/boot_id"), platform.node())


def _read_or_draw(file: Path) -> str:
    """Return what a file holds; of several processes that find none, one draws it."""
    if not file.exists():
        part = file.with_name(f"{file.name}.{os.getpid()}")
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(secrets.token_hex(2))
        with suppress(FileExistsError):
            os.link(part, file)
        part.unlink()
    return file.read_text().strip()


def _check_digits(text: str, where: str) -> str:
    if not re.fullmatch("[0-9a-f]{4}", text):
        raise ValueError(f"{where} has to be four hex digits, as in 2f40, not {text!r}")
    return text


def _digest(*words: str) -> str:
    return hashlib.sha256(" ".join(("remul", *words)).encode()).hexdigest()[:4]


def _read_text(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""


def _slug(name: str) -> str:
    words = re.sub(r"\((R|TM)\)|@.*|\b(CPU|Processor|with .*)\b", "", name, flags=re.I)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
