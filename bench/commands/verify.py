"""`verify`: whether a run comes out again as its record says."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import FAILED, MISSING, OK, _options
from bench.system import machine

if TYPE_CHECKING:
    from bench.core.config import Run
    from bench.records.run_record import RunRecord

EXAMPLE = "verify results/published/*/runs/nbody_gravity/egnn-plain-*-s0.json"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    command.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="file of a run")
    command.add_argument("--device", metavar="D", help="cpu or cuda (default: as it was run)")
    _options.timeout_argument(command)
    _options.data_argument(command)


def run(options: Namespace) -> int:
    """run it again: reproduced (to the bit, or within the spread of seeds), outside, or neither"""
    from bench.records import files, run_record
    from bench.regression.reproduction import OUTSIDE, REPRODUCED, UNKNOWN, Reproduction

    _options.choose_data(options)
    _options.check_temporary_folder()
    records = {file: files.read_record(file, run_record.parse) for file in options.records}
    verdicts = []
    for file, record in records.items():
        try:
            reproduction = _verify(file, record, options)
        except ValueError as error:  # of this record; there may be others
            reproduction = Reproduction(UNKNOWN, str(error))
        verdicts.append(reproduction.verdict)
        print(f"{reproduction.verdict}: {file.name}: {reproduction.why}")
    if OUTSIDE in verdicts:
        return FAILED
    return OK if REPRODUCED in verdicts else MISSING


def _verify(file: Path, record: RunRecord, options: Namespace):  # noqa: ANN202 - a Reproduction
    from bench.core.keys import run_key
    from bench.records.run_store import RunStore
    from bench.regression.reproduction import UNKNOWN, Reproduction, judge

    paths = [plugin.name for plugin in record.run.plugins.values() if plugin.name.endswith(".py")]
    if paths:  # a record never has code loaded that nobody named
        return Reproduction(UNKNOWN, f"it is of a file of somebody's own, {paths[0]}")
    if record.key != run_key(record.run):
        return Reproduction(UNKNOWN, "its plug-ins have another VERSION today")
    _options.choose_compiler(bool(record.machine.compiled))
    new = _run_again(record.run, options.device or _device_of(record), options.timeout)
    folder = file.resolve().parent
    siblings = RunStore(folder.parents[1]).load()[0] if folder.parent.name == "runs" else []
    return judge(record, new, [other for other in siblings if other.key == record.key])


def _run_again(run: Run, device: str, timeout_s: float) -> RunRecord:
    """Return the record of a run in a store that is thrown away."""
    from math import inf

    from bench.records.run_store import RunStore
    from bench.training.launcher import TrainingOptions, train_missing

    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / machine.folder(device))
        train_missing(TrainingOptions([run], store, device, 1, inf, True, False, timeout_s))
        record = store.find(run)
    if record is None:
        raise ValueError("the run left no record")
    return record


def _device_of(record: RunRecord) -> str:
    return "cuda" if record.machine.gpu else "cpu"
