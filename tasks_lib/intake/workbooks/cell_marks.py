"""Find in a workbook what its engine hides: errors, unsaved results, merged cells, formats.

Excel's sheets are searched as bytes, which takes a fraction of the time of parsing them.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree as ET

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.workbooks.cells import Place, place_of
from tasks_lib.intake.workbooks.ods_marks import find_ods_marks

_CHUNK: Final = 2**20
_OVERLAP: Final = 2**16
"""Longer than a cell with a formula, of which Excel allows 8,192 characters."""
_SMALL_PART: Final = 2**26
_SMALL_RATIO: Final = 2**20
"""A part of up to so many bytes may be packed as well as it will."""

_TAG: Final = rb"<(?:\w+:)?"
_END: Final = rb"</(?:\w+:)?"
_ERROR: Final = re.compile(
    _TAG
    + rb"c\s(?P<attributes>[^<>]*?\bt\s*=\s*[\"']e[\"'][^<>/]*)>(?P<value>(?:<[^<>]*>[^<]*){0,6}?)"
    + _END
    + rb"c>"
)
_EMPTY_VALUE: Final = _TAG + rb"v\s*/>|" + _TAG + rb"v>\s*" + _END + rb"v>"
_NO_VALUE: Final = re.compile(
    _TAG
    + rb"c\s(?P<attributes>[^<>]*)>\s*"
    + _TAG
    + rb"f\b(?:[^<>]*/>|[^<>]*>[^<]*"
    + _END
    + rb"f>)\s*(?:"
    + _EMPTY_VALUE
    + rb")?\s*"
    + _END
    + rb"c>"
)
_MERGED: Final = re.compile(
    _TAG + rb"mergeCell\s[^<>]*?\bref\s*=\s*[\"']([A-Z0-9]+):([A-Z0-9]+)[\"']"
)
_REFERENCE: Final = re.compile(rb"(?:^|\s)r\s*=\s*[\"']([A-Z0-9]+)[\"']")
_TEXT_RESULT: Final = re.compile(rb"(?:^|\s)t\s*=\s*[\"']str[\"']")
_VALUE: Final = re.compile(_TAG + rb"v>([^<]*)<")
_ZEROS: Final = re.compile(r"0[0 \-]*")
_QUOTED: Final = re.compile(r'\\|"')
_NO_RESULT: Final = "a formula without a value; open the workbook in Excel and save it"


@dataclass
class CellMarks:
    """The marks of a sheet beside its values.

    ``errors`` are cells whose value is missing, with the reason. ``zeros`` has the first cell of
    each column that is shown with leading zeros, with its format. ``merged`` are ranges, each from
    one corner to the other.
    """

    errors: dict[Place, str] = field(default_factory=dict)
    zeros: dict[int, tuple[Place, str]] = field(default_factory=dict)
    merged: list[tuple[Place, Place]] = field(default_factory=list)


def check_parts(path: Path, limits: Limits) -> None:
    """Raise SourceProblemError for a workbook whose parts unpack to too much."""
    with _open(path) as archive:
        parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    if unpacked > limits.max_source_bytes:
        message = (
            f"the workbook, unpacked, has {unpacked:,} bytes, {limits.max_source_bytes:,} are "
            "allowed; split it, or raise SEEDING_MAX_SOURCE_BYTES"
        )
        raise SourceProblemError(Problem("source_too_large", message))
    for part in parts:
        if part.file_size > max(_SMALL_RATIO, part.compress_size * limits.max_archive_ratio):
            message = (
                f"part {part.filename} of the workbook unpacks to {part.file_size:,} bytes, more "
                f"than {limits.max_archive_ratio} times its size; save it again in Excel, or raise "
                "SEEDING_MAX_ARCHIVE_RATIO"
            )
            raise SourceProblemError(Problem("ratio_too_high", message))


def find_marks(path: Path, sheet: str, limits: Limits) -> CellMarks:
    """Return the marks of a sheet; of more errors than may be rejected, the first ones."""
    with _open(path) as archive:
        if "content.xml" in archive.namelist():
            with archive.open("content.xml") as content:
                return CellMarks(*find_ods_marks(content, sheet, limits.max_errors))
        part = _part_of(archive, sheet)
        marks = CellMarks()
        if part is None:
            return marks
        styles = _zero_styles(archive)
        with archive.open(part) as content:
            for chunk in _chunks(content):
                _search(chunk, marks, styles, limits.max_errors)
    return marks


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceProblemError(
            Problem("not_workbook", f"the workbook is damaged: {error}; save it again")
        ) from None


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    """Yield overlapping pieces, so that each cell is in one as a whole."""
    chunk = b""
    while block := content.read(_CHUNK):
        chunk = chunk[-_OVERLAP:] + block
        yield chunk


def _search(
    chunk: bytes,
    marks: CellMarks,
    styles: Mapping[bytes, tuple[re.Pattern[bytes], str]],
    most: int,
) -> None:
    _search_errors(chunk, marks, most)
    for pattern, code in styles.values():
        for match in pattern.finditer(chunk):
            place = _place(match[0])
            if place is not None and place.column not in marks.zeros:
                marks.zeros[place.column] = (place, code)
    for start, end in _MERGED.findall(chunk):
        corners = place_of(start.decode()), place_of(end.decode())
        if corners[0] and corners[1] and len(marks.merged) < most:
            marks.merged.append((corners[0], corners[1]))


def _search_errors(chunk: bytes, marks: CellMarks, most: int) -> None:
    for pattern, reason in ((_ERROR, ""), (_NO_VALUE, _NO_RESULT)):
        for match in pattern.finditer(chunk):
            if len(marks.errors) > most:
                return
            attributes = match["attributes"]
            if reason and _TEXT_RESULT.search(attributes):
                continue  # an empty text
            place = _place(attributes)
            if place is None:
                raise SourceProblemError(
                    Problem(
                        "cell_error",
                        "a cell without a reference holds an error; save the "
                        "workbook again in Excel",
                    )
                )
            value = _VALUE.search(match["value"]) if not reason else None
            shown = value[1].decode(errors="replace") if value else "an error"
            marks.errors[place] = reason or f"the error {shown}; correct its formula"


def _place(attributes: bytes) -> Place | None:
    reference = _REFERENCE.search(attributes)
    return place_of(reference[1].decode()) if reference else None


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the part of the archive that holds a sheet of Excel."""
    targets = {
        element.get("Id"): element.get("Target", "")
        for element in _elements(archive, "xl/_rels/workbook.xml.rels", "Relationship")
    }
    for element in _elements(archive, "xl/workbook.xml", "sheet"):
        if element.get("name") == sheet:
            ids = [value for name, value in element.items() if name.endswith("}id")]
            target = targets.get(ids[0], "") if ids else ""
            part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            return part if part in archive.namelist() else None
    return None


def _zero_styles(archive: zipfile.ZipFile) -> Mapping[bytes, tuple[re.Pattern[bytes], str]]:
    """Return the styles whose format shows leading zeros, each with a pattern for its cells."""
    codes = {
        element.get("numFmtId", ""): element.get("formatCode", "")
        for element in _elements(archive, "xl/styles.xml", "numFmt")
    }
    zeros = {
        number: plain
        for number, code in codes.items()
        if _ZEROS.fullmatch(plain := _QUOTED.sub("", code.split(";")[0])) and plain.count("0") > 1
    }
    styles = {}
    for place, number in enumerate(_cell_formats(archive)):
        if number in zeros:
            style = str(place).encode()
            pattern = _TAG + rb"c\s(?:[^<>]*?\s)?s\s*=\s*[\"']" + style + rb"[\"'][^<>]*>(?!\s*</)"
            styles[style] = (re.compile(pattern), zeros[number])
    return styles


def _cell_formats(archive: zipfile.ZipFile) -> Sequence[str]:
    for formats in _elements(archive, "xl/styles.xml", "cellXfs"):
        return [element.get("numFmtId", "") for element in formats]
    return []


def _elements(archive: zipfile.ZipFile, part: str, name: str) -> Iterator[ET.Element]:
    """Yield the elements of a small part with a name, in any namespace."""
    if part not in archive.namelist() or archive.getinfo(part).file_size > _SMALL_PART:
        return
    try:
        root = ET.fromstring(archive.read(part))  # noqa: S314 - expat stops entities that grow
    except (ET.ParseError, zipfile.BadZipFile):
        return
    for element in root.iter():
        if element.tag.rpartition("}")[2] == name:
            yield element
