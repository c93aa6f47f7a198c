"""Detect a file's media type by its first bytes, not by its name, which may be anything."""

import codecs
import json
import re
from typing import Final

import filetype

START_BYTES: Final = 8_192
"""The number of first bytes that decide."""

_UNKNOWN: Final = "application/octet-stream"
_STANDARD: Final = {
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
    "image/jpx": "image/jp2",
    "image/x-icon": "image/vnd.microsoft.icon",
    "application/x-rar-compressed": "application/vnd.rar",
}
"""Registered names for the older ones that filetype returns."""

_FONTS: Final = {"woff", "woff2", "ttf", "otf"}
_TEXTUAL: Final = frozenset({"application/pdf", "application/postscript", "application/rtf"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_PROLOG: Final = (("<?", "?>"), ("<!--", "-->"))
_JSON_START: Final = re.compile(r'\{\s*"|\[\s*[\[{"]')


def content_type_of(start: bytes) -> str:
    """Return the media type of a file that begins with ``start``: its first 8 KiB, or all of it."""
    start = start[:START_BYTES]
    text = _text_of(start)
    known = _known(start)
    if text is None:
        return known or _UNKNOWN
    # filetype knows bitmaps and programs by two letters, which also begin words.
    return known if known in _TEXTUAL else _type_of_text(text, is_whole=len(start) < START_BYTES)


def _known(start: bytes) -> str | None:
    try:
        kind = filetype.guess(start)
    except (IndexError, RecursionError, ValueError):  # hostile bytes are of no known type
        return None
    if kind is None:
        return None
    if kind.extension in _FONTS:
        return f"font/{kind.extension}"
    mime = str(kind.mime)
    return _STANDARD.get(mime, mime)


def _text_of(start: bytes) -> str | None:
    """Return the bytes as text, without a character that is cut off; None if they are not text."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        text = decoder.decode(start, final=len(start) < START_BYTES)
    except UnicodeDecodeError:
        return None
    return text if start and not _CONTROL.search(text) else None


def _type_of_text(text: str, *, is_whole: bool) -> str:
    root = _without_prolog(text).lower()
    if root.startswith(("<!doctype html", "<html")):
        return "text/html"
    if re.match(r"<!doctype svg\b|<svg[\s>]", root):
        return "image/svg+xml"
    if text.lstrip().startswith("<?xml"):
        return "application/xml"
    return "application/json" if _is_json(text, is_whole=is_whole) else "text/plain"


def _without_prolog(text: str) -> str:
    """Return the text after an XML declaration, comments and white space."""
    while True:
        text = text.lstrip()
        for opening, closing in _PROLOG:
            if text.startswith(opening):
                text = text.partition(closing)[2]
                break
        else:
            return text


def _is_json(text: str, *, is_whole: bool) -> bool:
    text = text.lstrip()
    if not text.startswith(("{", "[")):
        return False
    if not is_whole:
        return _JSON_START.match(text) is not None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
