"""reference.md, from the docstrings of remul."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import cleandoc
from itertools import zip_longest
from textwrap import dedent

from pages.published import ROOT

PACKAGE = ROOT / "remul"
MODULES = [  # in the order of reading
    *(
        "fields",
        "batches",
        "elements",
        "actions",
        "symmetric_matrices",
        "groups",
        "matrix_groups",
        "permutation_matrices",
        "losses",
        "distances",
        "penalties",
        "adaptive_penalties",
        "multipliers",
        "lie_losses",
        "latent",
    ),
    *(
        "metrics",
        "error_profiles",
        "nearest_poses",
        "pose_differences",
        "lie",
        "spectrum",
        "hidden",
        "hessian",
        "symmetrisation",
        "adapters",
    ),
]
SECTION = re.compile(r"^(Args|Returns|Raises|Example):\n", re.MULTILINE)
ITEM = re.compile(r"^(\w+): (.*(?:\n +.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A name with a docstring: its definition, its parameters, and the methods of a class."""

    name: str
    definition: str
    docstring: str
    parameters: list[str] = field(default_factory=list)
    methods: dict[str, str] = field(default_factory=dict)

    @property
    def sections(self) -> dict[str, str]:
        """The text under each heading of the docstring; what comes before is under ""."""
        before, *rest = SECTION.split(self.docstring)
        titled = zip(rest[::2], rest[1::2], strict=True)
        return {"": before.strip(), **{title: dedent(text).strip() for title, text in titled}}

    def items(self, title: str) -> dict[str, str]:
        """Return what a section says of each parameter or error, on one line."""
        items = ITEM.findall(self.sections.get(title, ""))
        return {name: " ".join(text.split()) for name, text in items}


def _source(module: str) -> str:
    return (PACKAGE / f"{module}.py").read_text()


def _docstring(module: str) -> str:
    return ast.get_docstring(ast.parse(_source(module))) or ""


def public_names() -> list[str]:
    """Return `remul.__all__`."""
    return ast.literal_eval(_source("__init__").partition("__all__ = ")[2])


def read(module: str) -> Iterator[Entry]:
    """Yield the public names that a module of remul defines, in its order."""
    source, public = _source(module), public_names()
    body = ast.parse(source).body
    for node, after in zip_longest(body, body[1:]):
        match node, after:
            case ast.FunctionDef(name), _ if name in public:
                head = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
                yield Entry(name, "\n".join(head), ast.get_docstring(node) or "", _parameters(node))
            case ast.ClassDef(name), _ if name in public:
                yield _read_class(node)
            case ast.Assign([ast.Name(name)]), ast.Expr(ast.Constant(str(text))) if name in public:
                yield Entry(name, ast.get_source_segment(source, node) or "", cleandoc(text))


def _read_class(node: ast.ClassDef) -> Entry:
    attributes = [line for line in node.body if isinstance(line, ast.AnnAssign)]
    taken = [line for line in attributes if "init=False" not in ast.unparse(line)]
    head = node.name if taken else f"class {node.name}"
    definition = f"{head}({', '.join(map(ast.unparse, taken or node.bases))})"
    methods = {
        _write_call(method): (ast.get_docstring(method) or "").partition("\n\n")[0]
        for method in node.body
        if isinstance(method, ast.FunctionDef)
        and (method.name == "__call__" or not method.name.startswith("_"))
    }
    parameters = [ast.unparse(line.target) for line in taken]
    return Entry(node.name, definition, ast.get_docstring(node) or "", parameters, methods)


def _write_call(method: ast.FunctionDef) -> str:
    """Return a method as it is called, a property without brackets."""
    if any(ast.unparse(decorator).endswith("property") for decorator in method.decorator_list):
        return method.name
    return f"{method.name}({', '.join(_parameters(method)[1:])})"


def _parameters(function: ast.FunctionDef) -> list[str]:
    args = function.args
    star = [f"*{args.vararg.arg}"] if args.vararg else []
    return [arg.arg for arg in args.args] + star + [arg.arg for arg in args.kwonlyargs]


def render(entry: Entry) -> str:
    """Return an entry as Markdown."""
    sections = entry.sections
    parts = [f"### `{entry.name}`", _fence(entry.definition), sections[""]]
    if "Args" in sections:
        parts.append(_list("Args", entry.items("Args")))
    if "Returns" in sections:
        parts.append(f"**Returns** {sections['Returns']}")
    if "Raises" in sections:
        parts.append(_list("Raises", entry.items("Raises")))
    if entry.methods:
        parts.append(_list("Methods", entry.methods))
    return "\n\n".join([*parts, _fence(sections["Example"])])


def write_page() -> str:
    """Return the whole page."""
    before, start = _docstring("__init__").split("\n\n>>>")
    parts = ["# Reference of `remul`", before, _fence(f">>>{start}")]
    for module in MODULES:
        parts += [f"## `remul.{module}`", _docstring(module)]
        parts += [render(entry) for entry in read(module)]
    return "\n\n".join(parts) + "\n"


def _fence(code: str) -> str:
    return f"```{'pycon' if code.startswith('>>>') else 'python'}\n{code}\n```"


def _list(title: str, items: dict[str, str]) -> str:
    return "\n".join([f"**{title}**", *(f"- `{name}`: {text}" for name, text in items.items())])
