"""The command line as a user meets it: help, lists, one line and the exit code for a mistake."""

import json
import os
import signal
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from bench.cli import COMMANDS, main
from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.data import cache
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system import signals
from bench.system.checkout import ROOT
from bench.training import selection


@pytest.mark.parametrize("kind", plugins.FOLDERS)
def test_list_shows_every_plugin_with_a_line(kind, capsys):
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    names = [line.split()[0] for line in lines]
    assert [name for name in names if "/" not in name] == plugins.names(kind)
    assert all(len(line.split()) > 3 for line in lines)


def test_list_shows_the_models_of_discovery(capsys):
    assert main(["list", "models"]) == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    files = (plugins.FOLDERS["models"] / "discovery").glob("[!_]*.py")
    assert {f"discovery/{file.stem}" for file in files} <= names


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


@pytest.mark.parametrize(
    ("streams", "lines"),
    [(">&-", 1), ("2>&-", 0), (">&- 2>&-", 0), (">/dev/full", 1), (">/dev/full 2>/dev/full", 0)],
)
def test_streams_that_take_nothing_are_a_mistake(streams, lines):
    command = f"{sys.executable} -m bench list models {streams}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, lines, "")


def started(code, number):
    """A process that has printed a line and heeds the signal, as none behind a shell does."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    process.stdout.readline()
    return process


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.system
def test_a_signal_ends_a_command_in_one_line(sent, code, times):
    waiting = (
        "from bench.commands import list as command; import signal\n"
        "def wait(options): print(flush=True); signal.pause()\ncommand.run = wait\n"
        "from bench.cli import enter; raise SystemExit(enter(['list']))"
    )
    process = started(waiting, sent)
    for _ in range(times):
        process.send_signal(sent)
    said = process.communicate(timeout=30)[1]
    assert (process.returncode, said) == (code, f"{signals.STOPPED}\n")


@pytest.mark.system
def test_a_command_that_has_said_so_ends_with_its_code_whatever_comes():
    """A second Ctrl-C may find it on its way out, where Python has taken its handlers away."""
    leaving = (
        "from bench.commands import list as command; import atexit, signal, time\n"
        "def wait(options): print(flush=True); signal.pause()\ncommand.run = wait\n"
        "atexit.register(time.sleep, 0.3)\n"
        "from bench.cli import enter; raise SystemExit(enter(['list']))"
    )
    process = started(leaving, signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == f"{signals.STOPPED}\n"
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=30)[1], process.returncode) == ("", 130)


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
    "steps": (["run", "quick", "--steps", "0"], "steps has to be a whole number from 1 to"),
    "seeds": (["run", "quick", "--seeds", "0"], "seeds has to be at least 1"),
    "jobs": (["run", "quick", "--jobs", "0"], "--jobs has to be at least 1"),
    "device": (["run", "quick", "--device", "tpu"], "no device 'tpu'; there are cpu, cuda"),
    "key": (["run", "quick", "--only", "modell=x"], "no key 'modell'"),
    "many seeds": (["run", "quick", "--seeds", "1000000000"], "gives more than 100,000 runs"),
    "a large size": (["speed", "--size", "1000000000"], "a number of parameters up to 100,000,000"),
    "a way out of a folder": (["speed", "--models", "../bench/tasks/md17"], "no model '../bench"),
    "a newline": (["table", "--results", "/no\nwhere\x1b[31m"], r"under /no\x0awhere\x1b[31m"),
    "a name in another script": (["speed", "--models", "drıft\ud800"], "did you mean 'drift'?"),
    "a set": (
        ["run", "--task", "nbody_gravity:val={1}", "--models", "drift", "--methods", "plain"],
        "plug-in 'nbody_gravity', option 'val': JSON cannot hold a set",
    ),
    "glob": (["run", "quick", "--only", "model=resnet"], "model is one of drift"),
    "condition": (["run", "quick", "--only", "drift"], "--only takes key=glob"),
    "shard": (["run", "quick", "--shard", "4/3"], "--shard takes i/n"),
    "budget": (["run", "quick", "--budget", "soon"], "write 90s, 30m or 2h"),
    "sizes": (["speed", "--nodes", "0"], "--nodes and --batch have to be at least 1"),
    "network": (["speed", "--models", "painm"], "did you mean 'painn'?"),
    "sides": (["compare", "one"], "compare takes two folders or files, or --base REF"),
    "revision": (["compare", "--base", "nowhere"], "no revision 'nowhere'"),
    "an option as revision": (["compare", "--base=--lock"], "no revision '--lock'"),
    "nobody's home": (["table", "--results", "~nobody-here/x"], "'~nobody-here/x'"),
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
    "command", [["run", "--models", "drift", "--methods", "plain", "--dry-run"], ["try"]]
)
def test_a_task_file_with_a_name_of_ours_is_a_mistake(command, tmp_path, capsys):
    file = tmp_path / "md17.py"
    file.write_text("def load(seed): ...\n")
    assert main([*command, "--task", str(file)]) == 2
    shown = capsys.readouterr().err
    assert shown == f"error: {file}: 'md17' is a task of ours already; rename the file\n"


@pytest.mark.parametrize("text", ["runs = 3\n", "def runs(): yield 'egnn'\n"])
def test_a_file_that_is_no_sweep_is_named(text, tmp_path, capsys):
    file = tmp_path / "odd.py"
    file.write_text(text)
    assert main(["run", str(file)]) == 2
    assert f"{file} is no sweep: " in capsys.readouterr().err


RUN = "from bench import Plugin, Run\nRUN = Run(Plugin('nbody_gravity'), Plugin('drift'), "
RAISING = {
    "import nowhere": "line 1: ModuleNotFoundError: No module named 'nowhere'",
    "def runs(): yield Run(1)": "line 1: NameError",
    "def runs():\n    raise StopIteration\n    yield": "line 2: RuntimeError: generator",
    "def runs(): raise MemoryError": "line 1: MemoryError",
    "def fall(): fall()\nfall()": "line 1: RecursionError",
    "class Odd(BaseException): pass\nraise Odd('no')": "line 2: Odd: no",
    "import sys\ndef runs():\n    sys.exit(7)": "line 3: SystemExit: 7",
    "raise ValueError('a\\nb \\x1b[31m\\ud800')": "line 1: ValueError: a",
    RUN
    + "Plugin('remul', {'beta': {1}}))": "plug-in 'remul', option 'beta': JSON cannot hold a set",
    RUN + "Plugin('remul', {'beta': len}))": "a builtin_function_or_method",
    RUN + "Plugin('remul', {'beta': float('nan')}))": "float nan",
    RUN + "Plugin('remul', {'beta': 10 ** 5000}))": "JSON cannot hold int <int>",
    RUN + "Plugin('remul', {'beta': {1: 2, 'a': 3}}))": "JSON cannot hold int 1 as a name",
    RUN + "Plugin('remul', {'beta': '\\ud800'}))": r"JSON cannot hold str '\ud800'",
    "c = {}\nc['c'] = c\n" + RUN + "Plugin('remul', c))": "JSON cannot hold what contains itself",
    "c = 1\nfor _ in range(99999): c = [c]\n" + RUN + "Plugin('remul', {'c': c}))": "nested deeper",
    RUN + "Plugin('remul'), lr=10 ** 400)": "lr has to be positive",
    RUN + "Plugin(3))": "a plug-in's name has to be a word or a path, got 3",
    RUN + "'remul')": "method has to be a Plugin, got 'remul'",
}


@pytest.mark.parametrize(("text", "words"), RAISING.items(), ids=range(len(RAISING)))
def test_what_a_sweep_raises_is_one_line_with_its_place(text, words, tmp_path, capsys):
    file = tmp_path / "odd.py"
    file.write_text(text)
    assert main(["run", str(file)]) == 2
    shown = capsys.readouterr().err
    assert f"{file}, line " in shown
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("while True: pass", "it took more than 0.1 s to list its runs"),
        ("def runs():\n    while True: yield RUN", "gives more than 5 runs"),
        ("def runs(): return []", "gives no runs"),
    ],
)
def test_a_sweep_without_end_is_one_line(text, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(selection, "LISTING_S", 0.1)
    monkeypatch.setattr(selection, "MOST_RUNS", 5)
    file = tmp_path / "endless.py"
    file.write_text(f"{RUN}Plugin('plain'))\n{text}\n")
    assert main(["run", str(file)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("head", ["\ufeff", "# -*- coding: latin-1 -*-\n# \xe9\n"])
def test_a_sweep_in_another_encoding_is_read(head, tmp_path):
    file = tmp_path / "sweep.py"
    file.write_text(f"{head}{RUN}Plugin('plain'))\ndef runs(): yield RUN\n",
                    encoding="utf-8" if head == "\ufeff" else "latin-1")  # fmt: skip
    assert len(selection.load_sweep(str(file))) == 1


def test_a_sweep_that_does_not_parse_is_named(tmp_path, capsys):
    file = tmp_path / "torn.py"
    file.write_text("def runs(:\n")
    assert main(["run", str(file)]) == 2
    assert f"{file}, line 1" in capsys.readouterr().err


def test_folders_of_the_checkout_are_no_machines(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["table", "--results", "."]) == 2
    assert "no records under ." in capsys.readouterr().err


def record_in(results):
    """A store with the record of one run."""
    record = blank_record(Run(Plugin("nbody_gravity"), Plugin("drift"), Plugin("plain")))
    return RunStore(results / "machine").write(record)


@pytest.mark.parametrize("command", [["table"], ["run", "quick", "--dry-run"]])
def test_the_folder_of_one_machine_is_no_folder_of_results(command, tmp_path, capsys):
    record_in(tmp_path)
    assert main([*command, "--results", str(tmp_path / "machine")]) == 2
    shown = capsys.readouterr().err
    assert f"machine is the folder of one machine; give {tmp_path}, where it is" in shown
    assert shown.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    record_in(tmp_path)
    (tmp_path / "machine" / "tables").touch()
    assert main(["table", "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out.startswith("nbody_gravity\n")
    assert str(tmp_path / "machine" / "tables") in shown.err
    assert shown.err.count("\n") == 1


def test_tables_that_are_there_are_not_written_again(tmp_path):
    record_in(tmp_path)
    assert main(["table", "--results", str(tmp_path)]) == 0
    before = {file: file.stat().st_ino for file in (tmp_path / "machine" / "tables").iterdir()}
    assert main(["table", "--results", str(tmp_path)]) == 0
    assert {file: file.stat().st_ino for file in before} == before


def test_an_unknown_task_of_a_table_is_a_mistake(tmp_path, capsys):
    assert main(["table", "--task", "chess", "--results", str(tmp_path / "r")]) == 2
    record_in(tmp_path)
    assert main(["table", "--task", "chess", "--results", str(tmp_path)]) == 2
    assert "no records of task 'chess'; there are nbody_gravity" in capsys.readouterr().err


@pytest.mark.parametrize("written", ["nbody_gravity:val=500", "nbody_gravity(val=500)"])
def test_a_table_of_a_task_with_options_is_of_these_alone(written, tmp_path, capsys):
    for options in ({"val": 500}, {"val": 300}):
        run = Run(Plugin("nbody_gravity", options), Plugin("drift"), Plugin("plain"))
        RunStore(tmp_path / "machine").write(blank_record(run))
    everything = ["table", "--results", str(tmp_path)]
    assert main([*everything, "--task", written]) == 0
    shown = capsys.readouterr().out
    assert "val=500" in shown
    assert "val=300" not in shown
    assert main([*everything, "--task", "nbody_gravity"]) == 0
    assert "val=300" in capsys.readouterr().out
    assert main([*everything, "--task", "nbody_gravity:val=7"]) == 2
    there = "there are nbody_gravity(val=300), nbody_gravity(val=500)"
    assert f"no records of task 'nbody_gravity(val=7)'; {there}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["table", "plot"])
def test_unreadable_records_alone_are_a_mistake(command, tmp_path, capsys):
    record_in(tmp_path).write_text("{")
    assert main([command, "--results", str(tmp_path)]) == 2
    assert "no record that can be read" in capsys.readouterr().err


STREAMS = {
    "full": ("table {} > /dev/full", 2, b"error: output: No space left on device\n"),
    "both full": ("table {} > /dev/full 2> /dev/full", 2, b""),
    "closed": ("table {} >&-", 2, b"error: stdout is closed\n"),
    "all closed": ("run nowhere <&- >&- 2>&-", 2, b""),
    "a pipe that ends": ("table {} | true; exit ${{PIPESTATUS[0]}}", 2, b""),
    "ascii": ("table {} > /dev/null", 0, b""),
}


@pytest.mark.system
@pytest.mark.parametrize(("line", "code", "said"), STREAMS.values(), ids=STREAMS)
def test_streams_may_be_anything(line, code, said, tmp_path):
    record_in(tmp_path)
    line = line.format(f"--results {tmp_path}")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m bench {line}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_an_error_of_ours_has_a_code_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr(plugins, "names", lambda kind: 1 / 0)
    assert main(["list"]) == 70
    assert "internal error: ZeroDivisionError" in capsys.readouterr().err.splitlines()[-1]


def test_a_value_error_of_another_package_is_ours(monkeypatch, capsys):
    monkeypatch.setattr(plugins, "names", lambda kind: json.JSONDecoder().decode("{"))
    assert main(["list"]) == 70
    assert "internal error: JSONDecodeError" in capsys.readouterr().err.splitlines()[-1]


def test_a_terminal_obeys_no_name(capsys, tmp_path):
    (tmp_path / "\x1b[31m" / "runs" / "t").mkdir(parents=True)
    (tmp_path / "\x1b[31m" / "runs" / "t" / "\x1b]0;x\x07.json").write_text("{")
    assert main(["table", "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert r"\x1b[31m" in shown.err


def test_a_results_folder_is_a_machine_only_with_records(capsys):
    before = {*(ROOT / "bench").rglob("*")}
    assert main(["table", "--results", str(ROOT)]) == 2
    assert {*(ROOT / "bench").rglob("*")} == before


def test_the_tilde_of_a_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REMUL_DATA", "~/x")
    assert cache.folder() == tmp_path / "x"


def test_seeds_at_once_are_no_cuda_graph(tmp_path, capsys):
    assert main(["run", "quick", "--vectorise", "--graph", "--results", str(tmp_path)]) == 2
    assert "give one of them" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
