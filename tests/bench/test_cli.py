"""The command line as a user meets it: help, lists, one line and the exit code for a mistake."""

import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from bench.cli import COMMANDS, main
from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system.checkout import ROOT


@pytest.mark.parametrize("kind", plugins.FOLDERS)
def test_list_shows_every_plugin_with_a_line(kind, capsys):
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == plugins.names(kind)
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("command", [["--help"], ["list"]])
def test_help_and_list_answer_at_once(command):
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bench", *command], cwd=ROOT, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"example: python -m bench {command}" in capsys.readouterr().out


def bad_sweep(folder, **changes):
    """A sweep file with one run, something about it changed."""
    run = {"model": "drift", "task": "nbody_gravity", "method": "plain", "more": ""} | changes
    file = folder / "bad.py"
    file.write_text(
        '"""Bad."""\nfrom bench import Plugin, Run\ndef runs():\n'
        f"    yield Run(Plugin({run['task']!r}), Plugin({run['model']!r}), "
        f"Plugin({run['method']!r}){run['more']})\n"
    )
    return str(file)


MISTAKES = {
    "a GPU's precision": (["speed", "--dtypes", "tf32"], "tf32 need a GPU"),
    "size": (["speed", "--size", "huge"], "a size is default, paper or a number of parameters"),
    "peers' models": (
        ["speed", "--peers", "--models", "egnn"],
        "--peers has models, sizes and modes",
    ),
    "no sweep": (["run"], "run takes a sweep, or --task, --models and --methods"),
    "half a selection": (["run", "--task", "nbody_gravity"], "run takes a sweep, or --task"),
    "a value that is none": (
        ["run", "quick", "--set", "speed=1"],
        "--set takes KEY=VALUE of steps",
    ),
    "two bases": (["compare", "a", "--base", "main"], "two folders or files, or --base REF"),
    "models of folders": (["compare", "a", "b", "--models", "egnn"], "--models goes with --base"),
    "command": (["rum"], "invalid choice: 'rum'"),
    "sweep": (["run", "quik"], "no sweep 'quik'; did you mean 'quick'?"),
    "option": (["run", "quick", "--stepz", "3"], "--stepz"),
    "number": (["run", "quick", "--steps", "many"], "invalid int value: 'many'"),
    "steps": (["run", "quick", "--steps", "0"], "steps has to be a whole number from 1, got 0"),
    "seeds": (["run", "quick", "--seeds", "0"], "seeds has to be at least 1"),
    "jobs": (["run", "quick", "--jobs", "0"], "--jobs has to be at least 1"),
    "device": (["run", "quick", "--device", "tpu"], "no device 'tpu'; there are cpu, cuda"),
    "key": (["run", "quick", "--only", "modell=x"], "no key 'modell'"),
    "glob": (["run", "quick", "--only", "model=resnet"], "model is one of drift"),
    "condition": (["run", "quick", "--only", "drift"], "--only takes key=glob"),
    "shard": (["run", "quick", "--shard", "4/3"], "--shard takes i/n"),
    "budget": (["run", "quick", "--budget", "soon"], "write 90s, 30m or 2h"),
    "sizes": (["speed", "--nodes", "0"], "--nodes and --batch have to be at least 1"),
    "network": (["speed", "--models", "egn"], "did you mean 'egnn'?"),
    "sides": (["compare", "one"], "compare takes two folders or files, or --base REF"),
    "revision": (["compare", "--base", "nowhere"], "no revision 'nowhere'"),
    "format": (["table", "--format", "pdf"], "invalid choice: 'pdf'"),
    "results": (["table", "--results", "/nowhere"], "no records under /nowhere"),
    "folder": (["run", "quick", "--results", "/proc/results"], "cannot be written"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "transformr"}, "no model 'transformr'; did you mean 'transformer'?"),
        ({"task": "nbody_gravty"}, "no task 'nbody_gravty'; did you mean 'nbody_gravity'?"),
        ({"method": "magic"}, "no method 'magic'; there are "),
        ({"model": "__init__"}, "no model '__init__'"),
        ({"more": ", lr=-1.0"}, "lr has to be positive, got -1.0"),
        ({"more": ", decay='linear'"}, "decay has to be one of exponential, cosine"),
        ({"more": ", batch_size=2.5"}, "batch_size has to be a whole number"),
    ],
)
def test_a_bad_sweep_is_one_line_and_exit_code_2(change, words, tmp_path, capsys):
    assert main(["run", bad_sweep(tmp_path, **change)]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["runs = 3\n", "import nowhere\n", "def runs(): yield 'egnn'\n", "def runs(): yield Run(1)\n"],
)
def test_a_file_that_is_no_sweep_is_named(text, tmp_path, capsys):
    file = tmp_path / "odd.py"
    file.write_text(text)
    assert main(["run", str(file)]) == 2
    assert f"{file} is no sweep: " in capsys.readouterr().err


def test_a_sweep_that_does_not_parse_is_named(tmp_path, capsys):
    file = tmp_path / "torn.py"
    file.write_text("def runs(:\n")
    assert main(["run", str(file)]) == 2
    assert f"{file}, line 1" in capsys.readouterr().err


def record_in(results):
    """A store with the record of one run."""
    record = blank_record(Run(Plugin("nbody_gravity"), Plugin("drift"), Plugin("plain")))
    return RunStore(results / "machine").write(record)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    record_in(tmp_path)
    (tmp_path / "machine" / "tables").touch()
    assert main(["table", "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert str(tmp_path / "machine" / "tables") in shown
    assert shown.count("\n") == 1


def test_an_unknown_task_of_a_table_is_a_mistake(tmp_path, capsys):
    assert main(["table", "--task", "chess", "--results", str(tmp_path / "r")]) == 2
    record_in(tmp_path)
    assert main(["table", "--task", "chess", "--results", str(tmp_path)]) == 2
    assert "no records of task 'chess'; there are nbody_gravity" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["table", "plot"])
def test_unreadable_records_alone_are_a_mistake(command, tmp_path, capsys):
    record_in(tmp_path).write_text("{")
    assert main([command, "--results", str(tmp_path)]) == 2
    assert "no record that can be read" in capsys.readouterr().err
