"""Values of cells: what each field type accepts, and the JSON text that is stored for it.

Texts, dates and URLs are stored as strings, numbers digit by digit. A value that would change on
the way is rejected, never repaired. A value that other programs write in another form is stored in
ours if nothing is lost: ``5.0`` as an integer, an offset of ``+01``, a midnight as a date.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.names import did_you_mean, shortened
from tasks_lib.domain.values.moments import (
    instant_of,
    is_in_calendar,
    read_date,
    read_datetime,
    why_no_datetime,
)
from tasks_lib.domain.values.option_lists import split_options
from tasks_lib.errors import RejectedError

TRUE_SPELLINGS: Final = frozenset({"true", "yes", "y", "t", "1", "1.0"})
FALSE_SPELLINGS: Final = frozenset({"false", "no", "n", "f", "0", "0.0"})
MAX_JSON_DEPTH: Final = 64
_INTEGER_LIMIT: Final = 2**63
_OUT_OF_RANGE: Final = "outside the range of a 64-bit number"

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BARE_FRACTION: Final = re.compile(r"(-?)(\.[0-9]+(?:[eE][+-]?[0-9]+)?)")
_ROUNDED: Final = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]+")
"""How spreadsheets show a number that is too wide for its cell; its last digits can be lost."""

_SEPARATED: Final = re.compile(
    r"(?![+-]?[0-9]+\.[0-9]+$)[+-]?[0-9]+(?:[.,'\u2019 \u00a0\u202f][0-9]+)+"
)
_LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")
_URL: Final = re.compile(
    r"https?://[^\s\x00-\x1f\x7f-\x9f/?#]+(?:[/?#][^\s\x00-\x1f\x7f-\x9f]*)?", re.IGNORECASE
)
_MISSING: Final = frozenset(
    {"NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "null", "None", "\\N"}
)
"""How other programs write that there is no value."""

_CODES_OF_TYPES: Final = frozenset(
    {"invalid_integer", "invalid_number", "invalid_boolean", "invalid_date", "invalid_datetime"}
)
_NUL_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
Reader = Callable[[str], str]
"""Takes a cell's text and returns the JSON text to store; raises ValueProblemError."""


ReaderOf = Callable[[Field], Reader]
"""Returns the reader of a field's cells."""


class ValueProblemError(RejectedError):
    """A text is not a value of the field; the message continues a sentence that names the field."""

    def __init__(self, code: str, message: str) -> None:
        Exception.__init__(self, message)  # one call less: bad values can come by the million
        self.code = code


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
                    _refuse("invalid_integer", bound, f"is to be written {value}")
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
        digits = text if _INTEGER.fullmatch(text) else _whole_digits(text)
        if digits is None or not -_INTEGER_LIMIT <= int(digits) < _INTEGER_LIMIT:
            _refuse("invalid_integer", text, _why_no_integer(text))
        check_bounds(digits)
        return digits

    return read


def _whole_digits(text: str) -> str | None:
    """Return the digits of a whole number such as ``5.0`` and ``1e+05``; None if it is none.

    A negative zero would lose its sign.
    """
    if not _is_whole(text) or abs(Decimal(text)) > _INTEGER_LIMIT:
        return None
    number = int(Decimal(text))
    return str(number) if number or not text.startswith("-") else None


def _why_no_integer(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+", text) or _is_whole(text):
        if text.lstrip("+-").startswith("0") or text.startswith("+"):
            return "has a sign or zeros in front that would be lost; a text field keeps them"
        return "does not fit in 64 bits; a text field keeps it"
    if _ROUNDED.fullmatch(text.lstrip("-")):
        reason = (
            ": a spreadsheet may have rounded it; show all digits of the column there, and export "
            "it again"
        )
    elif _NUMBER.fullmatch(text) and _is_in_range(text):
        reason = ": it has decimals"
    else:
        reason = ": it has white space around it" if text != text.strip() else ""
    return f"is not a whole number such as 42 or -7{reason}"


def _is_whole(text: str) -> bool:
    """Return whether a float, as another program writes it, is a whole number to the last digit."""
    if (
        not _NUMBER.fullmatch(text)
        or _ROUNDED.fullmatch(text.lstrip("-"))
        or not _is_in_range(text)
    ):
        return False
    number = Decimal(text)
    return number == number.to_integral_value()


def _number_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        bare = _BARE_FRACTION.fullmatch(text)
        if bare is not None:
            text = f"{bare[1]}0{bare[2]}"
        if not _NUMBER.fullmatch(text):
            _refuse("invalid_number", text, _why_no_number(text))
        if not _is_in_range(text):
            _refuse("invalid_number", text, f"is {_OUT_OF_RANGE}")
        check_bounds(text)
        return text

    return read


def _why_no_number(text: str) -> str:
    expected = "is not a number such as 12.5, -3 or 1e6"
    if _SEPARATED.fullmatch(text):
        return f"{expected}: only a point may be in it, before the decimals"
    return f"{expected}: it has white space around it" if text != text.strip() else expected


def _is_in_range(number: str) -> bool:
    """Return whether a 64-bit float can hold the number; no float has a long exponent."""
    return not _LONG_EXPONENT.search(number) and math.isfinite(float(number))


def _boolean_reader(_: Field) -> Reader:
    def read(text: str) -> str:
        folded = text.lower()
        if folded in TRUE_SPELLINGS:
            return "true"
        if folded in FALSE_SPELLINGS:
            return "false"
        _refuse("invalid_boolean", text, "is not true or false (nor yes/no, y/n, t/f, 1/0)")

    return read


def _date_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        day = read_date(text)
        if day is None:
            _refuse("invalid_date", text, "is not a date written YYYY-MM-DD")
        if not is_in_calendar(day):
            _refuse("invalid_date", text, "is not a day in the calendar")
        check_bounds(day)
        return f'"{day}"'

    return read


def _datetime_reader(field: Field) -> Reader:
    check_bounds = _bounds_check(field)

    def read(text: str) -> str:
        moment = read_datetime(text)
        if moment is None:
            _refuse("invalid_datetime", text, why_no_datetime(text))
        if not is_in_calendar(moment[:10]):
            _refuse("invalid_datetime", text, "is not on a day in the calendar")
        check_bounds(moment)
        return f'"{moment}"'

    return read


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
        chosen = split_options(text, options)
        if chosen is None:
            _refuse("not_an_option", text, "begins like a JSON array but is not one of strings")
        if not chosen:
            _refuse("not_an_option", text, "names no option; leave the cell empty for that")
        for option in chosen:
            if option not in options:
                advice = "; write a semicolon between options" if "," in option else ""
                _refuse("not_an_option", option, _options_hint(option, options) + advice)
        if len(set(chosen)) != len(chosen):
            _refuse("duplicate_option", text, "names an option twice")
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
        # A valid document has control characters only between tokens, where a space is equivalent.
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
    """Raise ValueError for a number that JSON parsers would turn into infinity."""
    if not _is_in_range(number):
        raise ValueError(f"the number {shortened(number, 20)} is {_OUT_OF_RANGE}")
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
    """Return a check of ``min`` and ``max`` that compares without rounding."""
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
    is_missing = text in _MISSING and code in _CODES_OF_TYPES
    advice = "; leave the cell empty if there is no value" if is_missing else ""
    raise ValueProblemError(code, f"{shortened(text)} {reason}{advice}")


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
