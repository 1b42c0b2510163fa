"""All that needs a GPU, in under 25 minutes, in one folder of a few small files.

`python tests/speed/gpu_kit.py` from the checkout tests, times and trains on the GPU of this
machine and writes to results/local/gpu-kit, or `--out DIR`; `--dry-run` says what it would do.
Names of parts, such as `tests grid`, do some alone; a part that ran out of its time goes on where
it was when it is named again.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from bench.system import machine
from bench.system.checkout import ROOT
from bench.system.clock import now

RESULTS = ROOT / "results" / "local"
MODELS = ("transformer", "egnn", "gatr", "se3_transformer")
MATCHED = "529283"  # weights of the default Transformer
PATIENCE_S = 20.0  # with a command that was told to end
LARGEST = 16 * 2**20  # bytes


@dataclass(frozen=True)
class Part:
    """A command, and after how many seconds it is ended."""

    words: tuple[str, ...]
    limit_s: float


def list_parts(out: Path) -> dict[str, Part]:
    """Return the parts by name, in their order."""
    tests = ("pytest", "-m", "gpu", "tests/bench/training", f"--junitxml={out / 'tests.xml'}")
    speed = ("bench", "speed", "--device", "cuda", "--models", *MODELS, "--batch", "32")
    variants = (
        "--modes",
        "eager",
        "cuda_graph",
        "compile",
        "compiled_graph",
        "--dtypes",
        "float32",
        "tf32",
        "bf16",
    )
    figure = (*speed, "--nodes", "5", "20", "40", "--modes", "cuda_graph", "eager")
    figure += ("--budget", "100s")
    training = ("bench", "run", "nbody_large", "--device", "cuda", "--graph", "--jobs", "8")
    return {
        "tests": Part(tests, 100),
        "grid": Part((*speed, "--nodes", "20", *variants, "--budget", "200s"), 250),
        "paper": Part((*figure, "--size", "paper"), 150),
        "matched": Part((*figure, "--size", MATCHED), 150),
        "runs": Part(training, 740),
    }


def do(part: Part, log: Path) -> dict[str, float | int | str]:
    """Carry a part out, as far as its time reaches, and return how it ended."""
    started, command = now(), [sys.executable, "-m", *part.words]
    with log.open("a") as lines:
        lines.write(f"\n$ {shlex.join(command[1:])}\n")
        lines.flush()
        process = subprocess.Popen(command, cwd=ROOT, stdout=lines, stderr=subprocess.STDOUT)
        try:
            code = process.wait(part.limit_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                code = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
    return {"command": shlex.join(part.words), "code": code, "seconds": round(now() - started, 1)}


def collect(store: Path, out: Path) -> list[str]:
    """Put tables, figures and all records into the folder; return what is missing or too large."""
    wanted = {
        "runs.md": "tables/nbody_gravity.md",
        "speed.md": "tables/speed.md",
        "figure3-paper.png": "figures/speed-paper-cuda_graph-nodes.png",
        "figure3-matched.png": f"figures/speed-{MATCHED}-cuda_graph-nodes.png",
    }
    for name, source in wanted.items():
        if (store / source).is_file():
            shutil.copyfile(store / source, out / name)
    with tarfile.open(out / "records.tar.gz", "w:gz") as records:
        for file in sorted(store.glob("*/**/*.json")):
            records.add(file, file.relative_to(store))
    names = ("log.txt", "tests.xml", *wanted, "records.tar.gz")
    large = [file for file in out.iterdir() if file.stat().st_size >= LARGEST]
    for file in large:
        file.unlink()
    return [name for name in names if not (out / name).is_file()]


def main() -> int:
    """Return the number of parts that did not end well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu-kit", metavar="DIR")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    out = options.out.resolve()
    parts = list_parts(out)
    if unknown := sorted({*options.parts} - {*parts}):
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(parts)}")
    chosen = {name: parts[name] for name in options.parts or parts}
    if options.dry_run:
        for name, part in chosen.items():
            print(f"{name}, {part.limit_s:g} s at most: python -m {shlex.join(part.words)}")
        return 0
    try:
        store = RESULTS / machine.folder("cuda")
    except ValueError as error:
        parser.error(str(error))
    out.mkdir(parents=True, exist_ok=True)
    summary, file = {}, out / "summary.json"
    for name, part in chosen.items():
        summary[name] = do(part, out / "log.txt")
        print(f"{name}: {summary[name]}", flush=True)
        summary["missing"] = collect(store, out)
        file.write_text(json.dumps(summary, indent=1) + "\n")
    return sum(bool(summary[name]["code"]) for name in chosen)


if __name__ == "__main__":
    sys.exit(main())
