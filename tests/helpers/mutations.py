"""Damage: JSON with one thing changed, bytes flipped, texts that are no names."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

from hypothesis import strategies as st

TEXTS = [
    "", "x", "\x1b[31m", "\r", "a\nb", "\x00", "\u202e", "\ud800", "=1+1", "@x", "|", "a|b_c^$~\\{",
    "\\input{x}", "<script>", "](http://x)", "../../x", "/tmp/x.py", "x" * 5000, "١", "é±😀", "C",
    "nan", "1e400", "None", "%s", "{0}", "$x$", "*a*", "`",
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2, 0.0, -0.0, 1.5, -1e-3, 1e308, -1e308, 5e-324, 1e-30, 1e30, 10**18, 10**30, 10**400,
    2**31, 2**63, nan, inf, -inf,
]  # fmt: skip
ODD = [
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"a": 1},
    [None],
    [nan],
    {"": {}},
    [1, "a"],
    *TEXTS,
    *NUMBERS,
]


def places(value, place=()):
    """The places of all that JSON holds, as keys one after the other; lists by their ends."""
    yield place
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*place, key))
    elif isinstance(value, list) and value:
        for index in sorted({0, len(value) - 1}):
            yield from places(value[index], (*place, index))


def get(plain, place):
    for key in place:
        plain = plain[key]
    return plain


def put(plain, place, value):
    """The JSON with another value in a place."""
    if not place:
        return value
    changed = deepcopy(plain)
    get(changed, place[:-1])[place[-1]] = value
    return changed


def factors(value):
    return [] if isinstance(value, bool) or not isinstance(value, int | float) else [
        value * 1.5, -value, value * 3, value + 1, str(value), [value],
    ]  # fmt: skip


@dataclass
class Damage:
    """JSON with one change: its text, the place of the change and the value that is new there."""

    text: str | bytes = field(repr=False)
    how: str
    place: tuple
    value: Any = None

    def write(self, file):
        file.write_bytes(self.text if isinstance(self.text, bytes) else self.text.encode())


@st.composite
def changed_json(draw, plain):
    """JSON with one change."""
    place = draw(st.sampled_from([*places(plain)]))
    old = get(plain, place)
    how = draw(st.sampled_from(["value"] * 8 + ["gone", "renamed", "deep", "bytes"]))
    if how == "gone" and place:
        changed = deepcopy(plain)
        del get(changed, place[:-1])[place[-1]]
        return Damage(json.dumps(changed), how, place)
    if how == "renamed" and place and isinstance(place[-1], str):
        changed = deepcopy(plain)
        part = get(changed, place[:-1])
        part[draw(st.sampled_from(TEXTS))] = part.pop(place[-1])
        return Damage(json.dumps(changed), how, place)
    if how == "deep":
        text = json.dumps(put(plain, place, "DEEP"))
        deep = draw(
            st.sampled_from(["[" * 5000, "[" * 500 + "]" * 500, '{"a":' * 900 + "1" + "}" * 900])
        )
        return Damage(text.replace('"DEEP"', deep), how, place, deep)
    if how == "bytes":
        return Damage(draw(flipped(json.dumps(plain).encode())), how, ())
    value = draw(st.sampled_from(factors(old) * 4 + ODD))
    return Damage(json.dumps(put(plain, place, value)), "value", place, value)


@st.composite
def flipped(draw, content):
    """The bytes with some of them changed, taken out, or put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(["flip", "cut", "end", "insert", "repeat"]))
        if how == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del content[at : at + draw(st.integers(1, 40))]
        elif how == "end":
            del content[at:]
        elif how == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=8))
        else:
            content[at:at] = content[at : at + 200] * draw(st.integers(1, 3))
    return bytes(content)
