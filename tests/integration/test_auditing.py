"""The audit trail records who did what, in the transaction that did it."""

import json
from pathlib import Path
from typing import Any

import pytest

from chain_setup import apply_pipelines, chain
from command_line import Seeding
from people import AT, PATH, finish
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import MoveNotAllowedError, NotFoundError, UsageError
from tasks_lib.operations.api_keys import create_key, revoke_key
from tasks_lib.operations.audit.read import list_entries
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.chains.manage import delete_chain, edit_chain, set_paused
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.tasks import move
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store of ann with three tasks, and the audit trail that this left."""
    apply_pipelines(workspace, tmp_path)
    return workspace.store.acting("ann")


def acts(store: Store, organization: str | None = None) -> list[tuple[str, str, str]]:
    entries = list_entries(store, organization).entries
    return [(entry.by, entry.action, entry.subject) for entry in reversed(entries)]


def new_acts(store: Store, before: int) -> list[tuple[str, str, str]]:
    return acts(store)[before:]


def test_an_applied_catalogue_is_recorded_unless_nothing_changed(
    workspace: Workspace, catalogue_file: Path
) -> None:
    (entry,) = list_entries(workspace.store).entries
    assert entry[2:] == (
        "acme", "unnamed", "catalogue.applied", "catalogue.yaml", {"created": [PATH]},
    )  # fmt: skip
    apply_catalogue(workspace.store, catalogue_file)
    assert len(list_entries(workspace.store).entries) == 1


def test_api_keys_are_recorded_without_their_secret(store: Store) -> None:
    before = len(acts(store))
    key, entry = create_key(store, "acme", name="labels", lifetime=None, at=AT)
    revoke_key(store, str(entry.id), at=AT)
    revoke_key(store, str(entry.id), at=AT)
    subject = f"labels ({key[:16]}…)"
    assert new_acts(store, before) == [
        ("ann", "api_key.created", subject),
        ("ann", "api_key.revoked", subject),
    ]


def test_chains_are_recorded(workspace: Workspace, store: Store) -> None:
    before = len(acts(store))
    created = chain(Workspace(store, workspace.storage, workspace.limits))
    chain_id = created.id
    edit_chain(store, chain_id, skip=[])
    set_paused(store, chain_id, is_paused=True)
    set_paused(store, chain_id, is_paused=True)
    set_paused(store, chain_id, is_paused=False)
    delete_chain(store, chain_id)
    assert [(by, action) for by, action, _ in new_acts(store, before)] == [
        ("ann", "chain.created"),
        ("ann", "chain.edited"),
        ("ann", "chain.paused"),
        ("ann", "chain.resumed"),
        ("ann", "chain.deleted"),
    ]
    subjects = {subject for *_, subject in new_acts(store, before)}
    assert subjects == {f"chain {chain_id}, {created.name}"}


def test_withdrawn_tasks_and_undone_groups_are_recorded(store: Store) -> None:
    before = len(acts(store))
    finish(store)
    move.withdraw_tasks(store, [2], by="ann", reason="wrong", at=AT)
    move.set_status(store, 3, TaskStatus.WITHDRAWN, by="cem", at=AT)
    with pytest.raises(MoveNotAllowedError):
        move.withdraw_tasks(store, [1], by="ann", at=AT)
    undo_group(store, 1, by="ben", at=AT)
    undo_group(store, 1, by="ben", at=AT)
    assert new_acts(store, before) == [
        ("ann", "tasks.withdrawn", "1 task of pipeline 1"),
        ("ann", "tasks.withdrawn", "1 task of pipeline 1"),
        ("ben", "group.undone", "group 1 of pipeline 1"),
    ]
    undone, _, withdrawn = list_entries(store, limit=3).entries
    assert undone.details == {"source": undone.details["source"], "removed": 2, "kept": 1}
    assert withdrawn.details == {"tasks": [2], "reason": "wrong"}


def test_entries_are_listed_page_by_page_newest_first(store: Store) -> None:
    for number in range(3):
        create_key(store, "acme", name=f"key-{number}", lifetime=None, at=AT)
    first = list_entries(store, "acme", limit=2)
    rest = list_entries(store, "acme", before=first.next, limit=100)
    names = [entry.subject.partition(" ")[0] for entry in (*first.entries, *rest.entries)]
    assert names[:3] == ["key-2", "key-1", "key-0"]
    assert rest.next is None
    with pytest.raises(NotFoundError, match="there is no organization 'acm'"):
        list_entries(store, "acm")
    with pytest.raises(UsageError, match="the limit is 0; it must be at least 1"):
        list_entries(store, limit=0)


def test_the_command_lists_what_the_user_of_this_machine_did(
    capsys: pytest.CaptureFixture[str], catalogue_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    seeding = Seeding(capsys)
    seeding("db", "upgrade")
    assert seeding("audit") == (0, "Nothing was recorded yet.\n", "")
    seeding("apply", str(catalogue_file))
    seeding("key", "create", "acme", "--name", "labels")
    status, entries = seeding.json("audit", "acme")
    shown: list[dict[str, Any]] = entries
    assert (status, [(entry["by"], entry["action"]) for entry in shown]) == (
        0, [("ann", "api_key.created"), ("ann", "catalogue.applied")],
    )  # fmt: skip
    assert shown[1]["details"] == {"created": [PATH]}
    _, out, err = seeding("audit", "--limit", "1")
    assert ("api_key.created" in out, "catalogue.applied" in out) == (True, False)
    assert err == f"hint: list older acts with: --after {shown[0]['id']}\n"
    _, out, _ = seeding("audit", "--after", str(shown[0]["id"]))
    assert f"catalogue.yaml (created: {PATH})" in " ".join(out.split())
    assert json.dumps(shown)
