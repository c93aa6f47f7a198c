"""A chain with a JSONPath that is too costly is stopped; the chains of others go on."""

from pathlib import Path

import pytest

from people import AT
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.due import Fired, fire_due
from tasks_lib.operations.chains.manage import (
    ChainRequest,
    create_chain,
    edit_chain,
    explain_chain,
    set_paused,
)
from tasks_lib.operations.idempotency import Answer
from tasks_lib.operations.seeding.create_tasks import create_tasks
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.workspace import Workspace

_ORGANIZATION = """
  - name: {name}
    projects:
      - name: labels
        pipelines:
          - name: source
            fields:
              - {{name: j, type: json, source: dataset}}
              - {{name: done, type: text, source: input}}
          - name: target
            fields:
              - {{name: body, type: integer, source: dataset}}
"""
COSTLY = "j:$" + "[0,0,0,0,0,0,0,0,0,0]" * 7 + "[9]"
DEEP = b'{"tasks":[{"fields":{"j":[[[[[[[[7]]]]]]]]}}]}'


@pytest.fixture
def two(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with a finished task in each of two organizations."""
    path = tmp_path / "two.yaml"
    texts = [_ORGANIZATION.format(name=name) for name in ("rough", "tidy")]
    path.write_text("organizations:" + "".join(texts))
    apply_catalogue(workspace.store, path)
    for name in ("rough", "tidy"):
        source = find_pipeline(workspace.store, f"{name}/labels/source")
        create_tasks(
            workspace, source.id, DEEP, source="test", answer=lambda _: Answer(201, b""), at=AT
        )
        task = claim_task(workspace.store, source.id, "ann", at=AT)
        assert task is not None
        submit_task(workspace.store, task.id, "ann", {"done": "yes"}, at=AT)
    return workspace


def chain(workspace: Workspace, name: str, path: str) -> int:
    request = ChainRequest(
        target=f"{name}/labels/target",
        source=f"{name}/labels/source",
        trigger=Trigger.TASK_COMPLETION,
        mapping={"body": path},
        include_existing=True,
    )
    return create_chain(workspace, request, at=AT).id


def test_a_costly_chain_is_paused_with_the_reason_and_others_fire(two: Workspace) -> None:
    rough, tidy = chain(two, "rough", COSTLY), chain(two, "tidy", "j:$" + "[0]" * 8)
    assert fire_due(two, at=AT) == Fired(1, 0, 1)
    assert explain_chain(two.store, tidy).chain.waiting == 0
    stopped = explain_chain(two.store, rough).chain
    assert (stopped.is_paused, stopped.waiting) == (True, 1)
    assert stopped.error_code == "path_too_costly"
    assert stopped.error_message == (
        f"the JSONPath {COSTLY[2:62]!r}... (151 characters) takes more than 200,000 steps in one "
        "document; make it name the way to the value. The chain is paused: edit its mapping and "
        "resume it"
    )
    assert fire_due(two, at=AT) == Fired()
    edit_chain(two.store, rough, mapping={"body": "j:$" + "[0]" * 8})
    set_paused(two.store, rough, is_paused=False)
    assert fire_due(two, at=AT) == Fired(1, 0, 1)
    assert explain_chain(two.store, rough).chain.error_code is None
