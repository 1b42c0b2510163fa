"""The layers and the "never" rules of the design, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    package: sorted((ROOT / package).rglob("*.py")) for package in ("remul", "models", "bench")
}
EVERYTHING = [file for files in FILES.values() for file in files]
RECORDS_ONLY = {"tables", "plots", "report", "check"}


def imports(file, top_level_only=False):
    """Modules a file imports, as dotted names; those for type checkers do not count."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(file):
    return {name.partition(".")[0] for name in imports(file)}


def names_used(file):
    tree = ast.parse(file.read_text())
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def named(files):
    return pytest.mark.parametrize("file", files, ids=lambda f: str(f.relative_to(ROOT)))


@named(FILES["remul"])
def test_remul_imports_torch_and_e3nn_alone(file):
    allowed = {"remul", "torch", "e3nn", *sys.stdlib_module_names}
    assert packages(file) <= allowed


@named(FILES["models"])
def test_models_do_not_import_bench(file):
    assert "bench" not in packages(file)


@named(FILES["models"])
def test_models_import_their_layers_and_remul_alone(file):
    ours = {name for name in imports(file) if name.partition(".")[0] in FILES}
    assert all(name.startswith(("models.layers", "remul")) for name in ours)


@named(FILES["bench"])
def test_bench_finds_models_by_name(file):
    assert "models" not in packages(file)


@named(EVERYTHING)
def test_pandas_stays_with_the_records(file):
    assert "pandas" not in packages(file) or RECORDS_ONLY & {file.stem, file.parent.name}


@named(EVERYTHING)
def test_matplotlib_stays_in_plots(file):
    assert "matplotlib" not in packages(file) or file.parent == ROOT / "bench" / "plots"


@named(EVERYTHING)
def test_there_is_one_clock(file):
    assert "time" not in packages(file) or file.stem == "timing"


@named(EVERYTHING)
def test_no_global_random_state(file):
    banned = ("torch.manual_seed", "torch.set_default_dtype", "np.random", "numpy.random")
    assert not [name for name in names_used(file) if name.startswith(banned)]
    assert "random" not in packages(file)


@named(EVERYTHING)
def test_no_pickle(file):
    assert not packages(file) & {"pickle", "joblib", "dill"}
    assert "torch.save" not in names_used(file)


@named([file for file in EVERYTHING if "np.load(" in file.read_text()])
def test_arrays_load_without_pickle(file):
    calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
    loads = [c for c in calls if ast.unparse(c.func) == "np.load"]
    assert all("allow_pickle=False" in ast.unparse(call) for call in loads)


@named(EVERYTHING)
def test_files_stay_small(file):
    assert len(file.read_text().splitlines()) <= 250


@named(EVERYTHING)
def test_functions_stay_small(file):
    functions = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno + 1 > 50] == []


def test_no_model_is_treated_apart():
    ifs = [
        ast.unparse(node.test)
        for file in FILES["bench"]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.If)
    ]
    assert [test for test in ifs if "equivariant" in test.lower()] == []


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"], ["data"]])
def test_torch_is_not_imported_on_the_way_to(arguments):
    assert "torch" not in modules_after(f"from bench.cli import main; main({arguments})")


@pytest.mark.parametrize("modules", ["tables, plots, run", "compare, duel, check, calibrate"])
def test_records_do_without_torch(modules):
    assert "torch" not in modules_after(f"from bench import {modules}")


def modules_after(code):
    """What a fresh interpreter has imported after some code, exiting or not."""
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return done.stdout.decode().split()
