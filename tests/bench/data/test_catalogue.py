"""The data command: what there is, what is here, and how it comes here."""

import hashlib

import pytest

from bench.cli import main
from bench.core import plugins
from bench.data import catalogue
from bench.system import environment

CONTENT = b"some data"
URL = "http://127.0.0.1:9/points.bin"  # the discard port: nobody answers


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder for data; what the command line chooses instead is forgotten afterwards."""
    monkeypatch.setenv("REMUL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def points(tmp_path):
    """The file of a task with two files to download."""
    file = tmp_path / "points.py"
    entry = {"urls": [URL], "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    source = {
        "kind": "download",
        "from": "nowhere",
        "terms": "free for all",
        "acknowledge": "thank nobody",
        "files": {"a.bin": entry, "b.bin": entry},
    }
    file.write_text(f'"""Points."""\nSOURCE = {source!r}\n')
    return str(file)


def place(folder, name, content=CONTENT):
    (folder / "points").mkdir(parents=True, exist_ok=True)
    (folder / "points" / name).write_bytes(content)


@pytest.mark.parametrize("name", catalogue.names())
def test_a_source_declares_what_is_shown_of_it(name):
    source = plugins.source(name)
    assert {"kind", "from", "terms"} <= source.keys()
    assert source["kind"] in ("generated", "download")
    assert bool(catalogue.files(source)) == (source["kind"] == "download")


def cached_or_fetched(name):
    text = plugins.find("tasks", name).read_text()
    return "cache_arrays(" in text or "fetch(" in text


@pytest.mark.parametrize("name", plugins.names("tasks"))
def test_what_is_kept_in_the_cache_has_a_source(name):
    assert bool(plugins.source(name)) >= cached_or_fetched(name)


@pytest.mark.parametrize("arguments", [["data"], ["data", "list"]])
def test_the_list_names_every_data_set(arguments, capsys):
    assert main(arguments) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.partition(":")[0] for line in shown[1:]] == catalogue.names()


def test_the_list_shows_terms_hash_and_size(points):
    shown = catalogue.describe(points)
    assert "terms: free for all" in shown
    assert "acknowledge: thank nobody" in shown
    assert f"a.bin: 0.0 kB, sha256 {hashlib.sha256(CONTENT).hexdigest()}, not here" in shown


def test_the_state_tells_what_is_here(points, folder):
    assert catalogue.state(points) == "not here"
    place(folder, "a.bin")
    assert catalogue.state(points).startswith("partly, 1 file")
    place(folder, "b.bin")
    assert catalogue.state(points).startswith("here, 2 files")
    place(folder, "c.npz.part")
    assert catalogue.state(points).startswith("partly")


def test_what_was_made_is_told():
    main(["data", "make", "nbody_gravity", "train=1", "val=1", "test=1", "ood=1"])
    assert catalogue.state("nbody_gravity").startswith("made, 1 file")


def test_data_that_cannot_be_kept_are_not_made(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    where = str(tmp_path / "file" / "data")
    monkeypatch.setenv("REMUL_DATA", where)
    assert main(["data", "make", "nbody_gravity", "train=1", "val=1"]) == 2
    shown = capsys.readouterr().err
    assert f"data cannot be kept in {where} (Not a directory); choose another" in shown
    assert shown.count("\n") == 1


def test_options_reach_the_task(capsys):
    assert main(["data", "make", "nbody_gravity", "train=0"]) == 2
    assert "'train': 0" in capsys.readouterr().err


MAKER = '''"""Makes nothing."""
SOURCE = {"kind": "generated", "from": "here", "terms": "none"}
def load(seed):
    pass
def make(shape, *, size=1, progress):
    print(shape, size)
    for done in range(20):
        progress(done + 1, 20)
'''


def test_make_is_told_words_options_and_whom_to_tell(tmp_path, capsys):
    file = tmp_path / "maker.py"
    file.write_text(MAKER)
    assert main(["data", "make", str(file), "star", "size=3"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("star 3\n")
    assert "50 % (" in shown.err
    assert len(shown.err.splitlines()) == 10


def test_get_shows_terms_and_fetches_what_is_not_here(points, folder, capsys):
    place(folder, "a.bin")
    assert main(["data", "get", points, "a*"]) == 0
    shown = capsys.readouterr().out
    assert "terms: free for all\nacknowledge: thank nobody" in shown
    assert shown.endswith(f"{folder / 'points' / 'a.bin'}\n")


MISTAKES = {
    "task": (["get", "nbody_gravty"], "did you mean 'nbody_gravity'?"),
    "generated": (["get", "nbody_gravity"], "'python -m bench data make nbody_gravity'"),
    "option": (["make", "nbody_gravity", "trin=3"], "'trin'; the options are seed, train"),
    "kind of value": (["make", "nbody_charged", "bodies=many"], "the options are seed, train"),
    "no data to make": (["make", "rotsym"], "rotsym keeps no data; each run draws its own"),
    "action": (["fetch", "nbody_gravity"], "invalid choice: 'fetch'"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(["data", *arguments]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "words"), [(["c.bin"], "there are a.bin, b.bin"), ([], "place the file at")]
)
def test_what_cannot_be_fetched_is_one_line_and_exit_code_2(files, words, points, capsys):
    assert main(["data", "get", points, *files]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["data", "--data", "D", "list"], ["data", "list", "--data", "D"]]
)
def test_another_folder_can_be_chosen(arguments, tmp_path, capsys):
    place(tmp_path / "other", "x.npz")
    assert main([str(tmp_path / "other") if word == "D" else word for word in arguments]) == 0
    assert capsys.readouterr().out.startswith(f"in {tmp_path / 'other'}\n")


def test_workers_keep_data_in_the_folder_chosen(tmp_path):
    assert main(["run", "no_such_sweep", "--data", str(tmp_path / "other")]) == 2
    assert environment.environment()["REMUL_DATA"] == str(tmp_path / "other")


def test_unrecorded_files_have_the_addresses_of_their_source():
    source = {"urls": ["http://a/{file:.2}/{file}"], "unrecorded": ["09_01.amc"]}
    assert catalogue.files(source) == {"09_01.amc": {"urls": ["http://a/09/09_01.amc"]}}


SOURCES = [
    [], 3, {"files": 3}, {"files": ["a"]}, {"files": {"a": 3}}, {"files": {"a": {"urls": 3}}},
    {"files": {"a": {}}}, {"files": {"a": {"urls": [], "size": "big"}}}, {"kind": 3, "files": {}},
    {"files": {3: {"urls": []}}}, {"unrecorded": "ab"}, {"unrecorded": [3], "urls": []},
    {"unrecorded": ["a"], "urls": ["http://{0}/{x}"]}, {"urls": ["{file.no}"], "unrecorded": ["a"]},
    {"files": {"a": {"urls": ["file:///etc/passwd"]}}},
    *[{"files": {name: {"urls": ["http://127.0.0.1:9/a"]}}}
      for name in ("../../x", "/tmp/x", "", ".", "a/../../b", "..\\x", "a\n", "a/")],
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("command", ["get", "make"])
def test_a_source_that_is_none_is_one_line(source, command, folder, tmp_path, capsys):
    file = tmp_path / "odd.py"
    file.write_text(f'"""Odd."""\nSOURCE = {source!r}\ndef load(seed): 1 / 0\n')
    assert main(["data", command, str(file)]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert not folder.exists()
