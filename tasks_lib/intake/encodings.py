"""Turn a file of any known encoding into a stream of UTF-8 bytes, for the CSV reader."""

import codecs
from typing import BinaryIO, Final, Protocol

from tasks_lib.domain.problems import Problem, SourceProblemError

_UTF8_BOM: Final = codecs.BOM_UTF8
_WIDE_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_READ_BYTES: Final = 2**16
_UTF8_NAMES: Final = frozenset({"utf-8", "utf-8-sig"})
_MARK_ERRORS: Final = "seeding-mark"


class ByteReader(Protocol):
    """Anything to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        ...


class Utf8Stream:
    """Reads a binary file as UTF-8 without its byte order mark.

    Without ``encoding`` the file is UTF-8, or what its byte order mark says. Each byte that the
    encoding does not allow comes through as it is (UTF-8) or as 0xFF, which never is UTF-8: the
    CSV reader finds it and reports its row and column. ``name`` is the encoding's canonical name.
    """

    def __init__(self, file: BinaryIO, encoding: str = "") -> None:
        start = file.read(4)
        self.name = _canonical(encoding) if encoding else _by_bom(start)
        self._file = file
        self._pending = start.removeprefix(_UTF8_BOM)
        self._decoder: codecs.IncrementalDecoder | None = None
        if self.name not in _UTF8_NAMES:
            codecs.register_error(_MARK_ERRORS, _mark)
            self._decoder = codecs.getincrementaldecoder(self.name)(errors=_MARK_ERRORS)
            self._pending = self._recode(start).removeprefix(_UTF8_BOM)

    def read(self, size: int, /) -> bytes:
        """Return at least one byte, and about ``size``, until the file ends."""
        if self._decoder is None:
            taken, self._pending = self._pending, b""
            return taken or self._file.read(size)
        parts, length = [self._pending], len(self._pending)
        self._pending = b""
        while length < size and self._decoder is not None:
            block = self._file.read(_READ_BYTES)
            parts.append(self._recode(block))
            length += len(parts[-1])
            if not block:
                self._decoder = None
        return b"".join(parts)

    def _recode(self, block: bytes) -> bytes:
        assert self._decoder is not None  # noqa: S101
        text = self._decoder.decode(block, final=not block)
        return text.encode("utf-8", errors="surrogateescape")


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace each byte that cannot be decoded by what surrogateescape encodes as 0xFF."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff" * (error.end - error.start), error.end


def _by_bom(start: bytes) -> str:
    return next((name for bom, name in _WIDE_BOMS if start.startswith(bom)), "utf-8")


def _canonical(encoding: str) -> str:
    try:
        found = codecs.lookup(encoding)
        "".encode(encoding)
    except LookupError:
        message = (
            f"the encoding {encoding!r} is not known; try cp1252, latin-1, utf-16 or shift_jis"
        )
        raise SourceProblemError(Problem("unknown_encoding", message)) from None
    return found.name
