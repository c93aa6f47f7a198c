"""Parquet as other programs write it, and files that unpack to far more than their size."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.parquet_blocks import parquet_blocks
from tasks_lib.intake.datasets.parquet_footer import read_row_groups
from tasks_lib.intake.datasets.record_blocks import ColumnTypes

LIMITS = Limits()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.parquet"


def rows_in(path: Path, limits: Limits = LIMITS, **options: object) -> list[str]:
    """Return the good rows; each row must be one."""
    rows: list[str] = []
    for block in parquet_blocks(path, limits, {}, **options):  # type: ignore[arg-type]
        assert block.bad == []
        rows.extend(block.values.to_pylist())
    return rows


def problems_in(path: Path, limits: Limits = LIMITS, **options: object) -> tuple[Problem, ...]:
    """Return why the file is rejected as a whole."""
    with pytest.raises(SourceProblemError) as caught:
        rows_in(path, limits, **options)
    return caught.value.problems


TEXTS = ["ab", "abc", "", "ab", "b"]


@pytest.mark.parametrize(
    "encoding", ["PLAIN", "RLE_DICTIONARY", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_texts_are_read_in_every_encoding(encoding: str, version: str, file: Path) -> None:
    table = pa.table({"t": TEXTS, "l": [[text] for text in TEXTS]})
    if encoding == "RLE_DICTIONARY":
        options: dict[str, object] = {"use_dictionary": True}
    else:
        names = dict.fromkeys(["t", "l.list.element"], encoding)
        options = {"use_dictionary": False, "column_encoding": names}
    pq.write_table(table, file, data_page_version=version, row_group_size=2, **options)
    assert rows_in(file) == [f'{{"t":"{text}","l":["{text}"]}}' for text in TEXTS]


@pytest.mark.parametrize("encoding", ["BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED"])
def test_numbers_are_read_in_every_encoding(encoding: str, file: Path) -> None:
    table = pa.table({"n": pa.array([1, -2, None], pa.int32())})
    pq.write_table(table, file, use_dictionary=False, column_encoding=encoding)
    assert rows_in(file) == ['{"n":1}', '{"n":-2}', '{"n":null}']


def test_a_column_whose_row_groups_differ_in_encoding_is_read(file: Path) -> None:
    texts = ["same"] * 3 + [f"text {number}" for number in range(3)]
    with pq.ParquetWriter(
        file, pa.schema({"t": pa.string()}), dictionary_pagesize_limit=8
    ) as writer:
        writer.write_table(pa.table({"t": texts[:3]}))
        writer.write_table(pa.table({"t": texts[3:]}))
    assert rows_in(file) == [f'{{"t":"{text}"}}' for text in texts]


def test_a_group_without_members_is_null(file: Path) -> None:
    data = io.BytesIO()
    table = pa.table({"x": pa.array([1, 2], pa.int32())})
    pq.write_table(table, data, compression="none", store_schema=False)
    whole = data.getvalue()
    size = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - size : -8]
    # Arrow writes no such group: add an optional one, called e, to the schema of the footer.
    root = b"\x35\x00\x18\x06schema\x15\x02\x00"
    with_group = root.replace(b"\x15\x02", b"\x15\x04") + b"\x35\x02\x18\x01e\x15\x00\x00"
    assert footer.count(b"\x2c" + root) == 1
    footer = footer.replace(b"\x2c" + root, b"\x3c" + with_group)
    file.write_bytes(whole[: -8 - size] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    assert rows_in(file) == ['{"e":null,"x":1}', '{"e":null,"x":2}']


def test_columns_can_be_chosen(file: Path) -> None:
    pq.write_table(
        pa.table({
            "id": [1], "picture": [b"\xff\xd8"], "a.b": ["x"],
            "took": pa.array([1], "duration[s]"),
        }),
        file,
    )  # fmt: skip
    types: ColumnTypes = {}
    blocks = list(parquet_blocks(file, LIMITS, types, columns=["a.b", "id"]))
    assert [block.values.to_pylist() for block in blocks] == [['{"id":1,"a.b":"x"}']]
    assert {name: sorted(kinds) for name, kinds in types.items()} == {
        "id": ["integer"], "a.b": ["text"]
    }  # fmt: skip
    assert problems_in(file, columns=["id", "pictures"]) == (
        Problem(
            "missing_column",
            "the file has no column 'pictures'; did you mean 'picture'?",
            field="pictures",
        ),
    )


def test_nan_is_null_on_request_at_every_level(file: Path) -> None:
    nan = float("nan")
    pq.write_table(pa.table({"a": [nan, 1.5], "b": [[nan, None], [2.5]]}), file)
    rows = ['{"a":null,"b":[null,null]}', '{"a":1.5,"b":[2.5]}']
    assert rows_in(file, nan_as_null=True) == rows


def test_a_file_that_unpacks_to_more_than_a_source_may_have_is_refused(file: Path) -> None:
    pq.write_table(pa.table({"a": ["x" * 1_000] * 50, "b": range(50)}), file, use_dictionary=False)
    message = (
        "the file, unpacked, is larger than 40,000 bytes; split it, or raise "
        "SEEDING_MAX_SOURCE_BYTES"
    )
    limits = Limits(max_source_bytes=40_000)
    assert problems_in(file, limits) == (Problem("source_too_large", message),)
    assert len(rows_in(file, limits, columns=["b"])) == 50


ZEROS = pa.array(bytes(1), pa.int8()).take(pa.array([0] * 3_000_000))


def test_a_list_of_more_values_than_a_row_may_have_is_refused_unread(file: Path) -> None:
    column = pa.ListArray.from_arrays([0, len(ZEROS)], ZEROS)
    pq.write_table(pa.table({"id": [1], "l": column}), file)
    assert file.stat().st_size < 2_000
    limits = Limits(max_row_bytes=2**20)
    message = (
        "a row with 3,000,000 values in 'l' is larger than 1,048,576 bytes; "
        "raise SEEDING_MAX_ROW_BYTES if that is meant"
    )
    assert problems_in(file, limits) == (Problem("row_too_large", message),)


@pytest.mark.parametrize(
    "long",
    [
        pa.ListArray.from_arrays([0, 1, 1_000_000], ZEROS),
        pa.array([["x" * 2**17], ["x" * 2**17] * 100]),
        pa.array([{"m": "y"}, {"m": "x" * 2**21}]),
        pa.array([[("k", "y")], [(f"k{n}", "x" * 2**17) for n in range(100)]],
                 pa.map_(pa.string(), pa.string())),
    ],
    ids=["a list of numbers", "a repeated text", "a struct", "a map"],
)  # fmt: skip
def test_a_row_that_would_be_too_large_is_rejected_and_the_others_are_not(
    long: pa.Array, file: Path
) -> None:
    pq.write_table(pa.table({"c": pa.chunked_array([long, long.slice(0, 1)])}), file)
    limits = Limits(max_row_bytes=2**20)
    blocks = list(parquet_blocks(file, limits, {}))
    message = "is larger than 1,048,576 bytes; raise SEEDING_MAX_ROW_BYTES if that is meant"
    assert [row for block in blocks for row in block.numbers.to_pylist()] == [1, 3]
    assert [problem for block in blocks for bad in block.bad for problem in bad.problems] == [
        Problem("row_too_large", message, 2)
    ]


def test_one_long_list_among_short_ones_is_refused_by_its_ratio(file: Path) -> None:
    offsets = pa.array([*range(1_000), len(ZEROS)], pa.int32())
    pq.write_table(pa.table({"l": pa.ListArray.from_arrays(offsets, ZEROS)}), file)
    packed = next(read_row_groups(file))[0].packed_size
    assert packed < len(ZEROS) // 100
    message = (
        "column 'l' unpacks to 12,000,000 bytes, more than 100 times its size; raise "
        "SEEDING_MAX_ARCHIVE_RATIO if that is meant, or leave the column out: name the others "
        "in columns"
    )
    limits = Limits(max_row_bytes=2**16, max_archive_ratio=100)
    assert problems_in(file, limits) == (Problem("ratio_too_high", message, field="l"),)


def memory_of_reading(path: Path, limits: Limits) -> Iterator[int]:
    """Yield Arrow's memory in use at each block."""
    for _ in parquet_blocks(path, limits, {}):
        yield pa.total_allocated_bytes()


def test_long_texts_that_share_their_beginning_are_read_a_few_at_once(file: Path) -> None:
    texts = ["x" * 2**20 + str(number) for number in range(300)]
    pq.write_table(
        pa.table({"t": texts}), file, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY"
    )
    del texts
    before = pa.total_allocated_bytes()
    limits = Limits(max_row_bytes=2**22)
    assert max(memory_of_reading(file, limits)) - before < 2**27


def test_nested_texts_that_outgrow_their_dictionary_are_read(file: Path) -> None:
    texts = [["same", f"text {number}"] for number in range(9_000)]
    pq.write_table(pa.table({"l": texts}), file, dictionary_pagesize_limit=20_000)
    assert rows_in(file) == [f'{{"l":["same","text {number}"]}}' for number in range(9_000)]


def test_the_footer_gives_the_sizes_that_arrow_gives(file: Path) -> None:
    table = pa.table({"a": range(2_000), "b": [{"c": ["x"], "d": b"1234"}] * 2_000})
    pq.write_table(table, file, row_group_size=900)
    metadata = pq.read_metadata(file)
    expected = [
        [
            (column.path_in_schema, column.num_values, column.total_uncompressed_size,
             column.total_compressed_size, group.num_rows)
            for column in map(group.column, range(group.num_columns))
        ]
        for group in map(metadata.row_group, range(metadata.num_row_groups))
    ]  # fmt: skip
    assert [
        [(".".join(one.path), one.values, one.size, one.packed_size, one.rows) for one in group]
        for group in read_row_groups(file)
    ] == expected


def damaged_footers(file: Path, count: int) -> Iterator[None]:
    """Damage one byte of the file's footer, ``count`` times, each time another one."""
    whole = file.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    choose = random.Random(17)
    for _ in range(count):
        data = bytearray(whole)
        data[choose.randrange(start, len(whole) - 8)] = choose.randrange(256)
        file.write_bytes(data)
        yield


def test_a_damaged_footer_is_refused_in_a_sentence(file: Path) -> None:
    pq.write_table(pa.table({"a": range(30), "b": [["x"]] * 30}), file, row_group_size=10)
    outcomes = set()
    for _ in damaged_footers(file, 600):
        try:
            list(read_row_groups(file))
            outcomes.add("read")
        except SourceProblemError as error:
            outcomes.add(str(error))
    assert outcomes == {"read", "the file cannot be read as Parquet: its footer is damaged"}


def test_a_file_with_a_damaged_footer_is_read_or_refused(file: Path) -> None:
    table = pa.table({"a": ["x", "y"] * 5, "b": [["p", "q"]] * 10, "c": [{"d": "z"}] * 10})
    pq.write_table(table, file)
    outcomes = set()
    for _ in damaged_footers(file, 600):
        try:
            outcomes.add(str(sum(len(block.numbers) for block in parquet_blocks(file, LIMITS, {}))))
        except SourceProblemError as error:
            outcomes.add(error.problems[0].code)
    assert {"10", "not_parquet"} <= outcomes
