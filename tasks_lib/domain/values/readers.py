"""Readers of cells: what each field type accepts, and the JSON text that is stored for it.

Texts, dates and URLs are stored as strings, numbers digit by digit. A value that would change on
the way is rejected, never repaired. A value that other programs write in another form is stored in
ours if nothing is lost: ``5.0`` as an integer, an offset of ``+01``, a midnight as a date.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final
from urllib.parse import urlsplit

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.names import did_you_mean
from tasks_lib.domain.values.json_text import check_document
from tasks_lib.domain.values.moments import (
    instant_of,
    is_in_calendar,
    read_date,
    read_datetime,
    why_no_datetime,
)
from tasks_lib.domain.values.numbers import (
    BARE_FRACTION,
    INTEGER,
    INTEGER_LIMIT,
    NUMBER,
    OUT_OF_RANGE,
    is_in_range,
    whole_digits,
    why_no_integer,
    why_no_number,
)
from tasks_lib.domain.values.option_lists import split_options
from tasks_lib.domain.values.patterns import matcher_of
from tasks_lib.domain.values.problem import ValueProblemError, refuse

TRUE_SPELLINGS: Final = frozenset({"true", "yes", "y", "t", "1", "1.0"})
FALSE_SPELLINGS: Final = frozenset({"false", "no", "n", "f", "0", "0.0"})
_URL: Final = re.compile(
    r"https?://[^\s\x00-\x1f\x7f-\x9f/?#]+(?:[/?#][^\s\x00-\x1f\x7f-\x9f]*)?", re.IGNORECASE
)

Reader = Callable[[str], str]
"""Takes a cell's text and returns the JSON text to store; raises ValueProblemError."""


ReaderOf = Callable[[Field], Reader]
"""Returns the reader of a field's cells."""


def reader_of(field: Field) -> Reader:
    """Return the function that reads cells of ``field``, which must not be a file field."""
    return with_empty(field, _READERS[field.type](field))


def with_empty(field: Field, read: Reader) -> Reader:
    """Return ``read`` extended to empty cells: ``null`` if the field is optional, else rejected."""
    return lambda text: read(text) if text else _read_empty(field)


def _read_empty(field: Field) -> str:
    if field.required:
        raise ValueProblemError("required", "is required, but the cell is empty")
    return "null"


def order_of(field_type: FieldType) -> Callable[[str], Any]:
    """Return the function that converts the text of a value to something comparable."""
    return _ORDERS[field_type]


def check_bounds_of(field: Field) -> None:
    """Raise ValueError if ``min`` or ``max`` is not a value of the type, or min is above max."""
    unbounded = field.model_copy(update={"min": None, "max": None})
    for bound in (field.min, field.max):
        if bound is not None:
            try:
                value = _READERS[field.type](unbounded)(bound)
                if field.type is FieldType.INTEGER and value != bound:
                    refuse("invalid_integer", bound, f"is to be written {value}")
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
    matches = matcher_of(field.pattern, field.name) if field.pattern is not None else None

    def read(text: str) -> str:
        if field.min_length is not None and len(text) < field.min_length:
            refuse("too_short", text, f"has {len(text):,} characters, {field.min_length:,} needed")
        if field.max_length is not None and len(text) > field.max_length:
            refuse("too_long", text, f"has {len(text):,} characters, {field.max_length:,} allowed")
        if matches is not None and not matches(text):
            refuse("pattern_mismatch", text, f"does not match the pattern {field.pattern}")
        return encode_basestring(text)

    return read


def _integer_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        digits = text if INTEGER.fullmatch(text) else whole_digits(text)
        if digits is None or not -INTEGER_LIMIT <= int(digits) < INTEGER_LIMIT:
            refuse("invalid_integer", text, why_no_integer(text))
        check_bounds(digits)
        return digits

    return read


def _number_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        bare = BARE_FRACTION.fullmatch(text)
        if bare is not None:
            text = f"{bare[1]}0{bare[2]}"
        if not NUMBER.fullmatch(text):
            refuse("invalid_number", text, why_no_number(text))
        if not is_in_range(text):
            refuse("invalid_number", text, f"is {OUT_OF_RANGE}")
        check_bounds(text)
        return text

    return read


def _boolean_reader(_: Field) -> Reader:
    def read(text: str) -> str:
        folded = text.lower()
        if folded in TRUE_SPELLINGS:
            return "true"
        if folded not in FALSE_SPELLINGS:
            refuse("invalid_boolean", text, "is not true or false (nor yes/no, y/n, t/f, 1/0)")
        return "false"

    return read


def _date_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        day = read_date(text)
        if day is None:
            refuse("invalid_date", text, "is not a date written YYYY-MM-DD")
        if not is_in_calendar(day):
            refuse("invalid_date", text, "is not a day in the calendar")
        check_bounds(day)
        return f'"{day}"'

    return read


def _datetime_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        moment = read_datetime(text)
        if moment is None:
            refuse("invalid_datetime", text, why_no_datetime(text))
        if not is_in_calendar(moment[:10]):
            refuse("invalid_datetime", text, "is not on a day in the calendar")
        check_bounds(moment)
        return f'"{moment}"'

    return read


def _single_select_reader(field: Field) -> Reader:
    encoded = {option: encode_basestring(option) for option in field.options or ()}

    def read(text: str) -> str:
        if text not in encoded:
            refuse("not_an_option", text, _options_hint(text, encoded))
        return encoded[text]

    return read


def _multi_select_reader(field: Field) -> Reader:
    options = field.options or ()

    def read(text: str) -> str:
        chosen = split_options(text, options)
        if chosen is None:
            refuse("not_an_option", text, "begins like a JSON array but is not one of strings")
        if not chosen:
            refuse("not_an_option", text, "names no option; leave the cell empty for that")
        for option in chosen:
            if option not in options:
                advice = "; write a semicolon between options" if "," in option else ""
                refuse("not_an_option", option, _options_hint(option, options) + advice)
        if len(set(chosen)) != len(chosen):
            refuse("duplicate_option", text, "names an option twice")
        return "[" + ",".join(encode_basestring(option) for option in chosen) + "]"

    return read


def _options_hint(text: str, options: Any) -> str:
    listed = list(options)
    shown = ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
    return f"is not one of the options ({shown}){did_you_mean(text, listed)}"


def _url_reader(field: Field) -> Reader:
    read_text = _text_reader(field)

    def read(text: str) -> str:
        if not _URL.fullmatch(text) or not _has_host(text):
            refuse("invalid_url", text, "is not an absolute URL such as https://example.com/a")
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
        check_document(text)
        if field.required and text.strip() == "null":
            raise ValueProblemError("required", "is required, but the cell says null")
        # A valid document has control characters only between tokens, where a space is equivalent.
        return re.sub(r"[\t\r\n]", " ", text)

    return read


def _bounds_check(field: Field) -> Callable[[str], None]:
    """Return a check of ``min`` and ``max`` that compares without rounding."""
    order = order_of(field.type)
    lowest = order(field.min) if field.min is not None else None
    highest = order(field.max) if field.max is not None else None

    def check(text: str) -> None:
        if lowest is None and highest is None:
            return
        value = order(text)
        if lowest is not None and value < lowest:
            refuse("below_minimum", text, f"is below the minimum {field.min}")
        if highest is not None and value > highest:
            refuse("above_maximum", text, f"is above the maximum {field.max}")

    return check


_ORDERS: Final[dict[FieldType, Callable[[str], Any]]] = {
    FieldType.INTEGER: int,
    FieldType.NUMBER: Decimal,
    FieldType.DATE: date.fromisoformat,
    FieldType.DATETIME: instant_of,
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
