"""The commands that findings name run what they are about."""

import shlex
from dataclasses import replace

import pytest
from msgspec import structs

from bench.cli import parser
from bench.commands import speed
from bench.core.cases import SpeedCase
from bench.core.config import Plugin, Run
from bench.core.keys import run_key
from bench.core.sizes import options_for_size
from bench.records.speed_record import blank_record
from bench.reporting.command_lines import write_commands, write_speed_command
from bench.tasks.bodies import SIGNATURE
from bench.training import selection

RUN = Run(Plugin("nbody_gravity"), Plugin("egnn"), Plugin("plain"))
RUNS = {
    "as it is": RUN,
    "options": replace(
        RUN,
        task=Plugin("nbody_gravity", {"val": 500, "ood_deg": [20.0, 90.0]}),
        model=Plugin("egnn", {"channels": 32, "layers": 2}),
        method=Plugin("remul", {"beta": 10.0, "group": "so3"}),
    ),
    "settings": replace(RUN, lr=1e-3, batch_size=12, symmetrise="group_average(icosahedral)"),
}


def runs_of(command):
    """What the command line would run."""
    options = parser().parse_args(shlex.split(command)[3:])
    paired = selection.pair_plugins(options.task, options.models, options.methods)
    runs = selection.replace_values(paired, options.set)
    return selection.override(runs, options.seeds, options.steps)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_command_runs_the_configuration(run):
    (command,) = write_commands([run], 5)
    runs = runs_of(command)
    assert {run_key(one) for one in runs} == {run_key(run)}
    assert [one.seed for one in runs] == list(range(5))


def test_what_differs_in_the_model_alone_is_one_command():
    models = [Plugin("egnn"), Plugin("tfn", {"layers": 2})]
    (command,) = write_commands([replace(RUN, model=model) for model in models], 2)
    assert [run.model for run in runs_of(command)] == 2 * models


def test_other_methods_are_other_commands():
    assert len(write_commands([RUN, replace(RUN, method=Plugin("augment"))], 1)) == 2


def test_a_task_may_be_in_a_folder_called_models(tmp_path):
    file = tmp_path / "MODELS" / "mine.py"
    file.parent.mkdir()
    file.write_text("def load(seed): ...\n")
    (command,) = write_commands([replace(RUN, task=Plugin(str(file)))], 1)
    assert runs_of(command) == [replace(RUN, task=Plugin(str(file)))]


VALUES = ["10", "None", "True", " 1", "a,b=c", "a,", "it's", "", None, True, [[0, 1]], {"a": 1}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_option_is_read_as_it_is(value, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(signature, width=None, x=None): ...\n")
    run = replace(RUN, model=Plugin(str(file), {"width": 2, "x": value}))
    (command,) = write_commands([run], 1)
    assert runs_of(command) == [run]


@pytest.mark.parametrize("scale", ["default", "paper", "60000"])
@pytest.mark.parametrize("given", [{}, {"layers": 2}])
def test_a_command_of_the_speed_grid_names_its_case(scale, given):
    options = options_for_size("egnn", scale, SIGNATURE, **given)
    record = structs.replace(blank_record(SpeedCase(Plugin("egnn", options), 5, 8)), scale=scale)
    asked = parser().parse_args(shlex.split(write_speed_command(record))[3:])
    assert speed.models(asked) == [record.cell.model]
    assert (asked.nodes, asked.batch) == ([5], [8])
    assert (asked.modes, asked.dtypes) == (["eager"], ["float32"])
