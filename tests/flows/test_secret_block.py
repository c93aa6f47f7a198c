"""The flow and the command line read a dataset's connection from a Secret block."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prefect.blocks.system import Secret

from flow_runs import run_of, steps_of
from flows.seed_from_dataset import seed_from_dataset
from tasks_lib.cli import run

PATH = "acme/reviews/label-reviews"

pytestmark = pytest.mark.usefixtures("flow_workspace")


def test_a_query_dataset_is_seeded_with_the_name_of_its_secret(
    prefect: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        file.execute("CREATE TABLE reviews (review_id TEXT, body TEXT)")
        file.execute("INSERT INTO reviews VALUES ('001', 'one')")
        file.commit()
    Secret(value=f"sqlite:///{tmp_path / 'shop.db'}").save("shop-of-a-test")
    add = ["dataset", "add-sql", "acme", "shop", "secret:shop-of-a-test", "reviews"]
    assert run(add) == 0
    state = seed_from_dataset(PATH, "shop", return_state=True)
    assert (state.name, state.message) == ("Completed", "'shop' created 1 task in group 1.")
    assert steps_of(prefect, run_of(prefect, state)) == [
        ("refresh dataset", "Completed"), ("plan mapping", "Completed"), ("load rows", "Completed"),
    ]  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        file.execute("DROP TABLE reviews")
    state = seed_from_dataset(PATH, "shop", return_state=True)
    assert (state.name, state.message) == (
        "Failed",
        "'shop' was rejected, nothing was created: the query failed: no such table: reviews.",
    )
    assert steps_of(prefect, run_of(prefect, state)) == [
        ("refresh dataset", "Failed"), ("record rejection", "Completed"),
    ]  # fmt: skip
    assert run([*add[:4], "secret:no-such-block", "reviews"]) == 2
    assert "the Prefect server has no Secret block 'no-such-block'" in capsys.readouterr().err
    assert run([*add[:4], "postgresql://me:hunter2@127.0.0.1/shop", "reviews"]) == 2
    assert run([*add[:4], "sqlite:////no/such.db", "reviews"]) == 3
    assert run([*add[:4], f"sqlite:///{tmp_path / 'shop.db'}", "missing"]) == 1
    shown = capsys.readouterr()
    assert "hunter2" not in shown.err + shown.out
    assert "the query failed: no such table: missing" in shown.err
