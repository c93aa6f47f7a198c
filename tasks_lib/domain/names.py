"""Names as people write them: suggestions for a wrong one, and how to show what cannot be seen."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}


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


def visible(text: str) -> str:
    """Quote ``text`` and name the characters in it that a person would not see."""
    hidden = sorted({character for character in text if is_invisible(character)})
    if not hidden:
        return f"'{text}'"
    shown = "".join(
        f"<U+{ord(character):04X}>" if is_invisible(character) else character for character in text
    )
    names = ", ".join(
        f"U+{ord(character):04X} {unicodedata.name(character, 'control character').lower()}"
        for character in hidden
    )
    return f"'{shown}' (with {names})"


def is_invisible(character: str) -> bool:
    """Tell whether a character looks like nothing, or like a plain space without being one."""
    category = unicodedata.category(character)
    return category in _INVISIBLE_CATEGORIES or (category == "Zs" and character != " ")


def shortened(value: str, limit: int = 60) -> str:
    """Return ``value`` quoted; a longer one is cut after ``limit`` characters, its length told."""
    if len(value) <= limit:
        return repr(value)
    return f"{value[:limit]!r}... ({len(value):,} characters)"


def counted(number: int, noun: str) -> str:
    """Return ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _fold(name: str) -> str:
    seen = "".join(character for character in name if not is_invisible(character))
    return unicodedata.normalize("NFKC", seen).strip().casefold()
