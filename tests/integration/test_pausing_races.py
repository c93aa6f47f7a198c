"""A pipeline is paused and resumed while contributors work: nobody is refused, no count is lost.

RACE_ROUNDS sets how often it is paused and resumed: RACE_ROUNDS=600 takes one to two minutes.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from databases import is_waiting
from people import AT, NO_TASKS, counts, recount
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.manage import ChainRequest, create_chain, find_chain
from tasks_lib.operations.seeding.bulk_create import BulkRequest, bulk_create
from tasks_lib.operations.tasks.move import claim_task, release_task, submit_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store import catalogue
from tasks_lib.store.chains import chains
from tasks_lib.store.engine import Store

ROUNDS = int(os.environ.get("RACE_ROUNDS", "5"))
TASKS = 25_000
WORKERS = 8
COLLECT, CHECK = "acme/reviews/collect", "acme/reviews/check"
_CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
"""
_PIPELINE = """
          - name: {name}
            status: {status}
            fields:
              - {{name: verdict, type: text, source: input, required: false}}
"""


def write_catalogue(folder: Path, *names: str, status: str = "active") -> Path:
    path = folder / f"{'-'.join(names)}-{status}.yaml"
    path.write_text(
        _CATALOGUE + "".join(_PIPELINE.format(name=one, status=status) for one in names)
    )
    return path


@pytest.fixture
def on_postgresql(postgresql_store_url: str, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace on PostgreSQL, the only database on which two transactions can write at once."""
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, write_catalogue(tmp_path, "collect", "check"))
    yield Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
    store.close()


def create_blank(workspace: Workspace, count: int) -> int:
    """Create tasks to work on; return the id of their pipeline."""
    bulk_create(workspace, BulkRequest(pipeline=COLLECT, count=count), run_id="blank")
    return find_pipeline(workspace.store, COLLECT).id


def test_contributors_work_while_their_pipeline_is_paused_and_resumed(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    store, pipeline_id = on_postgresql.store, create_blank(on_postgresql, TASKS)
    documents = [write_catalogue(tmp_path, "collect", status=it) for it in ("paused", "active")]
    is_over = Event()

    def work(number: int) -> int:
        name, done = f"contributor-{number}", 0
        while not is_over.is_set():
            task = claim_task(store, pipeline_id, name, at=AT)
            if task is not None and done % 2:
                submit_task(store, task.id, name, {}, at=AT)
            elif task is not None:
                release_task(store, task.id, contributor=name, at=AT)
            done += task is not None
        return done

    def pause_and_resume() -> None:
        try:
            for _ in range(ROUNDS):
                for document in documents:
                    apply_catalogue(store, document)
        finally:
            is_over.set()

    with ThreadPoolExecutor(WORKERS + 1) as pool:
        working = [pool.submit(work, number) for number in range(WORKERS)]
        pool.submit(pause_and_resume).result()
        assert all(one.result() for one in working)
    assert counts(store, COLLECT) == recount(store, COLLECT)
    assert counts(store, COLLECT).total == TASKS
    assert counts(store, COLLECT).by_status[TaskStatus.PAUSED] == 0


def test_claims_and_submissions_do_not_wait_for_a_change_of_their_pipeline(
    on_postgresql: Workspace,
) -> None:
    store, pipeline_id = on_postgresql.store, create_blank(on_postgresql, WORKERS)
    together = Barrier(WORKERS)
    project_id = find_pipeline(store, COLLECT).project_id

    def work(number: int) -> TaskStatus:
        together.wait()  # each has a connection, and thereby a row of counts, of its own
        task = claim_task(store, pipeline_id, f"contributor-{number}", at=AT)
        assert task is not None
        return submit_task(store, task.id, f"contributor-{number}", {}, at=AT).status

    with ThreadPoolExecutor(WORKERS) as pool, store.write() as session:
        assert catalogue.lock_pipeline_for_update(session, project_id, "collect") is not None
        done = [pool.submit(work, number).result for number in range(WORKERS)]
        assert [result(timeout=PATIENCE_SECONDS) for result in done] == [
            TaskStatus.FINISHED
        ] * WORKERS


def test_a_submission_does_not_wait_until_a_chain_has_fired(on_postgresql: Workspace) -> None:
    store, pipeline_id = on_postgresql.store, create_blank(on_postgresql, 1)
    request = ChainRequest(target=CHECK, source=COLLECT, trigger=Trigger.TASK_COMPLETION)
    chain = create_chain(on_postgresql, request, at=AT)
    task = claim_task(store, pipeline_id, "ann", at=AT)
    assert task is not None
    with ThreadPoolExecutor(1) as pool, store.write() as session:
        assert chains.lock_chain(session, chain.id) is not None
        submitting = pool.submit(submit_task, store, task.id, "ann", {}, at=AT)
        assert submitting.result(timeout=PATIENCE_SECONDS).status == TaskStatus.FINISHED
    assert find_chain(store, chain.id).waiting == 1


def test_a_release_does_not_wait_for_a_change_of_its_pipeline(on_postgresql: Workspace) -> None:
    store, pipeline_id = on_postgresql.store, create_blank(on_postgresql, 1)
    task = claim_task(store, pipeline_id, "ann", at=AT)
    assert task is not None
    project_id = find_pipeline(store, COLLECT).project_id
    with ThreadPoolExecutor(1) as pool, store.write() as session:
        assert catalogue.lock_pipeline_for_update(session, project_id, "collect") is not None
        releasing = pool.submit(release_task, store, task.id, at=AT)
        assert releasing.result(timeout=PATIENCE_SECONDS).status == TaskStatus.PENDING


def test_a_pause_waits_for_claims_that_had_begun_and_later_ones_find_nothing(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    store, pipeline_id = on_postgresql.store, create_blank(on_postgresql, 3)
    paused = write_catalogue(tmp_path, "collect", status="paused")
    with ThreadPoolExecutor(2) as pool:
        with store.write() as session:
            early = claim_task(store.within(session), pipeline_id, "ann", at=AT)
            pausing = pool.submit(apply_catalogue, store, paused)
            wait_until(lambda: find_pipeline(store, COLLECT).status is PipelineStatus.PAUSED)
            wait_until(lambda: is_waiting(store))
            late = pool.submit(claim_task, store, pipeline_id, "ben", at=AT)
            assert not pausing.done()
        pausing.result(timeout=PATIENCE_SECONDS)
        assert late.result(timeout=PATIENCE_SECONDS) is None
    assert early is not None
    assert counts(store, COLLECT).by_status == NO_TASKS | {
        TaskStatus.IN_PROGRESS: 1,
        TaskStatus.PAUSED: 2,
    }


def test_catalogues_that_name_the_same_pipelines_in_other_orders_are_applied_one_by_one(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    documents = [
        [write_catalogue(tmp_path, *names, status=status) for status in ("paused", "active")]
        for names in (("collect", "check", "new"), ("new", "check", "collect"))
    ]
    together = Barrier(len(documents))

    def apply_both(statuses: list[Path]) -> int:
        applied = 0
        for _ in range(20):
            for document in statuses:
                together.wait()
                applied += len(apply_catalogue(on_postgresql.store, document))
        return applied

    with ThreadPoolExecutor(len(documents)) as pool:
        assert list(pool.map(apply_both, documents)) == [120, 120]
