"""Records of runs that never ran, with errors, times and machines to order."""

from math import exp

import numpy as np
from msgspec.structs import replace

from bench.core.config import Plugin, Run
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import blank_record
from bench.records.timings import Timing

SESSION = "2026-01-01T00:00:00+00:00"
TASK = Plugin("nbody_gravity", {"val": 500})


def make(model, seed, error, method="plain", ms=1.0, steps=1500, quality="A", **kwargs):
    """A finished run; `symmetry` is its E', `options` are those of the method."""
    options = kwargs.pop("options", {})
    symmetry, facts = kwargs.pop("symmetry", None), kwargs.pop("machine", {})
    own = {"task": kwargs.pop("task", TASK), "model": Plugin(model, kwargs.pop("hparams", {}))}
    run = Run(method=Plugin(method, options), steps=steps, seed=seed, **own, **kwargs)
    record = blank_record(run)
    symmetry = symmetry or (1e-7 if record.equivariant else 0.1)
    timing = Timing(
        median_ms=ms,
        samples_ms=[ms * (0.98 + 0.01 * (i % 5)) for i in range(20)],
        quality=quality,
        session=SESSION,
    )
    kinds = {"expected_error": symmetry, "mean_error": symmetry, "equivariance_error": symmetry}
    scores = {f"{kind}_{split}": x for kind, x in kinds.items() for split in ("test", "ood")}
    scores |= {"mse_val": error, "mse_test": error, "mse_ood": error}
    return replace(
        record,
        scores=scores,
        timings={"inference": timing, "train_step": timing},
        counters={"parameters": 7, "flops": 8, "dispatched_ops": 9, "step_peak_bytes": 10_000_000},
        machine=MachineFacts(processor="one", date=SESSION, threads=1, **facts),
    )


def make_rows(seeds, spread=0.01, common=0.2, draw=0, **rows):
    """Records of rows named `model_method`, with errors as given times exp of normal noise.

    What seeds have in common is `common` wide, what is each row's own is `spread`.
    """
    generator = np.random.default_rng(draw)
    shared = generator.normal(0, common, seeds)
    records = []
    for name, values in rows.items():
        model, _, method = name.partition("__")
        values = values if isinstance(values, dict) else {"error": values}
        noise = shared + generator.normal(0, spread, seeds)
        records += [
            make(model, seed, **values | {"error": values["error"] * exp(x)}, **_method(method))
            for seed, x in enumerate(noise.tolist())
        ]
    return records


def _method(method):
    return {"method": method} if method else {}
