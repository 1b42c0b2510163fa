"""What linters cannot say of the design; layers and bans are in pyproject.toml."""

import ast
import subprocess
import sys

import pytest

from bench.system.checkout import ROOT

FILES = {
    package: sorted((ROOT / package).rglob("*.py")) for package in ("remul", "models", "bench")
}
TREES = {file: ast.parse(file.read_text()) for files in FILES.values() for file in files}
LONGEST_FILE, LONGEST_FUNCTION = 250, 50


def nodes(kind, *packages):
    """The nodes of one kind in all files of some packages, or of all, each with its file."""
    files = [file for package in packages or FILES for file in FILES[package]]
    return [(file, n) for file in files for n in ast.walk(TREES[file]) if isinstance(n, kind)]


def modules(node):
    """What an import statement names, in full."""
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [f"{prefix}{alias.name}" for alias in node.names]


def test_remul_imports_torch_and_e3nn_alone():
    allowed = {"remul", "torch", "e3nn", *sys.stdlib_module_names}
    imports = nodes((ast.Import, ast.ImportFrom), "remul")
    packages = {module.partition(".")[0] for _, node in imports for module in modules(node)}
    assert packages <= allowed


def test_models_import_layers_and_remul_alone():
    own = [
        module
        for _, node in nodes((ast.Import, ast.ImportFrom), "models")
        for module in modules(node)
        if module.partition(".")[0] == "models"
    ]
    assert [module for module in own if not module.startswith("models.layers")] == []


def test_arrays_load_without_pickle():
    loads = [call for _, call in nodes(ast.Call) if ast.unparse(call.func) == "np.load"]
    assert loads
    assert all("allow_pickle=False" in ast.unparse(call) for call in loads)


STORED_CODE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
LOADERS = {"torch.load", "torch.save", "torch.hub", "pd.read_pickle", "pandas.read_pickle"}


def test_nothing_that_was_stored_is_run():
    """Jobs of Slurm and Dask are pickled by their own packages, as docs/scale.md says."""
    imports = nodes((ast.Import, ast.ImportFrom))
    packages = {module.partition(".")[0] for _, node in imports for module in modules(node)}
    names = {ast.unparse(node) for _, node in nodes(ast.Attribute)}
    assert (packages | names) & (STORED_CODE | LOADERS) == set()


def test_files_stay_small():
    lengths = {file: len(file.read_text().splitlines()) for file in TREES}
    assert {file: n for file, n in lengths.items() if n > LONGEST_FILE} == {}


def test_functions_stay_small():
    functions = nodes(ast.FunctionDef)
    long = [f.name for _, f in functions if f.end_lineno - f.lineno + 1 > LONGEST_FUNCTION]
    assert long == []


def test_no_model_is_treated_apart():
    conditions = [ast.unparse(node.test) for _, node in nodes(ast.If, "bench")]
    assert [test for test in conditions if "equivariant" in test.lower()] == []


def test_no_circle_hides_in_a_function():
    """Imports within functions keep torch and pandas off the way of a command, nothing else."""
    functions = nodes(ast.FunctionDef, "bench")
    hidden = {
        (file.relative_to(ROOT).as_posix(), module)
        for file, function in functions
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in modules(node)
        if module.startswith("bench") and file.parent.name != "commands"
    }
    assert hidden == set()


@pytest.mark.system
@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["run", "--help"], ["data"], ["explain", "a", "b"]]
)
def test_torch_is_not_imported_on_the_way_to(arguments):
    assert "torch" not in modules_after(f"from bench.cli import main; main({arguments})")


@pytest.mark.parametrize(
    "code",
    ["from bench.cli import main; main(['--help'])", "from bench.cli import main; main(['list'])",
     "import bench.worker"],
)  # fmt: skip
@pytest.mark.system
def test_scipy_is_not_imported_by(code):
    assert "scipy" not in modules_after(code)


@pytest.mark.parametrize(
    "modules",
    [
        "reporting import runs_table, figures, page",
        "reporting import explanation, findings, leaderboard, recommendation",
        "training import launcher",
        "regression import compare, history, noise, reference, reproduction, revisions",
    ],
)
@pytest.mark.system
def test_records_do_without_torch(modules):
    assert "torch" not in modules_after(f"from bench.{modules}")


def modules_after(code):
    """What a fresh interpreter has imported after some code, exiting or not."""
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return done.stdout.decode().split()


@pytest.mark.system
def test_remul_starts_without_e3nn_and_the_compiler():
    """They take longer than torch; Wigner matrices above degree 1 and optimisers bring them in."""
    assert not {"e3nn", "torch._dynamo"} & set(modules_after("import remul"))
