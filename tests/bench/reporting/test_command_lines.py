"""The commands that the page shows for cases of the speed grid."""

import shlex

import pytest
from msgspec.structs import replace

from bench.cli import parser
from bench.commands import speed
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.core.sizes import options_for_size
from bench.records.speed_record import blank_record
from bench.reporting.command_lines import write_speed_command
from bench.tasks.bodies import SIGNATURE


@pytest.mark.parametrize("scale", ["default", "paper"])
def test_a_command_names_the_case_that_it_stands_beside(scale):
    options = {} if scale == "default" else options_for_size("egnn", scale, SIGNATURE)
    case = SpeedCase(Plugin("egnn", options), 5, 8)
    command = shlex.split(write_speed_command(replace(blank_record(case), scale=scale)))
    asked = parser().parse_args(command[3:])
    assert speed.models(asked) == [case.model]
    assert (asked.nodes, asked.batch, asked.modes, asked.dtypes) == (
        [5],
        [8],
        ["eager"],
        ["float32"],
    )
