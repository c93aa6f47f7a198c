"""Choose the media type of an answer by the header Accept, as RFC 9110 defines it."""

import re
from collections.abc import Sequence
from typing import Final

_QUALITY: Final = re.compile(r"\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


def choose_media_type(accept: str, offered: Sequence[str]) -> str | None:
    """Return the offered type that the client prefers; None if it accepts none of them.

    Without ``accept`` the client takes any.
    """
    if not accept.strip():
        return offered[0]
    ranges = dict(map(_read_range, accept.split(",")))
    qualities = [_quality_of(media_type, ranges) for media_type in offered]
    best = max(qualities)
    return offered[qualities.index(best)] if best > 0 else None


def _read_range(text: str) -> tuple[str, float]:
    """Return a range of types such as ``text/*``, and the client's preference for it."""
    name, *parameters = text.lower().split(";")
    found = [match for parameter in parameters if (match := _QUALITY.fullmatch(parameter))]
    return name.strip(), float(found[0][1]) if found else 1.0


def _quality_of(media_type: str, ranges: dict[str, float]) -> float:
    """Return the quality of the most exact range that contains the type."""
    kind = media_type.partition("/")[0]
    exact = (media_type, f"{kind}/*", "*/*")
    return next((ranges[name] for name in exact if name in ranges), 0.0)
