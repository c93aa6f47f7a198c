"""Options in one cell: separated by semicolons, a JSON array, or as another program writes them."""

import json
from collections.abc import Collection
from typing import Final

_SEPARATOR: Final = ";"
_BRACKETS: Final = {"[": "]", "{": "}"}


def split_options(text: str, options: Collection[str]) -> list[str] | None:
    """Return the options that a cell names; None if it begins like a JSON array but is not one.

    Commas separate options only where all parts are options, and none of them contains a comma.
    """
    is_array = text.startswith("[")
    chosen = _read_array(text) if is_array else None
    if chosen is None and not any("," in option for option in options):
        chosen = _split_at_commas(text, options)
    if chosen is None and not is_array:
        parts = text.removesuffix(_SEPARATOR).split(_SEPARATOR)
        chosen = [part if part in options else part.strip(" ") for part in parts]
    return chosen


def _read_array(text: str) -> list[str] | None:
    """Return the strings of a JSON array, or None."""
    try:
        chosen = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(chosen, list) and all(isinstance(option, str) for option in chosen)
    return chosen if is_list else None


def _split_at_commas(text: str, options: Collection[str]) -> list[str] | None:
    """Return options as forms, DuckDB, PostgreSQL and pandas write several, or None."""
    is_bracketed = text[-1:] == _BRACKETS.get(text[:1])
    parts = (text[1:-1] if is_bracketed else text).split(",")
    if len(parts) == 1 and not is_bracketed:
        return None
    plain = [part.strip() for part in parts]
    chosen = [part if part in options else part.strip("'\"") for part in plain]
    return chosen if all(part in options for part in chosen) else None
