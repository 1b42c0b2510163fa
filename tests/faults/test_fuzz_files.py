"""Files and words from outside: sweeps, tasks' SOURCEs, options of the command line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import NUMBERS, ODD, TEXTS, flipped

from bench.core import plugins
from bench.system import pool
from bench.timing import grid
from bench.training import selection

pytestmark = pytest.mark.system
EXAMPLES = {"sweep": (25, 1000), "bytes": (20, 500), "source": (30, 500), "option": (30, 1500)}
HEAD = """from bench import Plugin, Run
TASK, MODEL, METHOD = Plugin("nbody_gravity"), Plugin("drift"), Plugin("plain")
"""
VALUES = [
    "1", "-1", "0", "1.5", "True", "None", "''", "'x'", "'a\\nb\\x1b'", "'\\ud800'", "float('nan')",
    "float('inf')", "10 ** 400", "10 ** 5000", "b'x'", "1j", "{1}", "{1: 2}", "[[[]]]", "len",
    "type",
    "object()", "lambda: 1", "print", "Ellipsis", "range(3)", "iter([])",
    "__import__('torch').ones(2)",
    "__import__('numpy').float64(1)", "__import__('numpy').ones(2)",
    "__import__('pathlib').Path('x')",
    "TASK", "cyclic()", "deep()", "unprintable()", "__file__", "'x.py'", "'../../x.py'",
    "'x' * 9999",
]  # fmt: skip
FIELDS = ["lr", "steps", "batch_size", "clip", "decay", "seed", "symmetrise", "surface", "samples"]
STATEMENTS = [
    "raise RuntimeError('no')", "raise KeyError", "1 / 0", "assert False, 'a\\nb'",
    "raise MemoryError",
    "raise StopIteration", "raise GeneratorExit", "raise SystemExit(7)", "import sys; sys.exit(0)",
    "import sys; sys.exit('text')", "import nowhere", "recurse()", "while True: pass", "yield",
    "while True: yield Run(TASK, MODEL, METHOD)",
    "for i in range(999): yield Run(TASK, MODEL, METHOD, seed=i)",
    "return", "print('\\x1b[31m')", "yield 3", "yield from runs()", "del TASK", "x = '\\0'",
    "class E(BaseException): pass\n    raise E(cyclic())",
    "raise type('E', (Exception,), {'__str__': None})",
    "import warnings; warnings.warn('odd')", "(" * 300 + ")" * 300, "-" * 4000 + "1", "é = 1",
    "\tx = 1",
]  # fmt: skip
TAIL = """
def cyclic():
    c = {}
    c["c"] = c
    return c
def deep():
    c = 1
    for _ in range(5000): c = [c]
    return c
def unprintable():
    class Odd:
        def __repr__(self): raise RuntimeError("no")
    return Odd()
def recurse(): recurse()
"""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    """No worker is asked and nothing timed; what has no end has less time."""

    def ask(*_):
        raise RuntimeError("nobody is asked")

    monkeypatch.setattr(pool, "ask", ask)
    monkeypatch.setattr(grid, "measure_grid", lambda _: True)
    monkeypatch.setattr(selection, "LISTING_S", 0.2)
    monkeypatch.setattr(selection, "MOST_RUNS", 300)
    monkeypatch.setenv("REMUL_DATA", str(tmp_path / "data"))


def examples(kind, long):
    return settings(max_examples=EXAMPLES[kind][long])


runs = st.one_of(
    st.builds("    yield Run(TASK, MODEL, METHOD, {}={})".format, st.sampled_from(FIELDS),
              st.sampled_from(VALUES)),
    st.builds("    yield Run(TASK, MODEL, Plugin({}, {{'beta': {}}}))".format,
              st.sampled_from(["'remul'", *VALUES]), st.sampled_from(VALUES)),
    st.builds("    yield Run(TASK, Plugin('egnn', {}), METHOD)".format, st.sampled_from(VALUES)),
    st.builds("    yield Run({}, MODEL, METHOD)".format, st.sampled_from(VALUES)),
    st.sampled_from(STATEMENTS).map("    {}".format),
)  # fmt: skip


@st.composite
def sweeps(draw):
    """The text of a sweep file, some lines of which are odd."""
    top = draw(st.lists(st.sampled_from(STATEMENTS), max_size=1)) if draw(st.booleans()) else []
    body = draw(st.lists(runs, min_size=1, max_size=4))
    head = draw(st.sampled_from([HEAD, "\ufeff" + HEAD, "# coding: latin-1\n" + HEAD, ""]))
    return "\n".join([head + TAIL, *top, "def runs():", *body, ""])


def list_runs(tally, file, folder):
    _, _, said = tally.run("sweep", "run", file, "--dry-run", "--results", folder / "r")
    for line in tally.errors(said):
        assert line.isprintable()


def test_an_odd_sweep_is_listed_or_refused_in_a_line(tmp_path, tally, long):
    @examples("sweep", long)
    @given(text=sweeps())
    def odd(text):
        file = tmp_path / "sweep.py"
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        list_runs(tally, file, tmp_path)

    odd()


def test_a_damaged_sweep_is_listed_or_refused_in_a_line(tmp_path, tally, long):
    good = HEAD + "def runs():\n    for seed in range(2):\n        yield Run(TASK, MODEL, METHOD)\n"

    @examples("bytes", long)
    @given(content=flipped(good.encode()))
    def damaged(content):
        (tmp_path / "sweep.py").write_bytes(content)
        list_runs(tally, tmp_path / "sweep.py", tmp_path)

    damaged()


URLS = ["http://127.0.0.1:9/{file}", "file:///etc/passwd", "{0}", "http://[", "http://a b/\n", "x"]
plain = st.sampled_from([*ODD, b"x", (1, 2), {1}, 1j, ...])
entries = st.fixed_dictionaries(
    {}, optional={"urls": st.lists(st.sampled_from(URLS), max_size=2) | plain,
                  "sha256": st.just("0" * 64) | plain, "size": st.just(3) | plain},
)  # fmt: skip
sources = plain | st.fixed_dictionaries(
    {},
    optional={
        "kind": st.just("download") | plain,
        "terms": plain,
        "urls": st.lists(st.sampled_from(URLS), max_size=2) | plain,
        "unrecorded": st.lists(st.sampled_from(["a.bin", *TEXTS]), max_size=2) | plain,
        "files": st.dictionaries(st.sampled_from(["a.bin", *TEXTS]), entries | plain, max_size=2)
        | plain,
    },
)


def test_an_odd_source_is_one_line_and_writes_nothing_elsewhere(tmp_path, tally, long):
    @examples("source", long)
    @given(source=sources, command=st.sampled_from(["get", "make"]))
    def odd(source, command):
        text = f'"""Odd."""\nSOURCE = {source!r}\ndef load(seed): 1 / 0\n'
        (tmp_path / "odd.py").write_text(text, encoding="utf-8", errors="surrogateescape")
        tally.run("source", "data", command, tmp_path / "odd.py")
        assert {path.name for path in tmp_path.iterdir()} <= {"odd.py", "data", "__pycache__"}
        known = {"odd", ".locks"}
        assert {path.name for path in (tmp_path / "data").glob("*")} <= known

    odd()


words = st.sampled_from([*TEXTS, *map(str, NUMBERS[:-4]), *VALUES, "1/3", "3/0", "90s", "1e9h"])
words = words.filter(lambda word: "\0" not in word and not word.startswith("-"))
settings_of = st.builds("{}={}".format, st.sampled_from([*FIELDS, "x", "model", ""]), words)
OPTIONS = {
    "run quick --dry-run --set": settings_of,
    "run quick --dry-run --only": settings_of | words,
    "run quick --dry-run --seeds": words,
    "run quick --dry-run --steps": words,
    "run quick --dry-run --shard": words,
    "run quick --dry-run --budget": words,
    "run quick --dry-run --device": words,
    "run quick --dry-run --jobs": words,
    "run --dry-run --models drift --methods plain --task": words.map("nbody_gravity:val={}".format),
    "run --dry-run --task nbody_gravity --methods plain --models": words.map("egnn:{}".format)
    | words,
    "run --dry-run --task nbody_gravity --models drift --methods": words.map("remul:{}".format)
    | words,
    "run --dry-run": words,
    "speed --models drift --size": words,
    "speed --models drift --nodes": words,
    "speed --models drift --batch": words,
    "speed --models": words,
    "table --task": words,
    "list": words,
    "data make nbody_gravity train=4 val=4 test=4 ood=4": settings_of | words,
    "compare --base": words.filter(lambda word: word not in ("x", "C")),
    "check --models": words,
    "": words,
}


def test_odd_words_of_a_command_line_are_refused_in_a_line(tmp_path, tally, long, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.regression.reference.ReferenceCheck.judge", lambda *_: ([], []))

    @examples("option", long)
    @given(st.sampled_from([*OPTIONS]).flatmap(lambda c: st.tuples(st.just(c), OPTIONS[c])))
    def odd(drawn):
        command, word = drawn
        where = [] if command in ("list", "") or "data" in command else ["--results", "r"]
        _, _, said = tally.run("option", *command.split(), word, *where)
        for line in tally.errors(said):
            assert line.isprintable()

    odd()


def test_no_odd_word_is_a_plugin():
    for kind in plugins.FOLDERS:
        for word in TEXTS:
            with pytest.raises(ValueError, match="no "):
                plugins.find(kind, word)
