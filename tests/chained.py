"""Pipelines to be chained, and what is done with them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from people import AT, finish, make_tasks
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.chains import Chain, ChainRequest, create_chain
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
    """Make a chain."""
    return create_chain(workspace, ChainRequest(target, source, trigger, **options), at=AT)


def apply_pipelines(workspace: Workspace, folder: Path, tasks: int = 3) -> None:
    """Make the pipelines of ``vault``, and tasks to be labelled."""
    apply_vault(workspace, folder)
    make_tasks(workspace, folder, tasks)


def finish_tasks(workspace: Workspace, count: int) -> None:
    """Finish so many of the tasks to be labelled, one by one, as contributors do."""
    for _ in range(count):
        finish(workspace.store)


def origins(workspace: Workspace, pipeline: str = CHECK) -> list[int]:
    """Return which source tasks the pipeline's tasks came from, in order."""
    return [row for row, _ in tasks_of(workspace, pipeline)]
