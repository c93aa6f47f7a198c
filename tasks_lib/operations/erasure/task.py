"""Remove a task's values and files, and keep the record that it existed and was worked on."""

from datetime import datetime
from typing import NamedTuple

from tasks_lib.domain.audit import Action
from tasks_lib.domain.lifecycle import DONE, Move
from tasks_lib.operations.tasks.move import move_task_in
from tasks_lib.operations.tasks.read import find_stored_task
from tasks_lib.store import audit, catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import erasure, undo
from tasks_lib.store.tasks.moves import Note


class ErasedTask(NamedTuple):
    """An erased task, its status, and how many tasks that were made from it have own values."""

    task_id: int
    pipeline_id: int
    status: str
    made_from_it: int

    @property
    def sentence(self) -> str:
        """The result as a sentence."""
        sentence = f"Task {self.task_id} is {self.status} and has no values any more."
        if self.made_from_it:
            sentence += f" Tasks that were made from it keep theirs: {self.made_from_it:,}."
        return sentence


def erase_task(store: Store, task_id: int, *, at: datetime) -> ErasedTask:
    """Remove a task's seeded and filled-in values, its files, and the reasons of its moves.

    A task that is not finished is withdrawn, so that nobody gets it without its values. Files that
    no other task has are deleted a day later. Raises NotFoundError, and MoveNotAllowedError if the
    task is finished meanwhile.
    """
    with store.write() as session:
        task = find_stored_task(session, task_id)
        status = task.status
        erasure.forget_reasons(session, task_id)
        if status not in DONE:
            note = Note(store.actor, at, "the task was erased")
            status = move_task_in(session, task, Move.WITHDRAW, note).status
        erasure.empty_task(session, task.pipeline_id, task_id, at=at)
        fields = catalogue.get_pipeline(session, task.pipeline_id).file_fields
        undo.drop_file_references(session, task.group_id, [field.name for field in fields])
        subject = f"task {task_id} of pipeline {task.pipeline_id}"
        action = Action.TASK_ERASED
        audit.record_for_pipeline(session, task.pipeline_id, action, subject, by=store.actor, at=at)
        made = erasure.count_made_from(session, task)
    return ErasedTask(task_id, task.pipeline_id, status.value, made)
