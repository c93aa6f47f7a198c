"""The commands ``erase ...``: erase a contributor's name, or the values of a task."""

from typing import Annotated

from cyclopts import App, Parameter

from tasks_lib.cli.options.arguments import MAINTAIN, Json, WholeNumber
from tasks_lib.cli.options.consent import Yes, confirm
from tasks_lib.cli.output import console
from tasks_lib.cli.workspace import configured_workspace

erase = App(name="erase", help="Erase personal data for good.", group=MAINTAIN)


@erase.command
def contributor(
    name: Annotated[str, Parameter(help="The contributor's name, exactly as in their claims.")],
    /,
    *,
    organization: str | None = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Replace a contributor's name by a pseudonym, wherever it is stored.

    Parameters
    ----------
    organization
        Erase the name in this organization only. By default in all, with a pseudonym in each.
    """
    from tasks_lib.operations.erasure.contributor import erase_contributor

    where = f"in {organization}" if organization is not None else "in all organizations"
    with configured_workspace() as workspace:
        confirm(f"Replace {name!r} by a pseudonym {where}, for good?", yes=yes)
        erased = erase_contributor(
            workspace.store, name, organization=organization, at=workspace.store.now()
        )
    if json:
        console.print_json([one._asdict() for one in erased])
    else:
        for one in erased:
            console.out.print(one.sentence, markup=False)
        if not erased:
            console.out.print(f"Nothing names {name!r}.", markup=False)


@erase.command
def task(
    number: Annotated[WholeNumber, Parameter(name="TASK", help="The task's number.")],
    /,
    *,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove the values and files of a task, and keep the record of it."""
    from tasks_lib.operations.erasure.task import erase_task

    with configured_workspace() as workspace:
        confirm(f"Remove the values and files of task {number}, for good?", yes=yes)
        erased = erase_task(workspace.store, number, at=workspace.store.now())
    if json:
        console.print_json(erased._asdict())
    else:
        console.out.print(erased.sentence, markup=False)
