"""Dates and times as texts: our form, the forms of other programs, and what is wrong with one."""

import re
from datetime import UTC, date, datetime
from typing import Final

from tasks_lib.domain.names import shortened

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MIDNIGHT: Final = re.compile(rf"({_DATE.pattern})[T ]00:00(?::00(?:\.0+)?)?")
_HOUR: Final = r"(?:[01][0-9]|2[0-3])"
_CLOCK: Final = rf"{_HOUR}:[0-5][0-9](?::[0-5][0-9]"
_DATETIME: Final = re.compile(
    rf"{_DATE.pattern}[T ]{_CLOCK}(?:\.[0-9]{{1,9}})?)?(?:Z|[+-]{_HOUR}:[0-5][0-9])?"
)
_FOREIGN_DATETIME: Final = re.compile(
    rf"({_DATE.pattern})([Tt ])({_CLOCK}(?:[.,][0-9]{{1,9}})?)?)"
    rf"(?: ?(?:([Zz]|UTC|GMT)|([+-]{_HOUR})(?::?([0-5][0-9])(?::?([0-5][0-9]))?)?))?"
)
"""A date and time as databases and other programs write it: its day, clock and offset."""

_NANOSECONDS: Final = re.compile(r"(?<=\.[0-9]{6})[0-9]+")
_ANY_CLOCK: Final = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,]([0-9]+))?)?")


def read_date(text: str) -> str | None:
    """Return a date written YYYY-MM-DD or as midnight without an offset; None for another text."""
    midnight = _MIDNIGHT.fullmatch(text)
    day = midnight[1] if midnight is not None else text
    return day if _DATE.fullmatch(day) else None


def read_datetime(text: str) -> str | None:
    """Return a date and time as it is written, or as ISO 8601 writes it; None for another text.

    Its day need not be in the calendar.
    """
    return text if _DATETIME.fullmatch(text) else _translate_datetime(text)


def _translate_datetime(text: str) -> str | None:
    """Return a date and time of another program as ISO 8601 writes it, or None."""
    match = _FOREIGN_DATETIME.fullmatch(text)
    if match is None:
        return None
    day, separator, clock, utc, *offset = match.groups()
    hours, minutes, seconds = (part or "" for part in offset)
    zone = "Z" if utc else ""
    if hours:
        zone = f"{hours}:{minutes or '00'}" + (f":{seconds}" if seconds.strip("0") else "")
    return f"{day}{separator.upper()}{clock.replace(',', '.')}{zone}"


def why_no_datetime(text: str) -> str:
    """Return the end of a sentence that says which part of the text is wrong."""
    expected = "is not a date and time like 2026-11-23T13:45:00Z"
    if text != text.strip():
        return f"{expected}: it has white space around it"
    day = _DATE.match(text)
    if day is None:
        return f"{expected}: it does not begin with a day written YYYY-MM-DD"
    rest = text[day.end() + 1 :]
    if not rest:
        return f"{expected}: the time of day is missing"
    clock = _ANY_CLOCK.match(rest)
    if clock is None or not re.match(_CLOCK + ")?(?![:0-9])", rest):
        return f"{expected}: {shortened(clock[0] if clock else rest)} is not a time of day"
    if clock[1] and len(clock[1]) > 9:
        return f"{expected}: its seconds have {len(clock[1]):,} decimals, 9 are allowed"
    return f"{expected}: {shortened(rest[clock.end() :])} is not an offset such as Z or +01:00"


def is_in_calendar(day: str) -> bool:
    """Return whether a date exists."""
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def instant_of(text: str) -> tuple[datetime, str]:
    """Return a date and time for comparison only; without an offset it counts as UTC.

    The second part are the digits after those of the microseconds.
    """
    written = read_datetime(text) or text
    digits = _NANOSECONDS.search(written)
    moment = datetime.fromisoformat(_NANOSECONDS.sub("", written))
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware, (digits[0] if digits is not None else "").ljust(3, "0")
