"""Check the documents and lists of options of many tasks together, and limit their size.

They are read as their text, whose syntax msgspec has checked. What is certain is stored as it was
written, without the blanks between its parts; every doubtful case is left to ``json_cells``.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.values.json_text import are_surely_documents
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.intake.rows.columns import CheckedColumn, check_of

DOCUMENTS: Final = frozenset({FieldType.JSON, FieldType.MULTI_SELECT})
"""The types of fields whose values are read as text."""

Texts = list[bytes]
"""The text of a field in each task."""

_NULL: Final = b"null"
_BLANKS: Final = (b" ", b"\t", b"\r", b"\n")


def has_documents(fields: Sequence[Field]) -> bool:
    """Tell whether a field holds documents or lists of options."""
    return any(field.type in DOCUMENTS for field in fields)


def are_certain(field: Field, texts: Texts) -> bool:
    """Tell whether certainly none of the values is wrong."""
    if field.type is FieldType.MULTI_SELECT:
        return not _check_options(field, texts).problems
    return not (field.required and _NULL in texts) and are_surely_documents(texts)


def write_compact(field: Field, texts: Texts) -> Texts | None:
    """Return values that ``are_certain`` as they are stored; None if one may have to change."""
    together = b",".join(texts)
    if b"\\" in together:
        return None
    if any(blank in together for blank in _BLANKS):
        whole = b"[" + together + b"]"
        if msgspec.json.format(whole, indent=-1) != whole:
            texts = [msgspec.json.format(text, indent=-1) for text in texts]
    if field.type is FieldType.MULTI_SELECT:
        stored = list(map(str.encode, _check_options(field, texts).fragments.to_pylist()))
        return texts if stored == texts else None
    return texts


def _check_options(field: Field, texts: Texts) -> CheckedColumn:
    cells = pa.array(list(map(_spell_options, texts)), pa.string())
    return check_of(field, reader_of(field))(cells)


def _spell_options(text: bytes) -> str:
    """Return the cell of a list of options; of another value one that is doubtful, if not wrong."""
    return "" if text in {_NULL, b"[]"} else text.decode(errors="replace")
