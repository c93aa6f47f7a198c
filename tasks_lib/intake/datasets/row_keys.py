"""Read the keys of a dataset's rows: hashes of the values of their key columns."""

from collections.abc import Sequence
from hashlib import sha256

import orjson
import pyarrow as pa

from tasks_lib.domain.rows.json_rows import json_text, parse_row
from tasks_lib.domain.rows.sql_rows import key_of
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.row_intake import RowBatch


def read_key(text: str, key_columns: Sequence[str]) -> str:
    """Return ``key_of`` for the JSON text of a row; raise ValueProblemError if there is none."""
    try:
        row = orjson.loads(text)
    except ValueError:
        return key_of(parse_row(text), key_columns)
    values = [row.get(name) for name in key_columns]
    if all(type(value) is str for value in values):  # orjson does not keep the digits of numbers
        return sha256(json_text(values).encode()).hexdigest()
    return key_of(parse_row(text), key_columns)


def read_keys(
    batch: RowBatch, key_columns: Sequence[str]
) -> tuple[list[pa.Array], list[tuple[str, Problem]]]:
    """Return the rows with keys: numbers, values, keys; and each other row with its problem."""
    keys: list[str | None] = []
    bad: list[tuple[str, Problem]] = []
    for place, value in enumerate(batch.values.to_pylist()):
        try:
            keys.append(read_key(value, key_columns))
        except ValueProblemError as problem:
            keys.append(None)
            bad.append((value, Problem(problem.code, str(problem), batch.rows[place].as_py())))
    arrays = [batch.rows, batch.values, pa.array(keys, pa.string())]
    if bad:
        has_key = arrays[2].is_valid()
        arrays = [array.filter(has_key) for array in arrays]
    return arrays, bad


def same_row(first: str, second: str) -> bool:
    """Return whether two JSON objects hold the same members, in whichever order."""
    return _in_order(first) == _in_order(second)


def describe_row_key(text: str, key_columns: Sequence[str]) -> str:
    """Return the key columns of a row with their values, for a message: ``review_id "r-1"``."""
    row = parse_row(text)
    return ", ".join(f"{name} {json_text(row[name])}" for name in key_columns)


def _in_order(text: str) -> str:
    return json_text(dict(sorted(parse_row(text).items())))
