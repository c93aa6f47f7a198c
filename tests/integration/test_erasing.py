"""Erasure replaces a contributor by a pseudonym, and removes the values of a task."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from chain_setup import ON_TASKS, chain
from command_line import Seeding
from people import AT, PATH, claim, counts, finish, make_tasks, recount
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import MoveNotAllowedError, NotFoundError, UsageError
from tasks_lib.operations.audit.read import list_entries
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.erasure.contributor import erase_contributor
from tasks_lib.operations.erasure.task import ErasedTask, erase_task
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.read import find_task, list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from vault import CHECK, LABEL, seed_pipeline

ANN = "ann@example.org"


def texts_of(store: Store) -> str:
    """Return everything that the store holds, as one text."""
    with store.read() as session:
        inspector = inspect(session.connection())
        rows = [
            str(row)
            for table in inspector.get_table_names()
            for row in session.execute(text(f"SELECT * FROM {table}"))
        ]
    return "\n".join(rows)


@pytest.fixture
def store(vault: Workspace, tmp_path: Path) -> Store:
    """A store with four tasks: ann finished one, holds one, and released one."""
    make_tasks(vault, tmp_path, 4)
    finish(vault.store, ANN)
    claim(vault.store, ANN)
    move.release_task(vault.store, claim(vault.store, ANN).id, contributor=ANN, at=AT)
    return vault.store


def test_a_contributor_is_replaced_everywhere_by_the_same_pseudonym(store: Store) -> None:
    move.set_status(store, 4, TaskStatus.WITHDRAWN, by=ANN, at=AT)
    undo_group(store, 1, by=ANN, at=AT)
    assert ANN in texts_of(store)
    (erased,) = erase_contributor(store, ANN, at=AT)
    assert (erased.organization, erased.released) == ("acme", 1)
    assert erased.pseudonym.startswith("erased-")
    assert ANN not in texts_of(store)
    assert find_task(store, 1).claimed_by == erased.pseudonym
    assert find_task(store, 2).status == "pending"
    assert counts(store) == recount(store)
    assert erase_contributor(store, ANN, at=AT) == []
    claim(store, ANN)
    (again,) = erase_contributor(store, ANN, organization="acme", at=AT)
    assert again.pseudonym == erased.pseudonym


def test_other_contributors_keep_their_names(store: Store) -> None:
    assert claim(store, "ben").claimed_by == "ben"
    erase_contributor(store, ANN, at=AT)
    assert find_task(store, 3).claimed_by == "ben"
    assert erase_contributor(store, "cem", at=AT) == []
    with pytest.raises(NotFoundError, match="there is no organization 'acm'"):
        erase_contributor(store, ANN, organization="acm", at=AT)
    with pytest.raises(UsageError):
        erase_contributor(store, "", at=AT)


def test_the_erasure_of_a_contributor_is_recorded_without_the_name(store: Store) -> None:
    (erased,) = erase_contributor(store.acting(ANN), ANN, at=AT)
    (entry,) = list_entries(store, limit=1).entries
    assert entry[3:] == (erased.pseudonym, "contributor.erased", erased.pseudonym, {})


def test_a_finished_task_is_erased_and_stays_finished(store: Store) -> None:
    assert erase_task(store, 1, at=AT) == ErasedTask(1, 1, "finished", 0)
    erased = find_task(store, 1)
    assert (erased.fields, erased.status, erased.claimed_by) == ("{}", "finished", ANN)
    assert "people.csv-0" not in texts_of(store)
    assert counts(store) == recount(store)
    (entry,) = list_entries(store, limit=1).entries
    assert entry[4:6] == ("task.erased", "task 1 of pipeline 1")


def test_an_unfinished_task_is_withdrawn_and_cannot_be_put_back(store: Store) -> None:
    for number in (2, 3):
        assert erase_task(store, number, at=AT).status == "withdrawn"
        assert find_task(store, number).fields == "{}"
        with pytest.raises(MoveNotAllowedError, match=f"task {number} was erased"):
            move.set_status(store, number, TaskStatus.PENDING, at=AT)
    assert claim(store, "ben").id == 4
    assert counts(store) == recount(store)
    with pytest.raises(NotFoundError, match="there is no task 9"):
        erase_task(store, 9, at=AT)


def test_reasons_of_moves_are_erased(store: Store) -> None:
    move.set_status(store, 4, TaskStatus.ESCALATED, reason="calls Ann a liar", at=AT)
    erase_task(store, 4, at=AT)
    assert [one.reason for one in find_task(store, 4).moves] == [None, "the task was erased"]


def test_no_task_is_made_from_an_erased_one(vault: Workspace, store: Store) -> None:
    finish(store)
    new_chain = chain(vault, trigger=ON_TASKS, include_existing=True)
    erase_task(store, 1, at=AT)
    assert fire_due(vault, at=AT).created == 1
    assert [task.origin.row for task in list_tasks(store, CHECK)] == [3]
    assert seed_pipeline(vault, CHECK, LABEL).created == 0
    assert erase_task(store, 3, at=AT).made_from_it == 1
    assert new_chain.id == 1


def test_the_commands_ask_and_say_what_they_erased(
    capsys: pytest.CaptureFixture[str], catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    seeding = Seeding(capsys)
    seeding("apply", str(catalogue_file))
    seeding("seed", "csv", PATH, csv_file("review_id,body,stars\n1,one,5\n2,two,4\n"))
    seeding("tasks", "claim", PATH, "--as", ANN)
    assert seeding("erase", "task", "2") == (
        2,
        "",
        "error: Remove the values and files of task 2, for good? Nobody can answer here: to agree, "
        "pass --yes\n",
    )
    assert seeding("erase", "task", "2", "--yes") == (
        0, "Task 2 is withdrawn and has no values any more.\n", "",
    )  # fmt: skip
    status, (erased,) = seeding.json("erase", "contributor", ANN, "--yes")
    assert (status, erased["organization"], erased["released"]) == (0, "acme", 1)
    assert seeding("erase", "contributor", ANN, "--yes") == (0, f"Nothing names {ANN!r}.\n", "")
