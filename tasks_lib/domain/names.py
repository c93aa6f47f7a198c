"""Names as people write them: suggestions for a wrong one, and how to show what cannot be seen."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_INVISIBLE_CATEGORIES = {
    "Cc": "control character",
    "Cf": "format character",
    "Cn": "unassigned character",
    "Co": "private use character",
    "Cs": "half of a surrogate pair",
    "Zl": "line separator",
    "Zp": "paragraph separator",
}
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs by their category that are drawn as nothing."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that ``name`` most likely meant, or None when nothing is near.

    Case, Unicode form, surrounding white space and invisible characters do not count as distance.
    """
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
    """Return what is left of a name without case and separators: ``Review ID`` is ``reviewid``.

    Marks count as parts of their letters: in many scripts they are the vowels.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", folded)
        if unicodedata.category(character)[0] in "LMN"
    )


def visible(text: str, limit: int = 80) -> str:
    """Quote ``text``, cut after ``limit`` characters, and name what cannot be seen in it."""
    shown = "".join(
        f"<U+{ord(character):04X}>" if is_invisible(character) else character
        for character in text[:limit]
    )
    notes = [
        f"U+{ord(character):04X} {_name_of(character)}"
        for character in sorted({character for character in text if is_invisible(character)})
    ]
    if any(map(unicodedata.combining, text)) and unicodedata.normalize("NFC", text) != text:
        notes.append("accents as characters of their own")
    if len(text) > limit:
        shown += "..."
        notes.insert(0, f"{len(text):,} characters")
    return f"'{shown}' (with {', '.join(notes[:5])})" if notes else f"'{shown}'"


def is_invisible(character: str) -> bool:
    """Tell whether a character looks like nothing, or like a plain space without being one."""
    category = unicodedata.category(character)
    if category in _INVISIBLE_CATEGORIES or character in _BLANKS:
        return True
    return category == "Zs" and character != " "


def is_storable(text: str) -> bool:
    """Tell whether every database takes the text: it is UTF-8 and holds no NUL character."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def display_name(uri: str) -> str:
    """Return what a person calls the file: the last part of a path, or of a URL without its query.

    Neither a query's signature nor a password before the host is shown.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in {"file", "local"}:
        return uri.rstrip("/").rsplit("/", 1)[-1]
    host, _, path = rest.split("?", 1)[0].partition("/")
    return path.rstrip("/").rsplit("/", 1)[-1] or host.rsplit("@", 1)[-1]


def shortened(value: str, limit: int = 60) -> str:
    """Return ``value`` quoted; a longer one is cut after ``limit`` characters, its length told."""
    if len(value) <= limit:
        return repr(value)
    return f"{value[:limit]!r}... ({len(value):,} characters)"


def counted(number: int, noun: str) -> str:
    """Return ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _name_of(character: str) -> str:
    fallback = _INVISIBLE_CATEGORIES.get(unicodedata.category(character), "")
    return unicodedata.name(character, fallback).lower()


def _fold(name: str) -> str:
    seen = "".join(character for character in name if not is_invisible(character))
    return unicodedata.normalize("NFKC", seen).strip().casefold()
