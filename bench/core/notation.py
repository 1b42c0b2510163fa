"""Plug-ins as the command line and sweeps write them, with options that their files take."""

import ast
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite, nan
from pathlib import Path
from typing import Any

from bench.core import plugins, syntax
from bench.core.config import Plugin
from bench.system.plain import quote


def parse(kind: str, text: str) -> Plugin:
    """Return the plug-in that is written `name`, `name:value` or `name:key=value,key=value`.

    A value without a key is that of the first option, as beta in `remul:10`; one that holds commas
    is a list. Raises `ValueError` for an unknown plug-in or option.
    """
    name, written = _split(text)
    defaults = plugins.options(kind, name)
    given = {}
    for word in filter(None, re.split(r",+(?=\w+=)", written.strip(","))):
        key, equals, value = word.partition("=")
        if not equals:
            key, value = next(iter(defaults), ""), word
        given[key] = parse_value(value)
        if isinstance(defaults.get(key), float):
            given[key] = _as_float(given[key], _whose(kind, name, key))
    return complete(kind, Plugin(name, given))


def complete(kind: str, plugin: Plugin) -> Plugin:
    """Return the plug-in as `parse` gives it, with 10.0 for 10 where the default is a float.

    So it has one key however it is given. Raises `ValueError` for an option that it does not have,
    and for one that is no finite number, or not as many numbers, where its default is.
    """
    defaults, given = plugins.options(kind, plugin.name), dict(plugin.kwargs)
    _check_options(kind, plugin.name, given)
    for key, value in given.items():
        default, whose = defaults.get(key), _whose(kind, plugin.name, key)
        if isinstance(default, float) and type(value) in (int, float):
            given[key] = _as_float(value, whose)
        elif isinstance(default, tuple) and default and isinstance(default[0], float):
            given[key] = _as_floats(value, len(default), whose)
    return replace(plugin, kwargs=given)


def parse_value(text: str) -> Any:  # noqa: ANN401 - any literal, else the text itself
    """Return the Python literal that a text is, or the text."""
    try:
        return syntax.read_literal(text)
    except ValueError:
        return text


def _split(text: str) -> tuple[str, str]:
    """Return the name of a plug-in, or its path, which may hold colons, and what is after it."""
    name, _, written = text.partition(":")
    path = re.match(r"(.*?\.py)(?::(.*))?$", text, re.DOTALL)
    if path and (not plugins.NAME.fullmatch(name) or os.path.isfile(path[1])):
        name, written = path.groups(default="")
    return name, written


def _check_options(kind: str, name: str, given: Iterable[str]) -> None:
    """Raise `ValueError` for an option that a plug-in does not have, unless it takes any."""
    there = plugins.options(kind, name)
    unknown = [key for key in given if key not in there]
    file, function = plugins.find(kind, name), plugins.OFFERED[kind]
    if unknown and ("" in unknown or not _takes_any(file, function)):
        has = f"has no option {unknown[0]!r}; there are {', '.join(there) or 'none'}"
        raise ValueError(f"{kind[:-1]} {name!r} {has}")


def _takes_any(file: Path, function: str) -> bool:
    """Return whether a function takes any option by name, or is not written out in the file."""
    body = syntax.read_syntax(file).body
    written = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == function]
    return not written or written[0].args.kwarg is not None


def _whose(kind: str, name: str, option: str) -> str:
    return f"{kind[:-1]} {name!r}, option {option!r}"


def _as_float(value: Any, whose: str) -> float:  # noqa: ANN401 - any literal
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = nan
    if not isfinite(number):
        raise ValueError(f"{whose} has to be a number, got {quote(value)}")
    return number


def _as_floats(value: Any, count: int, whose: str) -> Sequence[float]:  # noqa: ANN401
    if not isinstance(value, list | tuple) or len(value) != count:
        raise ValueError(f"{whose} has to be {count} numbers, got {quote(value)}")
    return type(value)(_as_float(one, whose) for one in value)
