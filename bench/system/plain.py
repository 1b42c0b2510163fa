"""Plain values: what JSON holds of options, and text that is fit for one line of a terminal."""

import math
import reprlib
from collections.abc import Mapping
from typing import Any

DEEPEST = 16  # options within options
LONGEST = 80  # letters of a value that an error quotes
LARGEST_INTEGER = 2**63
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
CONTROLS |= {code: f"\\u{code:04x}" for code in (*range(0x2028, 0x202F), *range(0x2066, 0x206A))}
OBEYED = {code: text for code, text in CONTROLS.items() if chr(code) not in "\n\t"}


def as_builtin(value: Any) -> str | int | float:  # noqa: ANN401 - any option of a plug-in
    """Return the value of a subclass of str, int or float, such as NumPy's float64, as one of them.

    Raises `TypeError` for anything else.
    """
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"{value!r} cannot be written as JSON")


def as_plain(value: Any, within: tuple[Any, ...] = ()) -> Any:  # noqa: ANN401 - any value
    """Return the value as JSON gives it back: lists for tuples, numbers of NumPy as Python's.

    Raises `ValueError` that says what cannot be had so, somewhere `within` other values.
    """
    if len(within) > DEEPEST:
        raise ValueError(f"options nested deeper than {DEEPEST}")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value == as_printable(value):
        return str(value)
    if isinstance(value, int) and -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if any(value is other for other in within):
        raise ValueError("what contains itself")
    if isinstance(value, list | tuple):
        return [as_plain(part, (*within, value)) for part in value]
    if isinstance(value, Mapping):
        return {_as_name(key): as_plain(part, (*within, value)) for key, part in value.items()}
    raise ValueError(_describe(value))


def _as_name(key: Any) -> str:  # noqa: ANN401 - any key
    if not isinstance(key, str):
        raise ValueError(f"{_describe(key)} as a name")
    return as_plain(key)


def _describe(value: Any) -> str:  # noqa: ANN401 - any value
    """Return the kind of a value; of one that is almost plain, the value too."""
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"{name} {quote(value)}" if isinstance(value, str | int | float) else f"a {name}"


def quote(value: Any) -> str:  # noqa: ANN401 - any value
    """Return the value as an error quotes it: short, in one line, whatever it is."""
    try:
        text = repr(value) if isinstance(value, str | float) else reprlib.repr(value)
    except Exception:  # a long integer, or a class of somebody's own
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def as_printable(plain: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON with the codes of letters that a terminal obeys, in all of its texts."""
    if isinstance(plain, str):
        return (
            plain
            if plain.isprintable()
            else plain.encode("utf-8", "replace").decode().translate(OBEYED)
        )
    if isinstance(plain, list):
        return [as_printable(part) for part in plain]
    if isinstance(plain, dict):
        return {as_printable(key): as_printable(part) for key, part in plain.items()}
    return plain


def one_line(text: str) -> str:
    """Return the text without what moves a cursor or ends a line: such letters as their codes."""
    printable = text.isprintable()
    return text if printable else text.encode("utf-8", "replace").decode().translate(CONTROLS)
