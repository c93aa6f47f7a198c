"""Chains: finished tasks of a pipeline become tasks of another, each once, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chain_setup import LATER, ON_PIPELINE, ON_TASKS, apply_pipelines, chain, finish_tasks, origins
from people import AT, make_tasks
from tasks_lib.domain.chains import draw_mermaid
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.errors import NotFoundError, PrefectUnavailableError, SeedingError, UsageError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.due import Fired, fire_chain, fire_due
from tasks_lib.operations.chains.manage import (
    ChainRejectedError,
    delete_chain,
    edit_chain,
    explain_chain,
    find_chain,
    list_chains,
    mirror_automations,
    record_automation,
    set_paused,
)
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.tasks.read import Origin, list_tasks
from tasks_lib.operations.upkeep.reconcile import reconcile
from tasks_lib.operations.workspace import Workspace
from vault import AUDIT, CHECK, FOREIGN, LABEL, apply_vault, seed_pipeline, set_status, tasks_of


@pytest.fixture
def chain_workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Three tasks to label, and other pipelines; no chain yet."""
    apply_pipelines(workspace, tmp_path)
    return workspace


def drain(workspace: Workspace) -> Fired:
    return fire_due(workspace, at=LATER)


def test_each_finished_task_creates_one_task_and_nothing_is_left_waiting(
    chain_workspace: Workspace,
) -> None:
    new_chain = chain(chain_workspace)
    finish_tasks(chain_workspace, 2)
    assert find_chain(chain_workspace.store, new_chain.id).waiting == 2
    assert drain(chain_workspace) == Fired(created=2, chains=1)
    assert tasks_of(chain_workspace, CHECK) == [
        (1, '{"review_id":"people.csv-0","body":"body"}'),
        (2, '{"review_id":"people.csv-1","body":"body"}'),
    ]
    after = find_chain(chain_workspace.store, new_chain.id)
    assert (after.waiting, after.looked_at, after.fired_at) == (0, LATER, LATER)
    assert drain(chain_workspace) == Fired()


def test_a_chained_task_records_its_source_task_and_its_chain(chain_workspace: Workspace) -> None:
    new_chain = chain(chain_workspace)
    finish_tasks(chain_workspace, 1)
    drain(chain_workspace)
    (task,) = list_tasks(chain_workspace.store, CHECK)
    assert task.origin == Origin(SeedKind.CHAIN, LABEL, 1, chain_id=new_chain.id)


def test_tasks_finished_before_the_chain_count_only_on_request(chain_workspace: Workspace) -> None:
    finish_tasks(chain_workspace, 2)
    assert chain(chain_workspace).waiting == 0
    assert chain(chain_workspace, AUDIT, include_existing=True).waiting == 2
    finish_tasks(chain_workspace, 1)
    assert drain(chain_workspace) == Fired(created=4, chains=2)
    assert (origins(chain_workspace), origins(chain_workspace, AUDIT)) == ([3], [1, 2, 3])


def test_a_chain_and_a_manual_seeding_create_each_task_once(chain_workspace: Workspace) -> None:
    chain(chain_workspace)
    finish_tasks(chain_workspace, 2)
    assert seed_pipeline(chain_workspace).created == 2
    assert drain(chain_workspace) == Fired()
    finish_tasks(chain_workspace, 1)
    drain(chain_workspace)
    assert seed_pipeline(chain_workspace, run_id="run-2").already_seeded == 3
    assert origins(chain_workspace) == [1, 2, 3]


def test_a_pipeline_fires_when_all_tasks_are_finished_and_again_for_later_ones(
    chain_workspace: Workspace, tmp_path: Path
) -> None:
    chain(chain_workspace, trigger=ON_PIPELINE)
    finish_tasks(chain_workspace, 2)
    assert drain(chain_workspace) == Fired()
    finish_tasks(chain_workspace, 1)
    assert drain(chain_workspace) == Fired(created=3, chains=1)
    make_tasks(chain_workspace, tmp_path, 2, "more.csv")
    finish_tasks(chain_workspace, 1)
    assert drain(chain_workspace) == Fired()
    finish_tasks(chain_workspace, 1)
    assert drain(chain_workspace) == Fired(created=2, chains=1)
    assert [group.tasks for group in list_groups(chain_workspace.store, CHECK)] == [3, 2]


@pytest.mark.parametrize("status", ["failed", "escalated", "quarantined"])
def test_a_blocked_task_holds_the_pipeline_up_until_it_is_resolved(
    chain_workspace: Workspace, status: str
) -> None:
    new_chain = chain(chain_workspace, trigger=ON_PIPELINE)
    move.set_status(chain_workspace.store, 1, TaskStatus(status), at=AT)
    finish_tasks(chain_workspace, 2)
    assert drain(chain_workspace) == Fired()
    assert explain_chain(chain_workspace.store, new_chain.id).reasons == [
        f"1 of 3 tasks of {LABEL} are not finished", f"1 {status} block it",
    ]  # fmt: skip
    move.set_status(chain_workspace.store, 1, TaskStatus.PENDING, at=AT)
    finish_tasks(chain_workspace, 1)
    assert drain(chain_workspace) == Fired(created=3, chains=1)


def test_a_withdrawn_task_does_not_hold_the_pipeline_up(chain_workspace: Workspace) -> None:
    new_chain = chain(chain_workspace, trigger=ON_PIPELINE)
    finish_tasks(chain_workspace, 2)
    assert drain(chain_workspace) == Fired()
    move.set_status(chain_workspace.store, 3, TaskStatus.WITHDRAWN, at=AT)
    assert explain_chain(chain_workspace.store, new_chain.id).reasons == []
    assert drain(chain_workspace) == Fired(created=2, chains=1)


def test_a_pipeline_without_tasks_does_not_fire(chain_workspace: Workspace) -> None:
    chain(
        chain_workspace,
        AUDIT,
        CHECK,
        ON_PIPELINE,
        mapping={"opinion": "body"},
        include_existing=True,
    )
    assert drain(chain_workspace) == Fired()


def test_a_paused_chain_catches_up_when_it_is_resumed(chain_workspace: Workspace) -> None:
    new_chain = chain(chain_workspace)
    assert set_paused(chain_workspace.store, new_chain.id, is_paused=True).is_paused
    finish_tasks(chain_workspace, 2)
    assert (drain(chain_workspace), fire_chain(chain_workspace, new_chain.id, at=LATER)) == (
        Fired(),
        Fired(),
    )
    set_paused(chain_workspace.store, new_chain.id, is_paused=False)
    assert drain(chain_workspace) == Fired(created=2, chains=1)


def test_a_chain_follows_its_automation_only_when_that_was_switched(
    chain_workspace: Workspace,
) -> None:
    new_chain = chain(chain_workspace)
    record_automation(chain_workspace.store, new_chain.id, "a", is_enabled=True)
    set_paused(chain_workspace.store, new_chain.id, is_paused=True)
    assert mirror_automations(chain_workspace.store, {"a": True, "b": False}) == []
    assert find_chain(chain_workspace.store, new_chain.id).is_paused
    assert mirror_automations(chain_workspace.store, {"a": False}) == [new_chain.id]
    assert mirror_automations(chain_workspace.store, {"a": True}) == [new_chain.id]
    assert not find_chain(chain_workspace.store, new_chain.id).is_paused


def test_a_task_that_does_not_fit_is_reported_and_seeded_once_the_mapping_fits(
    chain_workspace: Workspace,
) -> None:
    new_chain = chain(
        chain_workspace, AUDIT, mapping={"opinion": "sentiment", "made": "body"}, skip=("task",)
    )
    finish_tasks(chain_workspace, 3)
    assert drain(chain_workspace) == Fired(misfits=3)
    explanation = explain_chain(chain_workspace.store, new_chain.id)
    assert [(misfit.task_id, misfit.code) for misfit in explanation.misfits] == [
        (1, "invalid_datetime"), (2, "invalid_datetime"), (3, "invalid_datetime"),
    ]  # fmt: skip
    assert list_groups(chain_workspace.store, AUDIT) == []
    assert drain(chain_workspace) == Fired(), "a misfit is not retried until something has changed"
    edit_chain(chain_workspace.store, new_chain.id, mapping={"opinion": "sentiment"})
    assert drain(chain_workspace) == Fired(created=3, chains=1)
    assert find_chain(chain_workspace.store, new_chain.id).misfits == 0


def test_a_misfit_does_not_stop_the_others(chain_workspace: Workspace, tmp_path: Path) -> None:
    limited = (
        "organizations: [{name: acme, projects: [{name: audits, pipelines: [{name: short, fields: "
        "[{name: review_id, type: text, source: dataset, pattern: '.*[02]'}]}]}]}]"
    )
    apply_vault(chain_workspace, tmp_path, limited)
    new_chain = chain(chain_workspace, "acme/audits/short")
    finish_tasks(chain_workspace, 3)
    assert drain(chain_workspace) == Fired(created=2, misfits=1, chains=1)
    assert origins(chain_workspace, "acme/audits/short") == [1, 3]
    assert [one.task_id for one in explain_chain(chain_workspace.store, new_chain.id).misfits] == [
        2
    ]
    apply_vault(chain_workspace, tmp_path, limited.replace(", pattern: '.*[02]'", ""))
    assert drain(chain_workspace) == Fired(created=1, chains=1)


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_a_closed_target_keeps_tasks_waiting_and_gives_the_reason(
    chain_workspace: Workspace, status: str
) -> None:
    new_chain = chain(chain_workspace)
    finish_tasks(chain_workspace, 1)
    set_status(chain_workspace, status, CHECK)
    assert drain(chain_workspace) == Fired()
    explanation = explain_chain(chain_workspace.store, new_chain.id)
    assert (explanation.chain.error_code, explanation.chain.waiting) == ("pipeline_closed", 1)
    set_status(chain_workspace, "active", CHECK)
    assert drain(chain_workspace) == Fired(created=1, chains=1)
    assert find_chain(chain_workspace.store, new_chain.id).error_code is None


def test_a_deleted_chain_leaves_its_tasks_and_nothing_waits(chain_workspace: Workspace) -> None:
    new_chain = chain(chain_workspace)
    finish_tasks(chain_workspace, 1)
    drain(chain_workspace)
    finish_tasks(chain_workspace, 1)
    delete_chain(chain_workspace.store, new_chain.id)
    assert (drain(chain_workspace), origins(chain_workspace)) == (Fired(), [1])
    assert list_chains(chain_workspace.store, "acme") == []
    with pytest.raises(NotFoundError, match=f"there is no chain {new_chain.id}"):
        delete_chain(chain_workspace.store, new_chain.id)


def test_an_impossible_chain_is_refused_in_one_sentence(chain_workspace: Workspace) -> None:
    new_chain = chain(chain_workspace)
    chain(chain_workspace, trigger=ON_PIPELINE)
    for request, reason in [
        ((CHECK, LABEL), f"chain {new_chain.id} leads from {LABEL} to {CHECK} on task-completion"),
        ((LABEL, CHECK), f"would close a cycle.*{CHECK} -> {LABEL} -> {CHECK}"),
        ((LABEL, LABEL), "cannot be chained to itself"),
        ((FOREIGN, LABEL), "nothing crosses an organization"),
    ]:
        with pytest.raises(SeedingError, match=reason):
            chain(chain_workspace, *request)
    with pytest.raises(ChainRejectedError, match="unknown_target"):
        chain(chain_workspace, AUDIT, mapping={"opinions": "body"})
    with pytest.raises(ChainRejectedError, match=f"chain {new_chain.id} leads"):
        edit_chain(chain_workspace.store, new_chain.id + 1, trigger=ON_TASKS)
    with pytest.raises(UsageError, match="there is no organization 'acne'"):
        list_chains(chain_workspace.store, "acne")


def test_a_series_of_pipelines_passes_a_task_through(chain_workspace: Workspace) -> None:
    chain(chain_workspace)
    chain(chain_workspace, AUDIT, CHECK, mapping={"opinion": "verdict"})
    finish_tasks(chain_workspace, 1)
    drain(chain_workspace)
    pipeline = find_pipeline(chain_workspace.store, CHECK)
    task = claim_task(chain_workspace.store, pipeline.id, "ann", at=AT)
    assert task is not None
    submit_task(chain_workspace.store, task.id, "ann", {"verdict": "right"}, at=AT)
    assert drain(chain_workspace) == Fired(created=1, chains=1)
    assert origins(chain_workspace, AUDIT) == [task.id]


def at_once(*acts: Any) -> list[Any]:
    """Run all functions concurrently; return each result, or the class of one of our errors."""
    start = threading.Barrier(len(acts))

    def run(act: Any) -> Any:
        start.wait()
        try:
            return act()
        except SeedingError as error:
            return type(error)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_one_of_two_chains_that_concurrently_close_a_cycle_is_refused(
    chain_workspace: Workspace,
) -> None:
    back: dict[str, Any] = {"mapping": {"body": "body"}, "skip": ("stars",)}
    for _ in range(100):
        results = at_once(
            lambda: chain(chain_workspace), lambda: chain(chain_workspace, LABEL, CHECK, **back)
        )
        assert results.count(ChainRejectedError) == 1
        for left in list_chains(chain_workspace.store):
            delete_chain(chain_workspace.store, left.id)


def test_six_concurrent_drains_create_each_task_once(chain_workspace: Workspace) -> None:
    chain(chain_workspace)
    finish_tasks(chain_workspace, 3)
    done = at_once(*[lambda: drain(chain_workspace)] * 6)
    assert sum(fired.created for fired in done) == 3
    assert origins(chain_workspace) == [1, 2, 3]


def test_a_task_finished_while_the_chain_is_created_is_not_lost(
    workspace: Workspace, tmp_path: Path
) -> None:
    apply_pipelines(workspace, tmp_path, 40)
    at_once(
        lambda: finish_tasks(workspace, 20),
        lambda: chain(workspace, include_existing=True),
        lambda: finish_tasks(workspace, 20),
    )
    drain(workspace)
    assert origins(workspace) == list(range(1, 41))


def test_the_graph_draws_a_paused_chain_dashed(chain_workspace: Workspace) -> None:
    new_chain = chain(chain_workspace)
    chain(chain_workspace, AUDIT, trigger=ON_PIPELINE)
    set_paused(chain_workspace.store, new_chain.id, is_paused=True)
    assert draw_mermaid(
        [one.link for one in list_chains(chain_workspace.store, "acme")]
    ).splitlines() == [
        "flowchart LR",
        '    p1["acme/audits/audit-reviews"]',
        '    p2["acme/reviews/check-reviews"]',
        '    p3["acme/reviews/label-reviews"]',
        '    p3 -.->|"task-completion, paused"| p2',
        '    p3 -->|"pipeline-completion"| p1',
    ]


WAY = """
organizations:
  - name: acme
    projects:
      - name: way
        pipelines:
{}
"""
STATION = """
          - name: station-{}
            fields:
              - {{name: review_id, type: text, source: dataset}}
              - {{name: sentiment, type: text, source: input}}
"""


def test_five_pipelines_pass_a_task_through_unchanged(
    chain_workspace: Workspace, tmp_path: Path
) -> None:
    paths = [LABEL, *(f"acme/way/station-{number}" for number in range(2, 6))]
    stations = "".join(STATION.format(number) for number in range(2, 6))
    apply_vault(chain_workspace, tmp_path, WAY.format(stations))
    for source, target in pairwise(paths):
        chain(chain_workspace, target, source, skip=("sentiment",))
    for path in paths[:-1]:
        pipeline = find_pipeline(chain_workspace.store, path)
        task = claim_task(chain_workspace.store, pipeline.id, "ann", at=AT)
        assert task is not None
        submit_task(chain_workspace.store, task.id, "ann", {"sentiment": "good"}, at=AT)
        assert drain(chain_workspace) == Fired(created=1, chains=1)
    assert [fields for _, fields in tasks_of(chain_workspace, paths[-1])] == [
        '{"review_id":"people.csv-0"}'
    ]


def test_tasks_finished_while_prefect_is_down_are_seeded_by_one_sweep(
    workspace: Workspace, tmp_path: Path
) -> None:
    apply_pipelines(workspace, tmp_path, 100)
    chain(workspace)
    finish_tasks(workspace, 100)

    def away(_: object) -> None:
        raise PrefectUnavailableError("the Prefect server is away")

    with pytest.raises(PrefectUnavailableError):
        reconcile(workspace, away, now=LATER, cleans_up=False)
    assert origins(workspace) == list(range(1, 101)), "chains need no Prefect"
    events_sent: list[str] = []
    summary = reconcile(
        workspace,
        lambda events: events_sent.extend(e.event for e in events),
        now=LATER,
        cleans_up=False,
    )
    assert (summary.chained_tasks, origins(workspace)) == (0, list(range(1, 101)))
    assert "seeding.tasks.finished" in events_sent
