"""Names that people write: suggest the right one, and show invisible characters."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from tasks_lib.errors import UsageError

STANDARD_INPUT: Final = "-"
"""The name of a source that is read from standard input."""

_INVISIBLE_CATEGORIES = {
    "Cc": "control character",
    "Cf": "format character",
    "Cn": "unassigned character",
    "Co": "private use character",
    "Cs": "half of a surrogate pair",
    "Zl": "line separator",
    "Zp": "paragraph separator",
}
_NEEDED: Final = frozenset("\u061c\u200c\u200d\u200e\u200f")
_COMPARED: Final = 400
"""The length of the longest text for which a similar name is looked for."""

_EXAMINED: Final = 1_000
"""How many characters of a text are examined for invisible ones."""

_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that look empty although their category is letter or symbol."""

_MAX_SUGGESTIONS: Final = 20
"""At most this many suggestions are computed, since that is slow and nobody reads more."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate closest to ``name``, or None if none is close.

    Case, Unicode form, surrounding white space and invisible characters are ignored. No candidate
    is close to a text that is too long for a name.
    """
    if len(name) > _COMPARED:
        return None
    by_fold = {_fold(candidate): candidate for candidate in candidates}
    folded = _fold(name)
    if folded in by_fold:
        return by_fold[folded]
    close = get_close_matches(folded, by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest candidate, or an empty string."""
    suggestion = nearest(name, candidates)
    return f"; did you mean {visible(suggestion)}?" if suggestion is not None else ""


def letters_and_digits(name: str) -> str:
    """Return a name without case and separators: ``Review ID`` becomes ``reviewid``.

    Combining marks are kept: in many scripts they are the vowels.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", folded)
        if unicodedata.category(character)[0] in "LMN"
    )


def visible(text: str, limit: int = 80) -> str:
    """Return ``text`` quoted and cut after ``limit`` characters; name its invisible characters.

    Those of a very long text are named only if they are near its beginning.
    """
    examined = text[:_EXAMINED]
    shown = "".join(
        f"<U+{ord(character):04X}>" if is_invisible(character) else character
        for character in text[:limit]
    )
    notes = [
        f"U+{ord(character):04X} {_name_of(character)}"
        for character in sorted({character for character in examined if is_invisible(character)})
    ]
    has_marks = any(map(unicodedata.combining, examined))
    if has_marks and unicodedata.normalize("NFC", examined) != examined:
        notes.append("accents as characters of their own")
    if len(text) > limit:
        shown += "..."
        notes.insert(0, f"{len(text):,} characters")
    return f"'{shown}' (with {', '.join(notes[:5])})" if notes else f"'{shown}'"


def is_invisible(character: str) -> bool:
    """Return whether a character is invisible, or looks like a plain space without being one."""
    category = unicodedata.category(character)
    if category in _INVISIBLE_CATEGORIES or character in _BLANKS:
        return True
    return category == "Zs" and character != " "


def is_hidden(character: str) -> bool:
    """Return whether a character is invisible, and no script needs it.

    Scripts need joiners and marks of direction, and spaces of several widths; emoji consist of
    joined parts. Characters newer than this Python are not hidden.
    """
    if not is_invisible(character) or character in _NEEDED:
        return False
    return unicodedata.category(character) not in {"Zs", "Cn"}


def without_invisible(name: str) -> str:
    """Return a name as people see it: composed, with plain spaces, and none at its ends."""
    seen = (
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", name)
        if character.isspace() or not is_invisible(character)
    )
    return "".join(seen).strip()


def is_nameless(name: str) -> bool:
    """Tell whether a name has no visible character."""
    return all(is_invisible(character) or character == " " for character in name)


def is_storable(text: str) -> bool:
    """Return whether every database can store the text: valid Unicode without NUL characters."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_source(source: str) -> None:
    """Raise UsageError for a source without a name."""
    if not source:
        raise UsageError("the source is empty; give a path, a URL, or - for standard input")


def check_storable(*texts: str, subject: str = "") -> None:
    """Raise UsageError unless every text is storable; it quotes the text, or names ``subject``."""
    for text in texts:
        if not is_storable(text):
            raise UsageError(
                f"{subject or repr(text)} holds a NUL character or bytes that are not UTF-8"
            )


def display_name(uri: str) -> str:
    """Return the file name of a path or URL; of ``-`` it is standard input.

    It never contains the query of a URL or a password, which may be secret.
    """
    if uri == STANDARD_INPUT:
        return "standard input"
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in {"file", "local"}:
        return uri.rstrip("/").rsplit("/", 1)[-1]
    host, _, path = rest.split("?", 1)[0].partition("/")
    return path.rstrip("/").rsplit("/", 1)[-1] or host.rsplit("@", 1)[-1]


class Suggestions:
    """Suggestions for the first few wrong names; many of them are hardly all typing errors."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        self._left = _MAX_SUGGESTIONS

    def nearest(self, name: str) -> str | None:
        """Return the name that is most like ``name``, if one is."""
        self._left -= 1
        return nearest(name, self._names) if self._left >= 0 else None

    def did_you_mean(self, name: str) -> str:
        """Return the end of a sentence that suggests the name that is most like ``name``."""
        self._left -= 1
        return did_you_mean(name, self._names) if self._left >= 0 else ""


def shortened(value: str, limit: int = 60) -> str:
    """Return ``value`` quoted; cut after ``limit`` characters, with its length if it is longer."""
    if len(value) <= limit:
        return repr(value)
    return f"{value[:limit]!r}... ({len(value):,} characters)"


def counted(number: int, noun: str) -> str:
    """Return ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def other_problems(number: int, *, is_cut: bool = False) -> str:
    """Return the end of a sentence about the first problem: `` (and 2 more problems)``.

    ``number`` counts the others; ``is_cut`` says that there can be more of them.
    """
    if not number:
        return ""
    return f" (and {'at least ' if is_cut else ''}{counted(number, 'more problem')})"


def _name_of(character: str) -> str:
    fallback = _INVISIBLE_CATEGORIES.get(unicodedata.category(character), "")
    return unicodedata.name(character, fallback).lower()


def _fold(name: str) -> str:
    seen = "".join(character for character in name if not is_invisible(character))
    return unicodedata.normalize("NFKC", seen).strip().casefold()
