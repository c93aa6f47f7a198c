"""JSON as the text of a cell: valid, of bounded depth, and equal for every parser."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import orjson

from tasks_lib.domain.names import shortened
from tasks_lib.domain.rows.json_rows import has_unique_keys
from tasks_lib.domain.values.numbers import LONG_EXPONENT, OUT_OF_RANGE, is_in_range
from tasks_lib.domain.values.problem import refuse

MAX_JSON_DEPTH: Final = 64
NUL_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_CONTAINERS: Final = frozenset({dict, list})
_NO_SIGNS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_AS_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")


def is_surely_document(text: str) -> bool:
    """Return True if a text is certainly one that ``parse_document`` accepts, and not too deep.

    This takes a tenth of its time. orjson keeps the last of two equal keys, and reads a number with
    a very long exponent.
    """
    if "\\u0000" in text or LONG_EXPONENT.search(text):
        return False
    try:
        document = orjson.loads(text)
        is_unique = has_unique_keys(text, document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False
    return is_unique and is_shallow(text)


def are_surely_documents(texts: Sequence[bytes]) -> bool:
    """Return True if ``is_surely_document`` is true of every text, at less cost than one by one.

    False means nothing.
    """
    together = b",".join(texts)
    if b"\\u0000" in together or b"\\u003" in together:
        return False
    has_keys = b":" in together
    try:
        if (b"e" in together or b"E" in together) and LONG_EXPONENT.search(together.decode()):
            return False
        for text in texts:
            document = orjson.loads(text)
            if has_keys and text.count(b":") != orjson.dumps(document).count(b":"):
                return False
        return is_shallow(together.decode())
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, UnicodeDecodeError):
        return False


def is_shallow(text: str) -> bool:
    """Return whether a valid document is not nested too deep; cheaper than ``depth_of``."""
    signs = text.encode()
    if b"\\" in signs:  # an escaped quote does not end a string
        signs = signs.replace(b"\\\\", b"").replace(b'\\"', b"")
    signs = signs.translate(_AS_BRACKETS, _NO_SIGNS)
    brackets = signs.replace(b'""', b"")
    if b'"' in brackets:  # there are some in strings, which do not count
        brackets = b"".join(signs.split(b'"')[::2])
    for _ in range(MAX_JSON_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def parse_document(text: str) -> Any:
    """Return a JSON document; numbers are returned as their digits."""
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_in_range,
            parse_int=_in_range,
        )
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        refuse("invalid_json", text, f"is nested deeper than {MAX_JSON_DEPTH} levels")
    except UnicodeEncodeError:
        refuse("invalid_json", text, "holds half of a surrogate pair")
    except ValueError as error:
        refuse("invalid_json", text, f"is not valid JSON: {error}")
    return document


def _in_range(number: str) -> str:
    """Raise ValueError for a number that JSON parsers would turn into infinity."""
    if not is_in_range(number):
        raise ValueError(f"the number {shortened(number, 20)} is {OUT_OF_RANGE}")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {shortened(key)} occurs twice in one object")
        document[key] = value
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def depth_of(document: Any) -> int:
    """Return how many containers of a document are inside each other."""
    depth, containers = 0, [document] if type(document) in _CONTAINERS else []
    while containers:
        depth += 1
        containers = [
            child
            for container in containers
            for child in (container.values() if type(container) is dict else container)
            if type(child) in _CONTAINERS
        ]
    return depth
