"""Guess the code page of names in an archive that do not say theirs."""

from collections.abc import Sequence
from typing import Final

from tasks_lib.intake.archives.archive_directory import Entry
from tasks_lib.intake.archives.archive_paths import UnsafePathError, canonical

_CODE_PAGES: Final = (
    "cp932", "gbk", "big5", "cp949", "cp866", "cp1251", "cp850", "cp1252", "cp852", "cp1250",
    "cp857", "cp1254", "cp737", "cp1253", "cp862", "cp1255", "cp720", "cp1256", "cp775", "cp1257",
    "cp874", "cp1258", "koi8_r", "euc_jp", "gb18030", "mac_roman",
)  # fmt: skip
"""The pages in which Windows packs outside the USA: those of its console and of its windows."""

_MAX_MISSES: Final = 10
"""After so many paths in no code page, another search is hardly worth its time."""


class CodePages:
    """Finds the code page in which a path is the name of one of the given members."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._names = [entry.packed_name for entry in entries]
        self._found = ""
        self._misses = 0

    def advice(self, path: str) -> str:
        """Return the end of a sentence about a canonical path that is not in the archive."""
        if not self._names or self._misses == _MAX_MISSES:
            return ""
        for encoding in (self._found,) if self._found else _CODE_PAGES:
            if self._has(path, encoding):
                self._found = encoding
                return (
                    f"; the names in it seem to be in {encoding}, which it does not say: "
                    f"give names_encoding {encoding}"
                )
        self._misses += not self._found
        return ""

    def _has(self, path: str, encoding: str) -> bool:
        return any(_is_path(name, path, encoding) for name in self._names)


def _is_path(name: bytes, path: str, encoding: str) -> bool:
    """Return whether a packed name is a path, or ends with it below a folder."""
    try:
        full = canonical(name.decode(encoding))
    except (UnicodeError, UnsafePathError):
        return False
    return full == path or full.endswith(f"/{path}")
