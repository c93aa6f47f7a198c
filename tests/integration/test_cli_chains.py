"""The commands of chains, without a Prefect server."""

import json
import tempfile
from pathlib import Path

import pytest

from command_line import Seeding
from vault import AUDIT, CATALOGUE, CHECK, LABEL

WARNING = "warning: no Prefect server is configured, so no automation wakes the chain"


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str], catalogue_file: Path, tmp_path: Path) -> Seeding:
    """The command line on a store with a task, and pipelines to chain."""
    source, vault = tmp_path / "reviews.csv", tmp_path / "vault.yaml"
    source.write_text("review_id,body,stars\n1,one,5\n", encoding="utf-8")
    vault.write_text(CATALOGUE, encoding="utf-8")
    seeding = Seeding(capsys)
    for file in (catalogue_file, vault):
        assert seeding("apply", str(file))[0] == 0
    assert seeding("seed", "csv", LABEL, str(source))[0] == 0
    return seeding


def create(seeding: Seeding, *options: str) -> tuple[int, str, str]:
    return seeding("chain", "create", CHECK, LABEL, "--on", "task-completion", *options)


def test_a_chain_is_created_shown_and_fired_by_the_sweep(
    seeding: Seeding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # without the files that killed processes of other tests have left there
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status, out, err = create(seeding)
    name = "chain: reviews/label-reviews -> reviews/check-reviews on task completion"
    assert (status, out) == (0, f"Created chain 1, {name}.\n")
    assert err.startswith(WARNING)
    shown = seeding.json("chain", "show", "1")[1]
    assert shown["reasons"] == ["no finished task waits for it"]
    assert (shown["unfit_tasks"], shown["misfits"]) == ([], [])
    assert (shown["chain"]["on"], shown["chain"]["trigger"]) == (
        "task-completion", "task-completion",
    )  # fmt: skip
    seeding("tasks", "claim", LABEL, "--as", "ann")
    seeding("tasks", "submit", "1", "--as", "ann", "--field", "sentiment=good")
    assert seeding.json("chain", "list", "acme")[1][0]["waiting"] == 1
    assert seeding("reconcile")[1] == "Created 1 chained task.\n"
    shown = seeding.json("tasks", "show", "2")[1]
    assert shown["origin"] == {"kind": "chain", "source": LABEL, "row": 1, "chain_id": 1}
    assert f" from     chain 1, task 1 of {LABEL}" in seeding("tasks", "show", "2")[1]


def test_a_chain_is_edited_paused_resumed_and_deleted(seeding: Seeding) -> None:
    create(seeding)
    status, edited = seeding.json(
        "chain", "edit", "1", "--on", "pipeline-completion", "--map", "body=sentiment"
    )
    assert (status, edited["trigger"], edited["mapping"]) == (
        0, "pipeline-completion", {"body": "sentiment"},
    )  # fmt: skip
    assert seeding.json("chain", "pause", "1")[1]["is_paused"] is True
    assert seeding.json("chain", "resume", "1")[1]["is_paused"] is False
    assert seeding("chain", "delete", "1")[:2] == (
        0,
        "Deleted chain 1, "
        "chain: reviews/label-reviews -> reviews/check-reviews on pipeline completion.\n",
    )
    assert seeding("chain", "list", "acme")[1] == "This organization has no chains yet.\n"


def test_the_graph_is_mermaid(seeding: Seeding) -> None:
    create(seeding)
    drawn = seeding("chain", "graph", "acme")[1]
    assert drawn.splitlines()[0] == "flowchart LR"
    assert seeding.json("chain", "graph", "acme")[1] == {"mermaid": drawn.removesuffix("\n")}


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        pytest.param((LABEL, LABEL), 2, "usage", id="to itself"),
        pytest.param((AUDIT, LABEL, "--map", "x=body"), 1, "chain_rejected", id="a bad mapping"),
        pytest.param((AUDIT, "acme/x/y"), 2, "not_found", id="no such source"),
    ],
)
def test_a_refusal_has_an_exit_status_and_a_code(
    seeding: Seeding, arguments: tuple[str, ...], status: int, code: str
) -> None:
    exit_status, out, _ = seeding(
        "chain", "create", *arguments, "--on", "task-completion", "--json"
    )
    assert (exit_status, json.loads(out)["error"]["code"]) == (status, code)


def test_the_doctor_needs_a_server(seeding: Seeding) -> None:
    assert seeding("chain", "doctor", "acme")[0] == 3
