"""Pipelines for tests of chains, and the steps that those tests share."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from people import AT, finish, make_tasks
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.chains.manage import Chain, ChainRequest, create_chain
from tasks_lib.operations.workspace import Workspace
from vault import CHECK, LABEL, apply_vault, tasks_of

LATER = AT + timedelta(minutes=1)
ON_TASKS = Trigger.TASK_COMPLETION
ON_PIPELINE = Trigger.PIPELINE_COMPLETION


def chain(
    workspace: Workspace,
    target: str = CHECK,
    source: str = LABEL,
    trigger: Trigger = ON_TASKS,
    **options: Any,
) -> Chain:
    """Create a chain."""
    return create_chain(
        workspace, ChainRequest(target=target, source=source, trigger=trigger, **options), at=AT
    )


def apply_pipelines(workspace: Workspace, folder: Path, tasks: int = 3) -> None:
    """Create the pipelines of ``vault`` and tasks to label."""
    apply_vault(workspace, folder)
    make_tasks(workspace, folder, tasks)


def finish_tasks(workspace: Workspace, count: int) -> None:
    """Finish ``count`` of the tasks to label, one by one, as contributors do."""
    for _ in range(count):
        finish(workspace.store)


def origins(workspace: Workspace, pipeline: str = CHECK) -> list[int]:
    """Return the source task of each of the pipeline's tasks, in order."""
    return [row for row, _ in tasks_of(workspace, pipeline)]
