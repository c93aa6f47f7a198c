"""Chains: what finishes in one pipeline becomes tasks of another, each once, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chained import LATER, ON_PIPELINE, ON_TASKS, apply_pipelines, chain, finish_tasks, origins
from people import AT, make_tasks
from tasks_lib.domain.chains import mermaid
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError, PrefectUnavailableError, SeedingError, UsageError
from tasks_lib.operations import lifecycle, queries
from tasks_lib.operations.chains import (
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
from tasks_lib.operations.draining import Fired, drain_chain, drain_due
from tasks_lib.operations.reconcile import reconcile
from tasks_lib.operations.workspace import Workspace
from vault import AUDIT, CHECK, FOREIGN, LABEL, apply_vault, seed_pipeline, set_status, tasks_of


@pytest.fixture
def chained(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Three tasks to be labelled, and other pipelines; no chain yet."""
    apply_pipelines(workspace, tmp_path)
    return workspace


def drain(workspace: Workspace) -> Fired:
    return drain_due(workspace, at=LATER)


def test_each_finished_task_makes_a_task_and_nothing_waits_then(chained: Workspace) -> None:
    made = chain(chained)
    finish_tasks(chained, 2)
    assert find_chain(chained.store, made.id).waiting == 2
    assert drain(chained) == Fired(created=2, chains=1)
    assert tasks_of(chained, CHECK) == [
        (1, '{"review_id":"people.csv-0","body":"body"}'),
        (2, '{"review_id":"people.csv-1","body":"body"}'),
    ]
    after = find_chain(chained.store, made.id)
    assert (after.waiting, after.looked_at, after.fired_at) == (0, LATER, LATER)
    assert drain(chained) == Fired()


def test_a_chained_task_knows_its_source_task_and_its_chain(chained: Workspace) -> None:
    made = chain(chained)
    finish_tasks(chained, 1)
    drain(chained)
    (task,) = queries.list_tasks(chained.store, CHECK)
    assert task.origin == queries.Origin("chain", LABEL, 1, chain_id=made.id)


def test_what_was_finished_before_the_chain_counts_only_on_request(chained: Workspace) -> None:
    finish_tasks(chained, 2)
    assert chain(chained).waiting == 0
    assert chain(chained, AUDIT, include_existing=True).waiting == 2
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=4, chains=2)
    assert (origins(chained), origins(chained, AUDIT)) == ([3], [1, 2, 3])


def test_a_chain_and_a_seeding_by_hand_make_each_task_once(chained: Workspace) -> None:
    chain(chained)
    finish_tasks(chained, 2)
    assert seed_pipeline(chained).created == 2
    assert drain(chained) == Fired()
    finish_tasks(chained, 1)
    drain(chained)
    assert seed_pipeline(chained, run_id="run-2").already_seeded == 3
    assert origins(chained) == [1, 2, 3]


def test_a_pipeline_fires_when_all_is_finished_and_again_for_what_came_later(
    chained: Workspace, tmp_path: Path
) -> None:
    chain(chained, trigger=ON_PIPELINE)
    finish_tasks(chained, 2)
    assert drain(chained) == Fired()
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=3, chains=1)
    make_tasks(chained, tmp_path, 2, "more.csv")
    finish_tasks(chained, 1)
    assert drain(chained) == Fired()
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=2, chains=1)
    assert [group.tasks for group in queries.list_groups(chained.store, CHECK)] == [3, 2]


@pytest.mark.parametrize("status", ["failed", "escalated", "quarantined"])
def test_a_blocked_task_holds_the_pipeline_up_until_it_is_resolved(
    chained: Workspace, status: str
) -> None:
    made = chain(chained, trigger=ON_PIPELINE)
    lifecycle.set_status(chained.store, 1, TaskStatus(status), at=AT)
    finish_tasks(chained, 2)
    assert drain(chained) == Fired()
    assert explain_chain(chained.store, made.id).reasons == [
        f"1 of 3 tasks of {LABEL} are not finished", f"1 {status} block it",
    ]  # fmt: skip
    lifecycle.set_status(chained.store, 1, TaskStatus.PENDING, at=AT)
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=3, chains=1)


def test_a_pipeline_without_tasks_does_not_fire(chained: Workspace) -> None:
    chain(chained, AUDIT, CHECK, ON_PIPELINE, mapping={"opinion": "body"}, include_existing=True)
    assert drain(chained) == Fired()


def test_a_paused_chain_catches_up_when_it_goes_on(chained: Workspace) -> None:
    made = chain(chained)
    assert set_paused(chained.store, made.id, is_paused=True).is_paused
    finish_tasks(chained, 2)
    assert (drain(chained), drain_chain(chained, made.id, at=LATER)) == (Fired(), Fired())
    set_paused(chained.store, made.id, is_paused=False)
    assert drain(chained) == Fired(created=2, chains=1)


def test_a_chain_follows_its_automation_only_when_that_was_switched(chained: Workspace) -> None:
    made = chain(chained)
    record_automation(chained.store, made.id, "a", is_enabled=True)
    set_paused(chained.store, made.id, is_paused=True)
    assert mirror_automations(chained.store, {"a": True, "b": False}) == []
    assert find_chain(chained.store, made.id).is_paused
    assert mirror_automations(chained.store, {"a": False}) == [made.id]
    assert mirror_automations(chained.store, {"a": True}) == [made.id]
    assert not find_chain(chained.store, made.id).is_paused


def test_a_task_that_does_not_fit_is_told_of_and_goes_in_when_the_mapping_is_changed(
    chained: Workspace,
) -> None:
    made = chain(chained, AUDIT, mapping={"opinion": "sentiment", "made": "body"}, skip=("task",))
    finish_tasks(chained, 3)
    assert drain(chained) == Fired(misfits=3)
    told = explain_chain(chained.store, made.id)
    assert [(misfit.task_id, misfit.code) for misfit in told.misfits] == [
        (1, "invalid_datetime"), (2, "invalid_datetime"), (3, "invalid_datetime"),
    ]  # fmt: skip
    assert queries.list_groups(chained.store, AUDIT) == []
    assert drain(chained) == Fired(), "it is not tried again until something has changed"
    edit_chain(chained.store, made.id, mapping={"opinion": "sentiment"})
    assert drain(chained) == Fired(created=3, chains=1)
    assert find_chain(chained.store, made.id).misfits == 0


def test_a_misfit_does_not_stop_the_others(chained: Workspace, tmp_path: Path) -> None:
    limited = (
        "organizations: [{name: acme, projects: [{name: audits, pipelines: [{name: short, fields: "
        "[{name: review_id, type: text, source: dataset, pattern: '.*[02]'}]}]}]}]"
    )
    apply_vault(chained, tmp_path, limited)
    made = chain(chained, "acme/audits/short")
    finish_tasks(chained, 3)
    assert drain(chained) == Fired(created=2, misfits=1, chains=1)
    assert origins(chained, "acme/audits/short") == [1, 3]
    assert [one.task_id for one in explain_chain(chained.store, made.id).misfits] == [2]
    apply_vault(chained, tmp_path, limited.replace(", pattern: '.*[02]'", ""))
    assert drain(chained) == Fired(created=1, chains=1)


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_a_closed_target_lets_everything_wait_with_the_reason(
    chained: Workspace, status: str
) -> None:
    made = chain(chained)
    finish_tasks(chained, 1)
    set_status(chained, status, CHECK)
    assert drain(chained) == Fired()
    told = explain_chain(chained.store, made.id)
    assert (told.chain.error_code, told.chain.waiting) == ("pipeline_closed", 1)
    set_status(chained, "active", CHECK)
    assert drain(chained) == Fired(created=1, chains=1)
    assert find_chain(chained.store, made.id).error_code is None


def test_a_deleted_chain_leaves_its_tasks_and_nothing_waits(chained: Workspace) -> None:
    made = chain(chained)
    finish_tasks(chained, 1)
    drain(chained)
    finish_tasks(chained, 1)
    delete_chain(chained.store, made.id)
    assert (drain(chained), origins(chained)) == (Fired(), [1])
    assert list_chains(chained.store, "acme") == []
    with pytest.raises(NotFoundError, match=f"there is no chain {made.id}"):
        delete_chain(chained.store, made.id)


def test_what_cannot_be_a_chain_is_refused_in_a_sentence(chained: Workspace) -> None:
    made = chain(chained)
    chain(chained, trigger=ON_PIPELINE)
    for request, reason in [
        ((CHECK, LABEL), f"chain {made.id} leads from {LABEL} to {CHECK} on task-completion"),
        ((LABEL, CHECK), f"would close a cycle.*{CHECK} -> {LABEL} -> {CHECK}"),
        ((LABEL, LABEL), "cannot be chained to itself"),
        ((FOREIGN, LABEL), "nothing crosses an organization"),
    ]:
        with pytest.raises(SeedingError, match=reason):
            chain(chained, *request)
    with pytest.raises(ChainRejectedError, match="unknown_target"):
        chain(chained, AUDIT, mapping={"opinions": "body"})
    with pytest.raises(ChainRejectedError, match=f"chain {made.id} leads"):
        edit_chain(chained.store, made.id + 1, trigger=ON_TASKS)
    with pytest.raises(UsageError, match="there is no organization 'acne'"):
        list_chains(chained.store, "acne")


def test_a_way_of_pipelines_passes_a_task_through(chained: Workspace) -> None:
    chain(chained)
    chain(chained, AUDIT, CHECK, mapping={"opinion": "verdict"})
    finish_tasks(chained, 1)
    drain(chained)
    pipeline = queries.find_pipeline(chained.store, CHECK)
    task = lifecycle.claim_task(chained.store, pipeline, "ann", at=AT)
    assert task is not None
    lifecycle.submit_task(chained.store, task.id, "ann", {"verdict": "right"}, at=AT)
    assert drain(chained) == Fired(created=1, chains=1)
    assert origins(chained, AUDIT) == [task.id]


def at_once(*acts: Any) -> list[Any]:
    """Do all at the same moment; return what came of each, an error of ours as its class."""
    start = threading.Barrier(len(acts))

    def run(act: Any) -> Any:
        start.wait()
        try:
            return act()
        except SeedingError as error:
            return type(error)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_of_two_halves_of_a_cycle_made_at_the_same_moment_one_is_refused_a_hundred_times(
    chained: Workspace,
) -> None:
    back = {"mapping": {"body": "body"}, "skip": ("stars",)}
    for _ in range(100):
        made = at_once(lambda: chain(chained), lambda: chain(chained, LABEL, CHECK, **back))
        assert made.count(ChainRejectedError) == 1
        for left in list_chains(chained.store):
            delete_chain(chained.store, left.id)


def test_six_drains_at_the_same_moment_make_each_task_once(chained: Workspace) -> None:
    chain(chained)
    finish_tasks(chained, 3)
    done = at_once(*[lambda: drain(chained)] * 6)
    assert sum(fired.created for fired in done) == 3
    assert origins(chained) == [1, 2, 3]


def test_no_task_is_lost_that_is_finished_while_the_chain_is_made(
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


def test_the_graph_draws_a_paused_chain_dashed(chained: Workspace) -> None:
    made = chain(chained)
    chain(chained, AUDIT, trigger=ON_PIPELINE)
    set_paused(chained.store, made.id, is_paused=True)
    assert mermaid([one.link for one in list_chains(chained.store, "acme")]).splitlines() == [
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


def test_five_pipelines_pass_a_task_through_to_the_letter(
    chained: Workspace, tmp_path: Path
) -> None:
    paths = [LABEL, *(f"acme/way/station-{number}" for number in range(2, 6))]
    stations = "".join(STATION.format(number) for number in range(2, 6))
    apply_vault(chained, tmp_path, WAY.format(stations))
    for source, target in pairwise(paths):
        chain(chained, target, source, skip=("sentiment",))
    for path in paths[:-1]:
        pipeline = queries.find_pipeline(chained.store, path)
        task = lifecycle.claim_task(chained.store, pipeline, "ann", at=AT)
        assert task is not None
        lifecycle.submit_task(chained.store, task.id, "ann", {"sentiment": "good"}, at=AT)
        assert drain(chained) == Fired(created=1, chains=1)
    assert [fields for _, fields in tasks_of(chained, paths[-1])] == [
        '{"review_id":"people.csv-0"}'
    ]


def test_tasks_finished_while_prefect_is_away_are_there_after_one_sweep(
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
    told: list[str] = []
    swept = reconcile(
        workspace, lambda events: told.extend(e.event for e in events), now=LATER, cleans_up=False
    )
    assert (swept.chained_tasks, origins(workspace)) == (0, list(range(1, 101)))
    assert "seeding.tasks.finished" in told
