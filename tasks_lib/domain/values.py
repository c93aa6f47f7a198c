"""The spelling of values: what each field type accepts in a cell, and what is stored for it.

A value is stored as the JSON text of what was written: texts, dates and URLs as strings, numbers
digit by digit. What would not survive that unchanged is refused, never repaired.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.names import did_you_mean, shortened

TRUE_SPELLINGS: Final = frozenset({"true", "yes", "y", "1"})
FALSE_SPELLINGS: Final = frozenset({"false", "no", "n", "0"})
OPTION_SEPARATOR: Final = ";"
MAX_JSON_DEPTH: Final = 64
_INTEGER_LIMIT: Final = 2**63
_OUT_OF_RANGE: Final = "outside the range of a 64-bit number"

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")
_URL: Final = re.compile(
    r"https?://[^\s\x00-\x1f\x7f-\x9f/?#]+(?:[/?#][^\s\x00-\x1f\x7f-\x9f]*)?", re.IGNORECASE
)
_NUL_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DATETIME: Final = re.compile(
    rf"{_DATE.pattern}[T ]{_TIME}(?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?(?:Z|[+-]{_TIME})?"
)

Reader = Callable[[str], str]
"""Takes a cell's text and returns the JSON text to store; raises ValueProblemError."""


ReaderOf = Callable[[Field], Reader]
"""Returns the reader of a field's cells."""


class ValueProblemError(ValueError):
    """A text that is no value of the field: a stable code, and a sentence that says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def reader_of(field: Field) -> Reader:
    """Return the function that reads cells of ``field``; file fields have none here."""
    return with_empty(field, _READERS[field.type](field))


def with_empty(field: Field, read: Reader) -> Reader:
    """Return ``read`` made to take an empty cell, too.

    That is the JSON text ``null`` where the field is optional, and refused where not.
    """
    return lambda text: read(text) if text else _read_empty(field)


def _read_empty(field: Field) -> str:
    if field.required:
        raise ValueProblemError("required", "is required, but the cell is empty")
    return "null"


def order_of(field_type: FieldType) -> Callable[[str], Any]:
    """Return the function that makes values of an ordered type comparable, from their text."""
    return _ORDERS[field_type]


def check_bounds_of(field: Field) -> None:
    """Raise ValueError when ``min`` or ``max`` is no value of the type, or the two are crossed."""
    unbounded = field.model_copy(update={"min": None, "max": None})
    for bound in (field.min, field.max):
        if bound is not None:
            try:
                _READERS[field.type](unbounded)(bound)
            except ValueProblemError as problem:
                raise ValueError(f"field {field.name!r}: the bound {problem}") from None
    if field.min is not None and field.max is not None:
        try:
            _READERS[field.type](field.model_copy(update={"min": None}))(field.min)
        except ValueProblemError:
            raise ValueError(
                f"field {field.name!r}: min {field.min} is above max {field.max}"
            ) from None


def _text_reader(field: Field) -> Reader:
    pattern = re.compile(field.pattern) if field.pattern is not None else None

    def read(text: str) -> str:
        if field.min_length is not None and len(text) < field.min_length:
            _refuse("too_short", text, f"has {len(text):,} characters, {field.min_length:,} needed")
        if field.max_length is not None and len(text) > field.max_length:
            _refuse("too_long", text, f"has {len(text):,} characters, {field.max_length:,} allowed")
        if pattern is not None and not pattern.fullmatch(text):
            _refuse("pattern_mismatch", text, f"does not match the pattern {field.pattern}")
        return encode_basestring(text)

    return read


def _integer_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        if not _INTEGER.fullmatch(text) or not -_INTEGER_LIMIT <= int(text) < _INTEGER_LIMIT:
            _refuse("invalid_integer", text, _why_no_integer(text))
        check_bounds(text)
        return text

    return read


def _why_no_integer(text: str) -> str:
    expected = "is not a whole number such as 42 or -7"
    if re.fullmatch(r"[+-]?[0-9]+", text):
        if text.lstrip("+-").startswith("0") or text.startswith("+"):
            return "has a sign or zeros in front that would be lost; a text field keeps them"
        return "does not fit in 64 bits; a text field keeps it"
    if text != text.strip():
        return f"{expected}: it has white space around it"
    return expected


def _number_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        if not _NUMBER.fullmatch(text):
            _refuse("invalid_number", text, "is not a number such as 12.5, -3 or 1e6")
        if not _is_in_range(text):
            _refuse("invalid_number", text, f"is {_OUT_OF_RANGE}")
        check_bounds(text)
        return text

    return read


def _is_in_range(number: str) -> bool:
    """Tell whether a 64-bit float reaches as far; a long exponent is none of its numbers'."""
    return not _LONG_EXPONENT.search(number) and math.isfinite(float(number))


def _boolean_reader(_: Field) -> Reader:
    def read(text: str) -> str:
        folded = text.lower()
        if folded in TRUE_SPELLINGS:
            return "true"
        if folded in FALSE_SPELLINGS:
            return "false"
        _refuse("invalid_boolean", text, "is not true or false (nor yes/no, y/n, 1/0)")

    return read


def _date_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        if not _DATE.fullmatch(text):
            _refuse("invalid_date", text, "is not a date written YYYY-MM-DD")
        if not _is_in_calendar(text):
            _refuse("invalid_date", text, "is no day of the calendar")
        check_bounds(text)
        return f'"{text}"'

    return read


def _datetime_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        if not _DATETIME.fullmatch(text):
            _refuse("invalid_datetime", text, "is not a date and time like 2026-11-23T13:45:00Z")
        if not _is_in_calendar(text[:10]):
            _refuse("invalid_datetime", text, "is on no day of the calendar")
        check_bounds(text)
        return f'"{text}"'

    return read


def _is_in_calendar(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _instant(text: str) -> datetime:
    """Read an ISO 8601 date and time; without an offset it counts as UTC, for comparing only."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _single_select_reader(field: Field) -> Reader:
    encoded = {option: encode_basestring(option) for option in field.options or ()}

    def read(text: str) -> str:
        if text not in encoded:
            _refuse("not_an_option", text, _options_hint(text, encoded))
        return encoded[text]

    return read


def _multi_select_reader(field: Field) -> Reader:
    options = field.options or ()

    def read(text: str) -> str:
        chosen = _json_options(text) if text.startswith("[") else text.split(OPTION_SEPARATOR)
        if not chosen:
            _refuse("not_an_option", text, "names no option; leave the cell empty for that")
        for option in chosen:
            if option not in options:
                _refuse("not_an_option", option, _options_hint(option, options))
        if len(set(chosen)) != len(chosen):
            _refuse("duplicate_option", text, "names an option twice")
        return "[" + ",".join(encode_basestring(option) for option in chosen) + "]"

    return read


def _json_options(text: str) -> list[str]:
    try:
        chosen = json.loads(text)
    except (ValueError, RecursionError):
        chosen = None
    if not isinstance(chosen, list) or not all(isinstance(option, str) for option in chosen):
        _refuse("not_an_option", text, "begins like a JSON array but is not one of strings")
    return chosen


def _options_hint(text: str, options: Any) -> str:
    listed = list(options)
    shown = ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
    return f"is not one of the options ({shown}){did_you_mean(text, listed)}"


def _url_reader(field: Field) -> Reader:
    read_text = _text_reader(field)

    def read(text: str) -> str:
        if not _URL.fullmatch(text) or not _has_host(text):
            _refuse("invalid_url", text, "is not an absolute URL such as https://example.com/a")
        return read_text(text)

    return read


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _json_reader(field: Field) -> Reader:
    def read(text: str) -> str:
        document = _parsed(text)
        if _depth(document) > MAX_JSON_DEPTH:
            _refuse("invalid_json", text, f"is nested deeper than {MAX_JSON_DEPTH} levels")
        if _NUL_ESCAPE.search(text):
            _refuse("invalid_json", text, "holds a NUL character")
        if document is None and field.required:
            raise ValueProblemError("required", "is required, but the cell says null")
        # A valid document has control characters between its tokens only, where a space is as good.
        return re.sub(r"[\t\r\n]", " ", text)

    return read


def _parsed(text: str) -> Any:
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
        _refuse("invalid_json", text, f"is nested deeper than {MAX_JSON_DEPTH} levels")
    except UnicodeEncodeError:
        _refuse("invalid_json", text, "holds half of a surrogate pair")
    except ValueError as error:
        _refuse("invalid_json", text, f"is not valid JSON: {error}")
    return document


def _in_range(number: str) -> str:
    """Refuse what readers of JSON would turn into infinity; the text itself is what is stored."""
    if not _is_in_range(number):
        raise ValueError(f"the number {shortened(number, 20)} is {_OUT_OF_RANGE}")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {shortened(key)} stands twice in one object")
        document[key] = value
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level:
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
        ]
        depth += bool(containers)
    return depth


def _bounds_check(field: Field) -> Callable[[str], None]:
    """Return a check of ``min`` and ``max`` that compares exactly, in the type's own order."""
    order = order_of(field.type)
    lowest = order(field.min) if field.min is not None else None
    highest = order(field.max) if field.max is not None else None

    def check(text: str) -> None:
        if lowest is None and highest is None:
            return
        value = order(text)
        if lowest is not None and value < lowest:
            _refuse("below_minimum", text, f"is below the minimum {field.min}")
        if highest is not None and value > highest:
            _refuse("above_maximum", text, f"is above the maximum {field.max}")

    return check


def _refuse(code: str, text: str, reason: str) -> NoReturn:
    raise ValueProblemError(code, f"{shortened(text)} {reason}")


_ORDERS: Final[dict[FieldType, Callable[[str], Any]]] = {
    FieldType.INTEGER: int,
    FieldType.NUMBER: Decimal,
    FieldType.DATE: date.fromisoformat,
    FieldType.DATETIME: _instant,
}
_READERS: Final[dict[FieldType, Callable[[Field], Reader]]] = {
    FieldType.TEXT: _text_reader,
    FieldType.LONG_TEXT: _text_reader,
    FieldType.INTEGER: _integer_reader,
    FieldType.NUMBER: _number_reader,
    FieldType.BOOLEAN: _boolean_reader,
    FieldType.DATE: _date_reader,
    FieldType.DATETIME: _datetime_reader,
    FieldType.SINGLE_SELECT: _single_select_reader,
    FieldType.MULTI_SELECT: _multi_select_reader,
    FieldType.URL: _url_reader,
    FieldType.JSON: _json_reader,
}
