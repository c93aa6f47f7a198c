"""A frame that becomes tasks comes back as it was: each dtype, each value, each null."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from pandas.testing import assert_frame_equal

from cells import OPTIONS
from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.results import OWN_COLUMNS, result_columns
from tasks_lib.intake.frames.frame_intake import open_cells, read_frame
from tasks_lib.intake.frames.open_frame import open_frame
from tasks_lib.output.result_batches import ResultBatches
from tasks_lib.python.read_results import to_frame
from tasks_lib.store.results.finished_tasks import StoredResult

AT = dt.datetime(2026, 11, 30, 8, tzinfo=dt.UTC)
MOMENTS = st.datetimes()
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def define(name: str, kind: str, **constraints: object) -> Field:
    entry = {"name": name, "type": kind, "source": "dataset", "required": False, **constraints}
    return Field.model_validate(entry)


def store(data: object, fields: Sequence[Field]) -> list[str]:
    """Return the JSON text of each task that a frame makes."""
    with TemporaryDirectory() as folder:
        cells = read_frame(open_frame(data), fields, Limits(), Path(folder) / "cells")
        with open_cells(cells, fields, Limits()) as intake:
            texts = [text for batch in intake.batches() for text in batch.values.to_pylist()]
            assert intake.problems == []
    return texts


def read(texts: Sequence[str], fields: Sequence[Field]) -> pa.Table:
    columns = result_columns(fields)
    rows = [
        StoredResult(
            finish_number=number,
            task_id=number,
            predefined=text,
            filled_in=None,
            group_id=1,
            group_name=None,
            key=None,
            contributor="ann",
            created_at=AT,
            claimed_at=AT,
            finished_at=AT + dt.timedelta(seconds=1.5),
            source_kind="frame",
            source="DataFrame",
            source_row=number,
            origin_id=None,
            chain_id=None,
        )
        for number, text in enumerate(texts, start=1)
    ]
    batches = ResultBatches(columns, StoredResult._fields)
    return pa.Table.from_batches([batches.write(rows)], batches.schema)


SHAPES: dict[str, tuple[str, dict[str, Any], st.SearchStrategy[Any], Any]] = {
    "text": ("text", {}, TEXTS, "string"),
    "integer": ("integer", {}, st.integers(-(2**63), 2**63 - 1), "Int64"),
    "number": (
        "number",
        {},
        st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0),
        "float64",
    ),
    "boolean": ("boolean", {}, st.booleans(), "boolean"),
    "date": ("date", {}, MOMENTS.map(lambda at: at.date()), "datetime64[ms]"),
    "datetime": ("datetime", {}, MOMENTS, "datetime64[us, UTC]"),
    "select": (
        "single_select",
        {"options": OPTIONS},
        st.sampled_from(OPTIONS),
        pd.CategoricalDtype(OPTIONS),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
@given(data=st.data())
def test_a_column_comes_back(name: str, data: st.DataObject) -> None:
    kind, constraints, values, dtype = SHAPES[name]
    drawn = data.draw(st.lists(st.none() | values, min_size=1, max_size=6))
    fields = [define("f", kind, **constraints)]
    column = pd.Series(drawn, dtype="object")
    if name == "date":
        column = pd.Series(pd.array(drawn, pd.ArrowDtype(pa.date32())))
        expected = pd.Series(pd.to_datetime(column)).astype(dtype)
    elif name == "datetime":
        column = pd.Series(pd.to_datetime(drawn, utc=True)).astype(dtype)
        expected = column
    else:
        column = column.astype(dtype)
        expected = column
    found = to_frame(read(store(pd.DataFrame({"f": column}), fields), fields))
    assert_frame_equal(found[["f"]], pd.DataFrame({"f": expected}))


def test_lists_and_objects_come_back_as_json_and_options_as_lists() -> None:
    fields = [define("j", "json"), define("m", "multi_select", options=OPTIONS)]
    frame = pd.DataFrame(
        {"j": [{"a": [1, 2.50]}, None, 7], "m": [["good", "so;so"], None, ["bad"]]}
    )
    found = to_frame(read(store(frame, fields), fields))
    assert found["j"].tolist() == ['{"a":[1,2.5]}', pd.NA, "7"]
    assert [None if value is None else list(value) for value in found["m"]] == [
        ["good", "so;so"], None, ["bad"],
    ]  # fmt: skip


def test_moments_with_and_without_an_offset() -> None:
    texts = [
        '{"f":"2026-11-30T08:00:00"}',
        '{"f":"2026-11-30 09:00:00+01:00"}',
        '{"f":null}',
        '{"f":"2026-11-30T08:00:00.123456789Z"}',
        '{"f":"2026-11-30T08:00"}',
    ]
    found = read(texts, [define("f", "datetime")])
    moment = dt.datetime(2026, 11, 30, 8, tzinfo=dt.UTC)
    assert found["f"].to_pylist() == [
        moment, moment, None, moment.replace(microsecond=123_456), moment,
    ]  # fmt: skip


def test_own_columns_and_fields_of_the_same_name() -> None:
    fields = [
        define("contributor", "text"),
        define("field_contributor", "text"),
        define("x", "text"),
    ]
    found = read(['{"contributor":"a","field_contributor":"b","x":"c"}'], fields)
    names = list(OWN_COLUMNS)
    assert found.column_names == [
        *names[:4], "field_field_contributor", "field_contributor", "x", *names[4:],
    ]  # fmt: skip
    [row] = found.to_pylist()
    assert row == {
        "task_id": 1,
        "group_id": 1,
        "group_name": None,
        "key": None,
        "field_field_contributor": "a",
        "field_contributor": "b",
        "x": "c",
        "contributor": "ann",
        "created_at": AT,
        "claimed_at": AT,
        "finished_at": AT + dt.timedelta(seconds=1.5),
        "duration_seconds": 1.5,
        "source_kind": "frame",
        "source": "DataFrame",
        "source_row": 1,
        "origin_id": None,
        "chain_id": None,
    }


def test_the_types_of_an_empty_result() -> None:
    fields = [
        define(name.replace("-", "_"), kind, **more) for name, (kind, more, _, _) in SHAPES.items()
    ]
    frame = to_frame(read([], fields))
    assert len(frame) == 0
    for name, (_, _, _, dtype) in SHAPES.items():
        assert frame[name].dtype == (np.dtype(dtype) if dtype == "float64" else dtype)
