"""Tables of results in databases that the tests do not have: their types lose nothing."""

import pytest
from sqlalchemy import make_url
from sqlalchemy.schema import CreateTable

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.results import TableName, result_columns
from tasks_lib.output.result_table import make_table


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "mysql",
            ["words LONGTEXT", "tree LONGTEXT", "moment DATETIME(6)", "task_id BIGINT NOT NULL"],
        ),
        (
            "mssql",
            ["words NVARCHAR(max) NULL", "moment DATETIMEOFFSET NULL", "task_id BIGINT NOT NULL"],
        ),
    ],
)
def test_columns_hold_long_texts_and_microseconds(dialect: str, expected: list[str]) -> None:
    kinds = {"words": FieldType.TEXT, "tree": FieldType.JSON, "moment": FieldType.DATETIME}
    fields = [
        Field(name=name, type=kind, source=FieldSource.DATASET) for name, kind in kinds.items()
    ]
    table = make_table(TableName("labels", "lake"), result_columns(fields))
    made = (
        str(CreateTable(table).compile(dialect=make_url(f"{dialect}://").get_dialect()()))
        .replace("[", "")
        .replace("]", "")
    )
    assert [line for line in expected if line not in made] == []
    assert "lake.labels" in made
