"""Plain values: what JSON holds of numbers and text of other libraries."""

from typing import Any


def as_builtin(value: Any) -> str | int | float:  # noqa: ANN401 - any option of a plug-in
    """Return the value of a subclass of str, int or float, such as NumPy's float64, as one of them.

    Raises `TypeError` for anything else.
    """
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"{value!r} cannot be written as JSON")
