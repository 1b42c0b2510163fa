"""Errors that papers have published, with how sure we are of each."""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("published.json")


def texts(task: str) -> dict[tuple[str, str], str]:
    """Return what to print beside each (model, method): MSE x 1e3, test / OOD, and the label."""
    return {(row["model"], row["method"]): _text(row) for row in _of(task).get("rows", [])}


def errors(task: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what was published for each (model, method) of a task: errors and their label."""
    return {(row["model"], row["method"]): row for row in _of(task).get("rows", [])}


def _text(row: dict[str, Any]) -> str:
    errors = [row[name] for name in ("mse_test", "mse_ood") if name in row]
    return f"{' / '.join(f'{1e3 * error:.3g}' for error in errors)} [{row['label']}]"


def source(task: str) -> str | None:
    """Return where they are from, and what their labels mean; None where nothing is known."""
    return _of(task).get("source")


def _of(task: str) -> dict[str, Any]:
    """Return what is known of a task with these options, else with any but one it is `without`."""
    known, (name, _, options) = json.loads(FILE.read_text()), task.partition("(")
    of_any = known.get(name, {})
    other = "without" in of_any and f"{of_any['without']}=" in options
    return known.get(task) or ({} if other else of_any)
