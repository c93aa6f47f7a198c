"""Paths in an archive: one spelling for each, and which one a wrong spelling meant."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Final

from tasks_lib.domain.names import is_invisible

_ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:")
_NO_SEPARATORS: Final = str.maketrans("", "", " -_./\\")
_JUNK_FOLDER: Final = "__MACOSX"
_JUNK_NAMES: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini", "icon\r"})
_APPLE_DOUBLE: Final = "._"
_JOINERS: Final = frozenset("\u200c\u200d")
"""Part of how some scripts, and emoji of several parts, are written."""


class UnsafePathError(ValueError):
    """A path that leads outside of the archive; its text continues a sentence about it."""


def canonical(path: str) -> str:
    """Return the one spelling of a path: NFC, ``/`` between its parts, no part that says nothing.

    Raises UnsafePathError.
    """
    if _ABSOLUTE.match(path):
        raise UnsafePathError("is absolute")
    composed = unicodedata.normalize("NFC", path).replace("\\", "/")
    parts = [part for part in composed.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UnsafePathError("holds '..'")
    return "/".join(parts)


def check_visible(path: str) -> None:
    """Raise UnsafePathError for a path without name, or with characters that nobody can see.

    Unusual spaces, which macOS writes into names, and characters newer than this Python may be.
    """
    if not path:
        raise UnsafePathError("has no name")
    if not (path.isascii() and path.isprintable()) and any(map(_hides, path)):
        raise UnsafePathError("holds characters that nobody can see")


def is_junk(path: str) -> bool:
    """Tell whether a member is what Windows and macOS add of their own accord."""
    name = path.rpartition("/")[2]
    if path.startswith(f"{_JUNK_FOLDER}/") or path == _JUNK_FOLDER:
        return True
    return name.startswith(_APPLE_DOUBLE) or name.lower() in _JUNK_NAMES


def top_folder_of(paths: Iterable[str]) -> str:
    """Return the one folder that all paths lie in, with a ``/`` at its end; or an empty string."""
    tops = {"".join(path.partition("/")[:2]) for path in paths}
    top = tops.pop() if len(tops) == 1 else ""
    return top if top.endswith("/") else ""


class Lookalikes:
    """The paths of an archive, found by another spelling in a time that does not grow with them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_stem: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        names: Counter[str] = Counter()
        for path in paths:
            self._by_path.setdefault(_fold(path), path)
            self._by_stem.setdefault(_fold(_stem(path)), path)
            name = _fold_name(path)
            self._by_name[name] = path
            names[name] += 1
        for name, count in names.items():
            if count > 1:
                del self._by_name[name]

    def of(self, path: str) -> str | None:
        """Return the path that differs only by case, separators, extension or folder, or None."""
        folded = _fold(path)
        return (
            self._by_path.get(folded)
            or self._by_stem.get(_fold(_stem(path)))
            or self._by_stem.get(folded)
            or self._by_name.get(_fold_name(path))
        )


def _hides(character: str) -> bool:
    if not is_invisible(character) or character in _JOINERS:
        return False
    return unicodedata.category(character) not in {"Zs", "Cn"}


def _fold(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold().translate(_NO_SEPARATORS)


def _fold_name(path: str) -> str:
    return _fold(path.rpartition("/")[2])


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
