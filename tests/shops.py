"""Another database with a table of reviews, and datasets that are queries of it."""

from typing import Any

from sqlalchemy import create_engine, text

from tasks_lib.operations.datasets.query_datasets import QueryRequest, add_query, refresh_dataset
from tasks_lib.operations.workspace import Workspace

ROWS = [("001", "one", 5), ("NA", " two ", None), ("12345678901234567890", "three", 1)]
TASKS = [
    (1, '{"review_id":"001","body":"one","stars":5}'),
    (2, '{"review_id":"NA","body":" two ","stars":null}'),
    (3, '{"review_id":"12345678901234567890","body":"three","stars":1}'),
]


class Shop:
    """Another database, with a table of reviews."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url)
        self.run("CREATE TABLE reviews (review_id VARCHAR(40) PRIMARY KEY, body TEXT, stars INT)")
        self.insert(*ROWS)

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def insert(self, *rows: tuple[str, str, int | None]) -> None:
        for number, body, stars in rows:
            self.run("INSERT INTO reviews VALUES (:a, :b, :c)", a=number, b=body, c=stars)


def add(workspace: Workspace, shop: Shop, query: str = "reviews", *keys: str) -> Any:
    return add_query(
        workspace,
        QueryRequest(
            organization="acme", name="reviews", connection=shop.url, query=query, key_columns=keys
        ),
    )


def refresh(workspace: Workspace) -> tuple[int | None, int, int, int]:
    report = refresh_dataset(workspace, "acme", "reviews")
    return report.version, report.imported, report.already_imported, report.changed
