"""Paths in an archive: their canonical spelling, and suggestions for a wrong one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Final

from tasks_lib.domain.names import is_hidden, is_invisible
from tasks_lib.errors import RejectedError

_ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:")
_NO_SEPARATORS: Final = str.maketrans("", "", " -_./\\")
_JUNK_FOLDER: Final = "__MACOSX"
_JUNK_NAMES: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini", "icon\r"})
_APPLE_DOUBLE: Final = "._"


class UnsafePathError(RejectedError):
    """A path leads outside of the archive; the message continues a sentence about the path."""

    code = "unsafe_path"


def canonical(path: str) -> str:
    """Return the canonical spelling of a path: NFC, ``/`` between its parts, no empty parts.

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
    """Raise UnsafePathError for a path without name, or with invisible characters.

    Allowed are unusual spaces, which macOS writes into names, and characters newer than this
    Python.
    """
    if not path:
        raise UnsafePathError("has no name")
    if not (path.isascii() and path.isprintable()) and any(map(is_hidden, path)):
        raise UnsafePathError("holds characters that nobody can see")


def bare(path: str) -> str:
    """Return a path without the invisible characters that a name may have."""
    if path.isascii():
        return path
    return "".join(character for character in path if not _is_ignored(character))


def is_junk(path: str) -> bool:
    """Tell whether a member is a file that Windows or macOS adds by itself."""
    name = path.rpartition("/")[2]
    if path.startswith(f"{_JUNK_FOLDER}/") or path == _JUNK_FOLDER:
        return True
    return name.startswith(_APPLE_DOUBLE) or name.lower() in _JUNK_NAMES


def top_folder_of(paths: Iterable[str]) -> str:
    """Return the folder that contains all paths, with a ``/`` at its end; or an empty string."""
    tops = {"".join(path.partition("/")[:2]) for path in paths}
    top = tops.pop() if len(tops) == 1 else ""
    return top if top.endswith("/") else ""


class Lookalikes:
    """Finds paths of an archive by another spelling, in constant time."""

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


def _is_ignored(character: str) -> bool:
    return is_invisible(character) and unicodedata.category(character) not in {"Zs", "Cn"}


def _fold(path: str) -> str:
    return unicodedata.normalize("NFKC", bare(path)).casefold().translate(_NO_SEPARATORS)


def _fold_name(path: str) -> str:
    return _fold(path.rpartition("/")[2])


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
