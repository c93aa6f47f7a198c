"""Recognize files that are not CSV, so that the message names what they are."""

import re
from typing import Final

from tasks_lib.domain.content_types import content_type_of
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.encodings import Utf8Stream

_TO_IMPORT: Final = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"PAR1": "a Parquet file",
}
_TO_EXPORT: Final = {
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file",
    b"Obj\x01": "an Avro file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "a SQLite database",
}
_TO_UNPACK: Final = {
    b"\x1f\x8b": "a gzip file inside of another file",
    b"BZh91AY&SY": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
}
_IMPORT: Final = "export it as CSV, or import it as a dataset"
_TEXTS: Final = {
    "text/html": "a web page; to read a sheet on the web, give the link of its export as CSV",
    "application/json": f"JSON; {_IMPORT}",
    "application/xml": "XML; export it as CSV",
    "image/svg+xml": "a picture; give the table",
}
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")
_JSON: Final = re.compile(rb'\s*(?:\{\s*"|\[\s*\{\s*")')
_UNKNOWN: Final = "application/octet-stream"


def check_is_csv(stream: Utf8Stream, text: bytes) -> None:
    """Raise SourceProblemError for a file whose first bytes show that it is something else.

    ``text`` is the beginning as UTF-8.
    """
    kind = _kind_of_bytes(stream) or _kind_of_text(text)
    if kind:
        raise SourceProblemError(Problem("not_csv", f"the file is not CSV, but {kind}"))
    if b"\0" in text[:4]:
        message = (
            "the file begins with NUL characters, so it is no CSV text; if it is UTF-16 "
            "without a byte order mark, give the encoding utf-16-le or utf-16-be"
        )
        raise SourceProblemError(Problem("not_csv", message))


def _kind_of_bytes(stream: Utf8Stream) -> str | None:
    for signatures, advice in (
        (_TO_IMPORT, _IMPORT),
        (_TO_EXPORT, "export it as CSV first"),
        (_TO_UNPACK, "unpack it"),
    ):
        for signature, kind in signatures.items():
            if stream.start.startswith(signature):
                return f"{kind}; {advice}"
    # Two letters of a text can be the beginning of a picture or a program.
    if stream.name.startswith(("utf-16", "utf-32")) or not _CONTROL.search(stream.start):
        return None
    kind = content_type_of(stream.start)
    return f"{kind}; give the table as CSV" if kind != _UNKNOWN and "text" not in kind else None


def _kind_of_text(text: bytes) -> str | None:
    kind = "application/json" if _JSON.match(text) else content_type_of(text)
    return _TEXTS.get(kind)
