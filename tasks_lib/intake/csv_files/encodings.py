"""Recode a file of any known encoding to UTF-8 while it is read."""

import codecs
from typing import BinaryIO, Final, Protocol

from tasks_lib.domain.names import shortened
from tasks_lib.errors import Problem, SourceProblemError

START_BYTES: Final = 2**14
"""The number of first bytes that tell how a file is written."""

_UTF8_BOM: Final = codecs.BOM_UTF8
_WIDE_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUL_PATTERNS: Final[dict[tuple[bool, ...], str]] = {
    (True, False, False, False): "utf-32-le",
    (False, False, False, True): "utf-32-be",
    (True, False, True, False): "utf-16-le",
    (False, True, False, True): "utf-16-be",
}
"""Which of the first four bytes are not NUL, if the first two characters are ASCII."""

_READ_BYTES: Final = 2**16
_UTF8_NAMES: Final = frozenset({"utf-8", "utf-8-sig"})
_OF_PROGRAMS: Final = frozenset({"raw-unicode-escape", "unicode-escape"})
_MARK_ERRORS: Final = "seeding-mark"


class ByteReader(Protocol):
    """An object that returns bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; no bytes at the end."""
        ...


class Utf8Stream:
    """Reads a binary file as UTF-8 without its byte order mark.

    Without ``encoding`` the file is UTF-8, or as its byte order mark or the NUL bytes of its first
    characters say. A byte that is invalid in the encoding is passed on unchanged (UTF-8) or as
    0xFF, which is never valid UTF-8: the reader finds it and reports its row. ``name`` is the
    canonical name of the encoding, ``start`` the file's first bytes as they are.
    """

    def __init__(self, file: BinaryIO, encoding: str = "") -> None:
        self.start = file.read(START_BYTES)
        self.name = _named(encoding, self.start) if encoding else _encoding_by(self.start)
        self._file = file
        self._pending = self.start.removeprefix(_UTF8_BOM)
        self._decoder: codecs.IncrementalDecoder | None = None
        if self.name not in _UTF8_NAMES:
            self._decoder = _decoder_of(self.name)
            text = self._recode(self.start)
            # These two decoders take the mark themselves; another one is part of the text.
            takes_mark = self.name in {"utf-16", "utf-32"}
            self._pending = text if takes_mark else text.removeprefix(_UTF8_BOM)

    def read(self, size: int, /) -> bytes:
        """Return at least one byte, and about ``size``, until the file ends."""
        if self._decoder is None:
            pending, self._pending = self._pending, b""
            return pending or self._file.read(size)
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
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeError as error:
            message = f"the file cannot be read as {self.name}: {error}"
            raise SourceProblemError(Problem("invalid_encoding", message)) from None
        return text.encode("utf-8", errors="surrogateescape")


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Replace each invalid byte by the character that surrogateescape encodes as 0xFF."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff" * (error.end - error.start), error.end


def _decoder_of(name: str) -> codecs.IncrementalDecoder:
    codecs.register_error(_MARK_ERRORS, _mark)
    return codecs.getincrementaldecoder(name)(errors=_MARK_ERRORS)


def _encoding_by(start: bytes) -> str:
    """Return the encoding that the first bytes show, else UTF-8."""
    marked = next((name for bom, name in _WIDE_BOMS if start.startswith(bom)), None)
    return marked or _NUL_PATTERNS.get(tuple(map(bool, start[:4])), "utf-8")


def _named(encoding: str, start: bytes) -> str:
    """Return the canonical name of an encoding, with the order of bytes that the file has."""
    name = canonical_encoding(encoding)
    boms = [bom for bom, wide in _WIDE_BOMS if wide == name]
    if not boms or start.startswith(tuple(boms)) or not start:
        return name
    # Lines end and cells are separated by ASCII characters, so there are NUL bytes.
    width = int(name.removeprefix("utf-")) // 8
    is_low_first = start[width - 1 :: width].count(0)
    is_high_first = start[0::width].count(0)
    if is_low_first == is_high_first:
        message = (
            f"the file has no byte order mark, and does not look like {name}; leave the encoding "
            f"out, or give the right one, such as {name}-le, {name}-be or cp1252"
        )
        raise SourceProblemError(Problem("invalid_encoding", message))
    return f"{name}-le" if is_low_first > is_high_first else f"{name}-be"


def canonical_encoding(encoding: str) -> str:
    """Return Python's name of an encoding; raise SourceProblemError for one that files lack."""
    try:
        codec = codecs.lookup(encoding)
        if codec.name in _OF_PROGRAMS:
            raise LookupError
        "".encode(encoding)
        # Some codecs are not for files: they fail at once, or cannot go on after an error.
        _decoder_of(encoding).decode(b"\xff", final=True)
    except (LookupError, ValueError, OSError, TypeError):
        message = (
            f"the encoding {shortened(encoding)} is not known, or not one of files; "
            "try cp1252, latin-1, utf-16 or shift_jis"
        )
        raise SourceProblemError(Problem("unknown_encoding", message)) from None
    return codec.name
