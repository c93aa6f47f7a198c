"""Parquet in, JSON objects out: values keep their digits, and the schema gives the types."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.parquet_blocks import parquet_blocks
from tasks_lib.intake.datasets.record_blocks import ColumnTypes

Outcome = tuple[list[tuple[int, str]], list[Problem], dict[str, str]]


def read(path: Path, limits: Limits = Limits()) -> Outcome:  # noqa: B008
    """Return the numbered good rows, the problems of the others, and the types of each column."""
    kinds: ColumnTypes = {}
    good: list[tuple[int, str]] = []
    problems: list[Problem] = []
    for block in parquet_blocks(path, limits, kinds):
        good.extend(zip(block.numbers.to_pylist(), block.values.to_pylist(), strict=True))
        problems.extend(problem for bad in block.bad for problem in bad.problems)
        assert all({problem.row for problem in bad.problems} == {bad.row} for bad in block.bad)
    return good, problems, {name: " ".join(sorted(types)) for name, types in kinds.items()}


def read_table(table: pa.Table, folder: Path, limits: Limits = Limits()) -> Outcome:  # noqa: B008
    pq.write_table(table, folder / "t.parquet")
    return read(folder / "t.parquet", limits)


def of(kind: pa.DataType, *values: object) -> pa.Array:
    return pa.array([*values, None], kind)


def nested(levels: int) -> pa.DataType:
    kind = pa.int8()
    for _ in range(levels):
        kind = pa.struct({"m": kind})
    return kind


DAY = dt.date(2026, 11, 23)
NOON = dt.datetime(2026, 11, 23, 12, 0, 0, 250)  # noqa: DTZ001 - a time without a zone on purpose


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        pytest.param(of(pa.int8(), -128), "-128", "integer", id="int8"),
        pytest.param(of(pa.int64(), -(2**63)), str(-(2**63)), "integer", id="int64"),
        pytest.param(of(pa.uint64(), 2**64 - 1), str(2**64 - 1), "integer", id="uint64"),
        pytest.param(of(pa.float64(), 0.1), "0.1", "number", id="float64"),
        pytest.param(of(pa.float32(), 0.1), "0.1", "number", id="float32"),
        pytest.param(of(pa.float16(), 0.1), "0.1", "number", id="float16"),
        pytest.param(of(pa.bool_(), True), "true", "boolean", id="bool"),
        pytest.param(of(pa.decimal128(5, 2), Decimal("1.50")), '"1.50"', "text", id="decimal"),
        pytest.param(of(pa.decimal256(76, 0), Decimal(10) ** 75), f'"1{"0" * 75}"', "text",
                     id="long decimal"),
        pytest.param(of(pa.decimal128(20, 12), Decimal("1E-12")), '"0.000000000001"', "text",
                     id="small decimal"),
        pytest.param(of(pa.string(), 'é "\n'), r'"é \"\n"', "text", id="string"),
        pytest.param(of(pa.string(), ""), '""', "text", id="empty string"),
        pytest.param(of(pa.large_string(), "x"), '"x"', "text", id="large string"),
        pytest.param(of(pa.string(), "x", "x").dictionary_encode(), '"x"', "text", id="dictionary"),
        pytest.param(of(pa.date32(), DAY), '"2026-11-23"', "date", id="date"),
        pytest.param(of(pa.date64(), DAY), '"2026-11-23"', "date", id="date64"),
        pytest.param(of(pa.time32("s"), dt.time(1, 2, 3)), '"01:02:03"', "text", id="time"),
        pytest.param(of(pa.time64("ns"), 3_723_000_000_001), '"01:02:03.000000001"', "text",
                     id="time in nanoseconds"),
        pytest.param(of(pa.timestamp("us"), NOON), '"2026-11-23T12:00:00.000250"', "datetime",
                     id="timestamp"),
        pytest.param(of(pa.timestamp("ms", "UTC"), 0), '"1970-01-01T00:00:00+00:00"', "datetime",
                     id="timestamp in UTC"),
        pytest.param(of(pa.timestamp("us", "Europe/Berlin"), 0), '"1970-01-01T01:00:00+01:00"',
                     "datetime", id="timestamp with a zone"),
        pytest.param(of(pa.timestamp("ns"), 1_000), '"1970-01-01T00:00:00.000001"', "datetime",
                     id="nanoseconds that are whole microseconds"),
        pytest.param(of(pa.timestamp("ns"), -1), '"1969-12-31T23:59:59.999999999"', "datetime",
                     id="nanoseconds"),
        pytest.param(of(pa.timestamp("ns", "-03:30"), 1), '"1969-12-31T20:30:00.000000001-03:30"',
                     "datetime", id="nanoseconds with an offset"),
        pytest.param(of(pa.timestamp("us", "Europe/Amsterdam"), -3_155_673_600 * 10**6),
                     '"1870-01-01T00:00:00+00:00"', "datetime", id="an offset with seconds"),
        pytest.param(of(pa.binary(), "é".encode()), '"é"', "text", id="bytes that are text"),
        pytest.param(of(pa.binary(2), b"ab"), '"ab"', "text", id="two bytes that are text"),
        pytest.param(of(pa.list_(pa.binary()), [b"a"]), '["a"]', "json", id="list of bytes"),
        pytest.param(of(pa.map_(pa.binary(), pa.int8()), [(b"k", 1)]), '{"k":1}', "json",
                     id="map by bytes"),
        pytest.param(of(pa.list_(pa.int8()), [1, None]), "[1,null]", "json", id="list"),
        pytest.param(of(pa.list_(pa.list_(pa.date32())), [[DAY], [], None]),
                     '[["2026-11-23"],[],null]', "json", id="list of lists"),
        pytest.param(of(pa.list_(pa.int8(), 2), [1, 2]), "[1,2]", "json", id="fixed list"),
        pytest.param(of(pa.struct({"a": pa.int8(), "": pa.date32()}), {"a": 1, "": DAY}),
                     '{"a":1,"":"2026-11-23"}', "json", id="struct"),
        pytest.param(of(pa.map_(pa.string(), pa.float32()), [("k", 0.1), ("l", None)]),
                     '{"k":0.1,"l":null}', "json", id="map"),
        pytest.param(of(pa.uuid(), b"0" * 16), '"30303030-3030-3030-3030-303030303030"', "text",
                     id="UUID"),
        pytest.param(of(pa.json_(), "[1]"), '"[1]"', "text", id="JSON text"),
        pytest.param(of(pa.null(), None), "null", "", id="null"),
        pytest.param(of(pa.int8(), None), "null", "integer", id="integers that are all null"),
    ],
)  # fmt: skip
def test_a_value_of_parquet_keeps_its_digits_and_its_null(
    column: pa.Array, value: str, kind: str, tmp_path: Path
) -> None:
    rows = [f'{{"c":{value}}}'] * (len(column) - 1) + ['{"c":null}']
    result = read_table(pa.table({"c": column}), tmp_path)
    assert result == (list(enumerate(rows, start=1)), [], {"c": kind})


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (pa.duration("s"), "is of the type duration[s], which JSON has no form for"),
        (pa.list_(pa.duration("s")), "is of the type duration[s], which JSON has no form for"),
        (pa.map_(pa.int8(), pa.int8()), "is a map by int8; JSON has names that are text"),
        (
            pa.struct([("a", pa.int8()), ("a", pa.int8())]),
            "has two members of the same name",
        ),
        (pa.struct({"a\0": pa.int8()}), "has a member 'a<U+0000>' (with U+0000 control character)"),
        (nested(64), "is nested deeper than 64 levels"),
        (pa.timestamp("us", "No/Where"), "has the time zone 'No/Where', which is not known"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_column_without_a_json_form_is_refused(
    kind: pa.DataType, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceProblemError) as caught:
        read_table(pa.table({"c": pa.array([], kind)}), tmp_path)
    assert caught.value.problems == (
        Problem("unsupported_value", f"column 'c' {reason}; {LEAVE_OUT}", field="c"),
    )


LEAVE_OUT = "leave the column out: name the others in columns"
BEYOND = "is a date or time beyond the years 1 to 9999"
NOT_UTF8 = pa.Array.from_buffers(pa.string(), 2, pa.array([b"x", b"\xff"]).buffers())


@pytest.mark.parametrize(
    ("column", "code", "message"),
    [
        pytest.param(pa.array([1, float("nan")]), "unsupported_value",
                     "nan is not a number in JSON; import it as null with nan_as_null",
                     id="NaN"),
        pytest.param(pa.array([[], [float("-inf")]]), "unsupported_value",
                     "-inf is not a number in JSON", id="infinity in a list"),
        pytest.param(pa.array(["x", "a\0b"]), "unsupported_value",
                     r"'a\x00b' holds a NUL character", id="NUL"),
        pytest.param(NOT_UTF8, "invalid_encoding", "holds bytes that are not UTF-8", id="bytes"),
        pytest.param(pa.array([b"x", b"\xff"]), "unsupported_value",
                     f"holds bytes that are not text in UTF-8; {LEAVE_OUT}", id="no text"),
        pytest.param(pa.array([b"x", b"a\0b"]), "unsupported_value",
                     r"'a\x00b' holds a NUL character", id="NUL in bytes"),
        pytest.param(pa.array([0, 10**8], pa.date32()), "unsupported_value", BEYOND, id="date"),
        pytest.param(pa.array([0, -(10**12)], pa.timestamp("s")), "unsupported_value", BEYOND,
                     id="timestamp"),
        pytest.param(
            pa.array([[("k", 1)], [("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8())),
            "unsupported_value", "is a map in which a key occurs twice", id="map",
        ),
    ],
)  # fmt: skip
def test_a_value_without_a_json_form_is_reported(
    column: pa.Array, code: str, message: str, tmp_path: Path
) -> None:
    good, problems, _ = read_table(pa.table({"c": column, "d": [1, 2]}), tmp_path)
    assert [row for row, _ in good] == [1]
    assert problems == [Problem(code, message, 2, "c")]


def test_a_row_of_parquet_over_the_limit_is_reported(tmp_path: Path) -> None:
    table = pa.table({"c": ["x" * 992, "x" * 993]})
    good, problems, _ = read_table(table, tmp_path, Limits(max_row_bytes=1_000))
    assert [row for row, _ in good] == [1]
    message = "is larger than 1,000 bytes; raise SEEDING_MAX_ROW_BYTES if that is meant"
    assert problems == [Problem("row_too_large", message, 2)]


@given(spoil=st.tuples(st.integers(0, 10_000), st.integers(1, 255)), is_cut=st.booleans())
def test_a_damaged_parquet_file_gives_all_rows_or_none(
    tmp_path_factory: pytest.TempPathFactory, spoil: tuple[int, int], is_cut: bool
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "t.parquet"
    table = pa.table({"a": range(30), "b": [f"text {number}" for number in range(30)]})
    pq.write_table(table, path, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    at = spoil[0] % len(data)
    data[at] ^= spoil[1]
    path.write_bytes(data[:at] if is_cut else data)
    try:
        good, problems, _ = read(path)
    except SourceProblemError as error:
        good, problems = [], list(error.problems)
    assert len(good) == 30 or problems or not good


def test_a_column_may_be_nested_to_the_63rd_level_below_its_row(tmp_path: Path) -> None:
    result = read_table(pa.table({"c": pa.array([None], nested(63))}), tmp_path)
    assert result == ([(1, '{"c":null}')], [], {"c": "json"})


def test_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(SourceProblemError) as caught:
        read_table(table, tmp_path)
    message = f"column 'a' occurs 2 times, at 1, 2; {LEAVE_OUT}"
    assert caught.value.problems == (Problem("duplicate_column", message, field="a"),)


def test_a_table_without_rows_has_columns(tmp_path: Path) -> None:
    assert read_table(pa.table({"a": pa.array([], pa.int8())}), tmp_path) == (
        [],
        [],
        {"a": "integer"},
    )


def test_rows_of_several_groups_are_numbered_on(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(5)}), tmp_path / "t.parquet", row_group_size=2)
    rows = [(number + 1, f'{{"a":{number}}}') for number in range(5)]
    assert read(tmp_path / "t.parquet") == (rows, [], {"a": "integer"})


def test_wide_rows_come_in_small_blocks(tmp_path: Path) -> None:
    texts = [str(number) * 2**20 for number in range(6)]
    pq.write_table(pa.table({"a": texts}), tmp_path / "t.parquet", use_dictionary=False)
    blocks = parquet_blocks(tmp_path / "t.parquet", Limits(), {})
    assert [len(block.numbers) for block in blocks] == [3, 3]


def test_a_footer_with_a_wrong_row_count_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(30)}), path)
    whole = path.read_bytes()
    messages = set()
    for at in [at for at in range(len(whole)) if whole[at] == 60]:  # 30, as the footer spells it
        path.write_bytes(whole[:at] + b"8" + whole[at + 1 :])
        try:
            assert len(read(path)[0]) == 30
        except SourceProblemError as error:
            messages.add(str(error))
    assert "the file cannot be read as Parquet: it holds 28 rows, not 30" in messages


def test_a_repeated_long_text_comes_in_small_blocks(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x" * 2**20] * 100 + ["y"]}), tmp_path / "t.parquet")
    blocks = list(parquet_blocks(tmp_path / "t.parquet", Limits(), {}))
    assert [len(block.numbers) for block in blocks] == [3, *[4] * 24, 2]
    assert [number for block in blocks for number in block.numbers.to_pylist()] == [*range(1, 102)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Parquet file size is 0 bytes"),
        (
            b"a,b\n1,2\n" * 5,
            "Parquet magic bytes not found in footer. Either the file is corrupted or this is not "
            "a parquet file.",
        ),
    ],
    ids=["empty", "a CSV"],
)
def test_a_file_that_is_no_parquet_is_refused_with_the_reason(
    data: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    with pytest.raises(SourceProblemError) as caught:
        read(path)
    message = f"the file cannot be read as Parquet: {reason}"
    assert caught.value.problems == (Problem("not_parquet", message),)
