"""Look through tasks that have documents, at little cost, and limit the size of these.

Plain fields are read by a generated type, documents as their text; orjson tells whether that is
valid. If nothing is wrong or odd, the objects to store are there. Otherwise the first task that may
be wrong is found, so that only the tasks from there are read closely, which decides. Tests verify
that the results are the same, and that no task before that one is wrong.
"""

import re
from collections.abc import Iterator, Sequence
from operator import attrgetter
from threading import local
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import Raw

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.values.json_text import are_surely_documents, is_surely_document
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.api_tasks.json_lists import MAX_TASKS
from tasks_lib.intake.api_tasks.json_structs import (
    DOCUMENTS,
    LEFT_OUT,
    BodyType,
    find_problems,
    has_unique_members,
    lines_of,
    signs_are_kept,
    type_of_body,
)
from tasks_lib.intake.rows.columns import check_of

_PLACE: Final = re.compile(r"\$\.tasks\[([0-9]+)\]")
_ENCODER: Final = msgspec.json.Encoder()
_AT_ONCE: Final = 256
_NULL: Final = b"null"
_BLANKS: Final = (b" ", b"\t", b"\r", b"\n")


class Look(NamedTuple):
    """The tasks' objects up to the first one that the type refuses, if there is one."""

    known: BodyType
    rows: Sequence[Any]
    refused: int | None


def check_size(size: int, limits: Limits) -> None:
    """Raise MalformedBodyError if the documents of a request have more bytes than are allowed.

    One value as large as a cell may be is always allowed.
    """
    most = max(limits.max_document_bytes, limits.max_cell_bytes)
    if size > most:
        raise MalformedBodyError(
            "the JSON documents and lists of options of the request have more than "
            f"{most:,} bytes; send it in parts",
            code="body_too_large",
        )


def has_documents(fields: Sequence[Field]) -> bool:
    """Tell whether a field holds documents or lists of options."""
    return any(field.type in DOCUMENTS for field in fields)


def look_at(body: bytes, fields: Sequence[Field], limits: Limits) -> Look | None:
    """Look through a body whose tasks have documents; None if that is not possible.

    Raises MalformedBodyError if they are too large, before all of them are read.
    """
    known = type_of_body(tuple(fields), MAX_TASKS, _note)
    if known is None:
        return None
    _reading.begin(known, limits)
    try:
        known.decode(body)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        return Look(known, _reading.rows, int(place[1])) if place is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    else:
        return Look(known, _reading.rows, None)
    finally:
        _reading.end()


def find_suspects(look: Look, limits: Limits) -> Iterator[int]:
    """Yield places of tasks that may be wrong: for each field the first one, cheap fields first.

    A member that a task has twice is not found.
    """
    known, rows, refused = look
    if refused is not None:
        yield refused
    for column in known.columns:
        places = [entry.position for entry in find_problems(rows, column)]
        yield from sorted(places)[:1]
    for attribute, field in known.documents.items():
        find = _first_list if field.type is FieldType.MULTI_SELECT else _first_document
        place = find(field, _texts(rows, attribute), limits)
        if place < len(rows):
            yield place


def document_objects(look: Look, body: bytes, limits: Limits) -> pa.Array | None:
    """Return the JSON object of each task (a string array); None if anything is odd.

    There must be no suspects.
    """
    known, rows, _ = look
    written = _ENCODER.encode_lines(rows)
    if not has_unique_members(body, written, rows, known.optional):
        return None
    if not signs_are_kept(body, rows, known.zeros):
        return None
    for attribute, field in known.documents.items():
        texts = _texts(rows, attribute)
        compact = _compact(texts)
        if compact is None:
            return None
        if field.type is FieldType.MULTI_SELECT and not _are_stored_as_written(field, compact):
            return None
        if compact is not texts:
            for row, text in zip(rows, compact, strict=True):
                setattr(row, attribute, Raw(text))
            written = b""
    return lines_of(written or _ENCODER.encode_lines(rows), limits.max_cell_bytes)


def _texts(rows: Sequence[Any], attribute: str) -> list[bytes]:
    return list(map(bytes, map(attrgetter(attribute), rows)))


def _compact(texts: list[bytes]) -> list[bytes] | None:
    """Return documents without blanks between their parts; None if they may be stored otherwise."""
    together = b",".join(texts)
    if b"\\" in together:
        return None
    if not any(blank in together for blank in _BLANKS):
        return texts
    whole = b"[" + together + b"]"
    if msgspec.json.format(whole, indent=-1) == whole:
        return texts
    return [msgspec.json.format(text, indent=-1) for text in texts]


def _are_stored_as_written(field: Field, texts: Sequence[bytes]) -> bool:
    checked = check_of(field, reader_of(field))(pa.array(list(map(_spell_options, texts))))
    return list(map(str.encode, checked.fragments.to_pylist())) == texts


def find_doubled(look: Look, tasks: Sequence[bytes]) -> int | None:
    """Return the place of the first task whose text has other colons than its object, if any."""
    rows, optional = look.rows[: look.refused], look.known.optional
    written = _ENCODER.encode_lines(rows)
    texts = tasks[: len(rows)]
    if has_unique_members(b":" + b"".join(texts), written, rows, optional):
        return None
    lines = written.splitlines()
    if len(lines) != len(texts):  # a document has line breaks
        return 0
    for place, (line, row, text) in enumerate(zip(lines, rows, texts, strict=True)):
        left_out = sum(value_of(row) is LEFT_OUT for value_of in optional)
        if line.count(b":") - left_out + 1 != text.count(b":"):
            return place
    return 0  # a colon is escaped


def _first_list(field: Field, texts: Sequence[bytes], _: Limits) -> int:
    cells = pa.array(list(map(_spell_options, texts)), pa.string())
    problems = check_of(field, reader_of(field))(cells).problems
    return min((entry.position for entry in problems), default=len(texts))


def _first_document(field: Field, texts: Sequence[bytes], limits: Limits) -> int:
    """Return the place of the first document that may be wrong, or the number of documents."""

    def may_be_wrong(text: bytes) -> bool:
        if text == _NULL:
            return field.required
        try:
            return len(text) > limits.max_cell_bytes or not is_surely_document(text.decode())
        except UnicodeDecodeError:
            return True

    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        is_certain = max(map(len, some)) <= limits.max_cell_bytes and are_surely_documents(some)
        if is_certain and not (field.required and _NULL in some):
            continue
        for place, text in enumerate(some, first):
            if may_be_wrong(text):
                return place
    return len(texts)


def _spell_options(text: bytes) -> str:
    """Return the cell of a list of options; of another value one that is doubtful, if not wrong."""
    return "" if text in {_NULL, b"[]"} else text.decode(errors="replace")


def _note(row: Any) -> None:
    """Keep a task's object, and stop if the documents are too large."""
    _reading.rows.append(row)
    for attribute in _reading.documents:
        size = memoryview(getattr(row, attribute)).nbytes
        if size <= _reading.limits.max_cell_bytes:
            _reading.size += size
    if _reading.size > _reading.most:
        check_size(_reading.size, _reading.limits)


class _Reading(local):
    """The body that this thread reads at the moment."""

    rows: list[Any]
    documents: Sequence[str]
    size: int
    most: int
    limits: Limits

    def begin(self, known: BodyType, limits: Limits) -> None:
        self.rows, self.size, self.limits = [], 0, limits
        self.most = limits.max_document_bytes
        self.documents = list(known.documents)

    def end(self) -> None:
        self.rows, self.documents = [], []


_reading: Final = _Reading()
