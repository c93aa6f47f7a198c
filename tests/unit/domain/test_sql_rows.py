"""A query is one SELECT, and its rows are JSON that loses no digit."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.rows.json_rows import Digits, json_text
from tasks_lib.domain.rows.sql_rows import check_query, field_type_of_class, json_row, key_of
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import UsageError


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("reviews", "SELECT * FROM reviews"),
        (" shop.reviews; ", "SELECT * FROM shop.reviews"),
        ("order", 'SELECT * FROM "order"'),
        ("shop.Order", 'SELECT * FROM shop."Order"'),
        ('"order"', 'SELECT * FROM "order"'),
        ('shop."my table"', 'SELECT * FROM shop."my table"'),
        ("`my-table`", "SELECT * FROM `my-table`"),
        ("[my table]", "SELECT * FROM [my table]"),
        ("select 1;", "select 1"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "WITH x AS (SELECT 1) SELECT * FROM x"),
        ("-- all\n/* of\nthem */ SELECT 1", "-- all\n/* of\nthem */ SELECT 1"),
    ],
)
def test_a_query_is_a_select_or_a_tables_name(text: str, query: str) -> None:
    assert check_query(text) == query


@pytest.mark.parametrize(
    "text", ["", "DELETE FROM x", "SELECT 1; DROP TABLE x", "a; b", "selector x", "COMMIT x"]
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="the query"):
        check_query(text)


ONE_SELECT = "it must be one SELECT or WITH, or a table's name"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "my table",
            f"the query begins with 'my table'; {ONE_SELECT}; if a table is called so, put its "
            "name in quotes: '\"my table\"'",
        ),
        ("DELETE FROM x", f"the query begins with 'DELETE FROM x'; {ONE_SELECT}"),
        (
            "SELECT ';'",
            "the query holds a semicolon; it must be one statement. Within a text, write chr(59) "
            "instead, or char(59) for SQLite",
        ),
    ],
)
def test_the_way_out_is_in_the_message(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_query(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (None, "null", None),
        (True, "true", FieldType.BOOLEAN),
        (12345678901234567890, "12345678901234567890", FieldType.INTEGER),
        (Decimal("1.50"), "1.50", FieldType.NUMBER),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789",
         FieldType.NUMBER),
        (0.1, "0.1", FieldType.NUMBER),
        (1e22, "1E+22", FieldType.NUMBER),
        (" 001\n", '" 001\\n"', FieldType.TEXT),
        (date(2026, 1, 2), '"2026-01-02"', FieldType.DATE),
        (datetime(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05"', FieldType.DATETIME),  # noqa: DTZ001
        (datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=2))),
         '"2026-01-02T01:04:05.000006+00:00"', FieldType.DATETIME),
        (time(3, 4), '"03:04:00"', FieldType.TEXT),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"', FieldType.TEXT),
        (IPv4Address("10.0.0.1"), '"10.0.0.1"', FieldType.TEXT),
        ([1, None, Digits("1.50")], "[1,null,1.50]", FieldType.JSON),
        ({"a": {"b": Decimal("2.0")}}, '{"a":{"b":2.0}}', FieldType.JSON),
    ],
)  # fmt: skip
def test_a_value_keeps_its_digits(value: Any, text: str, kind: FieldType | None) -> None:
    assert json_text(json_row(["x"], [value])["x"]) == text
    assert field_type_of_class(type(value)) is kind


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        (b"\0", "unsupported_value", "column 'x' holds bytes, for which JSON has no form; cast it "
         "to text in the query"),
        (timedelta(1), "unsupported_value", "column 'x' holds timedelta, for which JSON has no "
         "form; cast it to text in the query"),
        (float("nan"), "unsupported_value", "column 'x' holds NaN, which is not a number in JSON"),
        (Decimal("Infinity"), "unsupported_value",
         "column 'x' holds Infinity, which is not a number in JSON"),
        (["a\0"], "nul_byte", "column 'x' holds a NUL character"),
    ],
)  # fmt: skip
def test_a_value_without_a_json_form_is_refused(value: Any, code: str, message: str) -> None:
    with pytest.raises(ValueProblemError) as raised:
        json_row(["x"], [value])
    assert (raised.value.code, str(raised.value)) == (code, message)


def test_a_key_covers_the_named_columns_or_all_columns_in_any_order() -> None:
    row = {"a": 1, "b": "x"}
    assert key_of(row, ["a"]) == key_of({"a": 1, "b": "y"}, ["a"])
    assert key_of(row, []) != key_of({"a": 1, "b": "y"}, [])
    assert key_of(row, []) == key_of({"b": "x", "a": 1}, [])
    assert key_of({"a": "1"}, ["a"]) != key_of({"a": 1}, ["a"])
    with pytest.raises(ValueProblemError) as raised:
        key_of({"a": None}, ["a"])
    assert raised.value.code == "empty_key"
