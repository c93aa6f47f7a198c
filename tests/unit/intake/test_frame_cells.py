"""Values of Python and Arrow become cells: exactly, or as a problem; and both ways agree."""

import datetime as dt
import math
import uuid
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from cells import field
from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.intake.frames.column_cells import FrameColumn, read_cells
from tasks_lib.intake.frames.open_frame import open_frame

BERLIN = ZoneInfo("Europe/Berlin")
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def at(
    hour: int, minute: int = 0, microsecond: int = 0, tzinfo: dt.tzinfo | None = None
) -> dt.datetime:
    return dt.datetime(2026, 11, 30, hour, minute, 0, microsecond, tzinfo)


class Color(StrEnum):
    RED = "red"


def cells(column: FrameColumn, entry: Field) -> list[str]:
    read = read_cells(column, entry, Limits())
    assert read.problems == []
    return [str(text) for text in read.texts.to_pylist()]


def problems(column: FrameColumn, entry: Field) -> list[tuple[int, str, str]]:
    read = read_cells(column, entry, Limits())
    return [(place, problem.code, problem.message) for place, problem in read.problems]


@pytest.mark.parametrize(
    ("value", "kind", "cell"),
    [
        (None, "text", ""),
        (math.nan, "integer", ""),
        (pd.NA, "text", ""),
        (pd.NaT, "datetime", ""),
        (Decimal("NaN"), "number", ""),
        (np.float32("nan"), "number", ""),
        (" padded ", "text", " padded "),
        (Color.RED, "text", "red"),
        (np.str_("x"), "text", "x"),
        ("[1, 2]", "json", "[1, 2]"),
        ("good;bad", "multi_select", "good;bad"),
        (True, "boolean", "true"),
        (np.bool_(False), "boolean", "false"),
        (True, "text", "true"),
        (7, "integer", "7"),
        (7, "text", "7"),
        (np.uint64(2**64 - 1), "number", "18446744073709551615"),
        (10**30, "text", "1" + "0" * 30),
        (7, "json", "7"),
        (5.0, "integer", "5"),
        (-2.5, "number", "-2.5"),
        (np.float32(0.1), "number", "0.1"),
        (0.1, "json", "0.1"),
        (Decimal("1.50"), "number", "1.50"),
        (Decimal("1E+3"), "text", "1000"),
        (dt.date(2026, 11, 30), "date", "2026-11-30"),
        (dt.date(2026, 11, 30), "json", '"2026-11-30"'),
        (at(0), "date", "2026-11-30T00:00:00"),
        (at(8, 5, 500_000), "datetime", "2026-11-30T08:05:00.500000"),
        (at(8, 5, tzinfo=dt.UTC), "datetime", "2026-11-30T08:05:00+00:00"),
        (at(8, 5, tzinfo=BERLIN), "datetime", "2026-11-30T08:05:00+01:00"),
        (at(0, tzinfo=BERLIN).replace(year=1880), "datetime", "1880-11-29T23:06:32+00:00"),
        (pd.Timestamp("2026-11-30T08:05:00.000000001"), "datetime",
         "2026-11-30T08:05:00.000000001"),
        (dt.time(8, 5), "text", "08:05:00"),
        (UUID, "text", str(UUID)),
        (UUID, "json", f'"{UUID}"'),
        ([1, None, math.nan, "x", {"a": True}], "json", '[1,null,null,"x",{"a":true}]'),
        ((1.5, Decimal("2.50")), "json", "[1.5,2.50]"),
        (np.array([[1, 2], [3, 4]]), "json", "[[1,2],[3,4]]"),
        ({"at": dt.date(2026, 11, 30)}, "json", '{"at":"2026-11-30"}'),
        (["good", "so;so"], "multi_select", '["good","so;so"]'),
        ([], "multi_select", ""),
        (1, "multi_select", '["1"]'),
    ],
    ids=repr,
)  # fmt: skip
def test_the_cell_of_a_value(value: object, kind: str, cell: str) -> None:
    assert cells([value], field(kind, required=False)) == [cell]


@pytest.mark.parametrize(
    ("value", "kind", "code", "message"),
    [
        (101.0, "text", "wrong_type", "101 is a float; convert whole numbers with gaps by "
         'astype("Int64"), others by astype(str)'),
        (0.5, "boolean", "wrong_type",
         "0.5 is a float, which a field of type boolean does not take"),
        (2.0**53, "integer", "invalid_integer", "9.007199254740992e+15 is a float of 2**53 or "
         'more, where integers are rounded; use a column of type "Int64"'),
        (math.inf, "number", "unsupported_value", "inf is not a number in JSON"),
        ([math.inf], "json", "unsupported_value", "inf is not a number in JSON"),
        (Decimal("Infinity"), "number", "unsupported_value", "Infinity is not a number in JSON"),
        (True, "integer", "wrong_type",
         "'True' is a boolean, which a field of type integer does not take"),
        (dt.date(2026, 11, 30), "datetime", "wrong_type",
         "'2026-11-30' is a date, which a field of type datetime does not take"),
        (7, "url", "wrong_type", "'7' is an integer, which a field of type url does not take"),
        ({"a": 1}, "text", "wrong_type",
         "\"{'a': 1}\" is a list or a dict, which a field of type text does not take"),
        ({1: 1}, "json", "unsupported_value", "holds a dict with the key '1', which is not text"),
        ([1], "multi_select", "wrong_type", "holds a list whose items are not all text"),
        (b"x", "text", "unsupported_value",
         "holds bytes, for which there is no form; convert it to text"),
        ({"a"}, "json", "unsupported_value",
         "holds set, for which there is no form; convert it to text"),
        (dt.timedelta(1), "text", "unsupported_value",
         "holds timedelta, for which there is no form; convert it to text"),
        ("a\0b", "text", "unsupported_value",
         "holds a NUL character or half of a surrogate pair"),
        ("\ud800", "text", "unsupported_value",
         "holds a NUL character or half of a surrogate pair"),
        ("x" * (2**20 + 1), "text", "cell_too_large", "has 1,048,577 bytes, 1,048,576 are allowed"),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_a_value_without_a_cell(value: object, kind: str, code: str, message: str) -> None:
    assert problems(["", value], field(kind, required=False)) == [(1, code, message)]


def test_a_list_within_itself() -> None:
    endless: list[Any] = []
    endless.append(endless)
    [(_, code, message)] = problems([endless], field("json"))
    assert (code, message) == ("invalid_json", "is nested too deep to be written")


MOMENTS = st.datetimes()
MIDNIGHTS = MOMENTS.map(lambda at: at.replace(hour=0, minute=0, second=0, microsecond=0))
COLUMNS: dict[str, tuple[Any, st.SearchStrategy[Any], str]] = {
    "text": (pa.large_string(), st.text(max_size=5), "text"),
    "text-as-date": (pa.string(), st.sampled_from(["2026-11-30", "x", ""]), "date"),
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1), "integer"),
    "integer-as-text": (pa.int32(), st.integers(-(2**31), 2**31 - 1), "text"),
    "integer-as-boolean": (pa.int8(), st.integers(-1, 2), "boolean"),
    "integer-as-json": (pa.uint64(), st.integers(0, 2**64 - 1), "json"),
    "boolean": (pa.bool_(), st.booleans(), "boolean"),
    "boolean-as-select": (pa.bool_(), st.booleans(), "single_select"),
    "number": (pa.float64(), st.floats(), "number"),
    "number-as-integer": (pa.float64(), st.integers(-(2**60), 2**60).map(float), "integer"),
    "number-as-text": (pa.float64(), st.floats(), "text"),
    "date": (pa.date32(), st.dates(), "date"),
    "date-as-datetime": (pa.date32(), st.dates(), "datetime"),
    "datetime": (pa.timestamp("us"), MOMENTS, "datetime"),
    "datetime-as-date": (pa.timestamp("us"), MIDNIGHTS, "date"),
    "datetime-as-json": (pa.timestamp("ms"), MOMENTS.map(
        lambda at: at.replace(microsecond=0)), "json"),
    "utc": (pa.timestamp("us", "UTC"), MOMENTS.map(
        lambda at: at.replace(tzinfo=dt.UTC)), "datetime"),
    "decimal": (pa.decimal128(20, 3), st.decimals(-1000, 1000, places=3), "number"),
    "list": (pa.list_(pa.int64()), st.lists(st.integers(-9, 9), max_size=3), "json"),
    "struct": (pa.struct([("a", pa.string())]), st.fixed_dictionaries(
        {"a": st.text(max_size=3)}), "json"),
    "options": (pa.list_(pa.string()), st.lists(st.sampled_from(["good", "bad"]), max_size=2),
                "multi_select"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
def test_arrow_and_python_agree(name: str, data: st.DataObject) -> None:
    kind, values, field_type = COLUMNS[name]
    drawn = data.draw(st.lists(st.none() | values, min_size=1, max_size=8))
    entry = field(field_type, required=False)
    by_python = read_cells([Unplain.of(value) for value in drawn], entry, Limits())
    by_arrow = read_cells(pa.array(drawn, kind), entry, Limits())
    assert by_arrow == by_python


class Unplain:
    """Values that are not recognized as those of a plain Arrow column."""

    class Text(str):
        pass

    @classmethod
    def of(cls, value: Any) -> Any:
        if isinstance(value, str):
            return cls.Text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return np.int64(value) if -(2**63) <= value < 2**63 else np.uint64(value)
        return np.float64(value) if isinstance(value, float) else value


@pytest.mark.parametrize(
    ("series", "kind", "expected"),
    [
        (pd.Series([1, None]), "integer", ["1", ""]),
        (pd.Series([1, None], dtype="Int64"), "text", ["1", ""]),
        (pd.Series([1, None], dtype="Float32"), "number", ["1", ""]),
        (pd.Series([True, None], dtype="boolean"), "boolean", ["true", ""]),
        (pd.Series([True, None]), "boolean", ["true", ""]),
        (pd.Series(["x", None]), "text", ["x", ""]),
        (pd.Series(["x", None], dtype="object"), "text", ["x", ""]),
        (pd.Series(["x", None], dtype="string"), "text", ["x", ""]),
        (pd.Series(["x", None, "x"], dtype="category"), "text", ["x", "", "x"]),
        (pd.Series([3, None], dtype="category"), "integer", ["3", ""]),
        (pd.Series(pd.to_datetime(["2026-11-30", None])), "date", ["2026-11-30T00:00:00", ""]),
        (
            pd.Series(pd.to_datetime(["2026-11-30T08:00"])).dt.tz_localize("Europe/Berlin"),
            "datetime",
            ["2026-11-30T08:00:00+01:00"],
        ),
        (pd.Series(pd.to_datetime([1], unit="ns")), "datetime", ["1970-01-01T00:00:00.000000001"]),
        (pd.Series([Decimal("1.10"), None]), "number", ["1.10", ""]),
        (pd.Series([{"a": 1}, {"b": 2}]), "json", ['{"a":1}', '{"b":2}']),
        (pd.Series([1, "x", [2]]), "json", ["1", "x", "[2]"]),
        (pd.arrays.SparseArray([0, 7]), "integer", ["0", "7"]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else None,
)
def test_columns_of_pandas(series: Any, kind: str, expected: list[str]) -> None:
    [batch] = open_frame(pd.DataFrame({"f": series})).read(["f"])
    assert cells(batch.columns[0], field(kind, required=False)) == expected


def test_categories_of_polars() -> None:
    views = pa.array(["x", "y"], pa.string_view())
    column = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.uint32()), views)
    assert cells(column, field("text", required=False)) == ["y", "", "x"]


def test_values_that_python_cannot_hold_are_problems_of_their_rows() -> None:
    late = pa.array([0, 2**62, None], pa.timestamp("s"))
    read = read_cells(late, field("datetime", required=False), Limits())
    assert read.texts.to_pylist() == ["1970-01-01T00:00:00", "", ""]
    [(place, problem)] = read.problems
    assert (place, problem.code) == (1, "unsupported_value")
    assert problem.message.startswith("cannot be read: ")
