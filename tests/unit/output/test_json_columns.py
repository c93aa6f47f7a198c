"""Objects that Arrow reads have the values that they have when they are read one by one."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from cells import OPTIONS
from json_values import VALUES
from tasks_lib.domain.fields import Field
from tasks_lib.domain.results import result_columns
from tasks_lib.output.columnar_rows import ColumnarRows
from tasks_lib.output.result_batches import ResultBatches

AT = dt.datetime(2026, 11, 30, 8, tzinfo=dt.UTC)
MEMBERS = (
    "task_id", "predefined", "filled_in", "group_id", "group_name", "key", "contributor",
    "created_at", "claimed_at", "finished_at", "source_kind", "source", "source_row", "origin_id",
    "chain_id",
)  # fmt: skip
KINDS = (
    "text", "long_text", "url", "integer", "number", "boolean", "date", "datetime",
    "single_select", "multi_select", "json",
)  # fmt: skip
NUMBERS = (
    "0", "-0", "5", "5.0", "1e3", "-0.0", "0.1", "1E400", "1e-400", "9223372036854775807",
    "9223372036854775808", "12345678901234567890", "1.7976931348623157e308", "4.9e-324",
    "0.30000000000000004", "123456789012345678901234567890.5", "2.2250738585072011e-308",
)  # fmt: skip
TEXTS = ('""', '"a"', '"\\u0000"', '"\\ud83d\\ude00"', '"é\\/\\n"', '"2026-11-30"', '"\\ud800"')
MOMENTS = ('"2026-11-30T08:00:00Z"', '"2026-11-30T08:00:00.1234567+02:00"', '"2026-11-30T08:00:00"')
LISTS = ("[]", '["good"]', '["good","so;so"]', "[null]", "[1]", "{}", '{"a":\n1}')
ANYTHING = st.sampled_from(
    [*NUMBERS, *TEXTS, *MOMENTS, *LISTS, "null", "true", "false", json.dumps(OPTIONS[0])]
) | VALUES.map(json.dumps)


def define(name: str, kind: str) -> Field:
    options = {"options": OPTIONS} if kind.endswith("_select") else {}
    entry = {"name": name, "type": kind, "source": "dataset", "required": False, **options}
    return Field.model_validate(entry)


def rows_of(documents: Sequence[str | None]) -> list[tuple[Any, ...]]:
    return [
        (number, document, None, 1, None, None, "ann", AT, AT, AT, "csv", "s", number, None, None)
        for number, document in enumerate(documents, start=1)
    ]


def write(batches: ResultBatches, rows: Any) -> pa.RecordBatch | str:
    try:
        return batches.write(rows)
    except Exception as error:  # noqa: BLE001 - which one is compared
        return type(error).__name__


def columns_of(rows: Sequence[tuple[Any, ...]]) -> ColumnarRows:
    arrays = [pa.array(member) for member in zip(*rows, strict=True)]
    empty = {name: pa.string() for name in ("predefined", "filled_in", "group_name", "key")}
    empty |= {"origin_id": pa.int64(), "chain_id": pa.int64()}
    typed = [
        array.cast(empty[name]) if name in empty else array
        for name, array in zip(MEMBERS, arrays, strict=True)
    ]
    return ColumnarRows(pa.record_batch(typed, names=MEMBERS))


def check_same(fields: Sequence[Field], documents: Sequence[str | None]) -> None:
    batches = ResultBatches(result_columns(fields), MEMBERS)
    rows = rows_of(documents)
    one_by_one, at_once = write(batches, rows), write(batches, columns_of(rows))
    if isinstance(one_by_one, str) or isinstance(at_once, str):
        assert one_by_one == at_once
    else:
        assert one_by_one.equals(at_once)


@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(ANYTHING, min_size=1, max_size=4))
def test_any_value(kind: str, values: list[str]) -> None:
    check_same([define("f", kind)], [f'{{"f":{value}}}' for value in values])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [*NUMBERS, *TEXTS, *MOMENTS, *LISTS, "true", "null"])
def test_each_value(kind: str, value: str) -> None:
    check_same([define("f", kind)], [f'{{"f":{value}}}', "{}"])


@pytest.mark.parametrize(
    "documents",
    [
        ["{}", None, '{"other": [1, {"a": 2}], "f": "x"}'],
        ['{\n "f":\r\n "x"\n}', '{"f":"y"}\n'],
        ['{"f":"x","f":"y"}'],
        ['{"\\u0066":"x"}', '{"f":"x" , "g" : 1}'],
        ['{"f":"x"} {"f":"y"}'],
        ["[]"],
        ["1"],
    ],
)
def test_odd_documents(documents: list[str | None]) -> None:
    check_same([define("f", "text"), define('g"\\é', "integer")], documents)
