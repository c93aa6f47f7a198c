"""What a chain is: when work finishes in a source pipeline, tasks are made in a target pipeline."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Trigger(StrEnum):
    """When a chain fires."""

    TASK_COMPLETION = "task-completion"
    PIPELINE_COMPLETION = "pipeline-completion"


class Edge(NamedTuple):
    """A chain as a line of the organization's graph: from which pipeline to which."""

    source_id: int
    target_id: int


class Link(NamedTuple):
    """A chain in a drawing: the paths that it joins, and what stands at the line."""

    source: str
    target: str
    trigger: Trigger
    is_paused: bool = False


def mermaid(links: Sequence[Link]) -> str:
    """Return the chains as a Mermaid flowchart; a paused one is dashed."""
    paths = sorted({path for link in links for path in (link.source, link.target)})
    names = {path: f"p{number}" for number, path in enumerate(paths, start=1)}
    lines = ["flowchart LR"]
    lines += [f'    {name}["{_escaped(path)}"]' for path, name in names.items()]
    for link in links:
        label = f"{link.trigger.value}, paused" if link.is_paused else link.trigger.value
        arrow = "-.->" if link.is_paused else "-->"
        lines.append(f'    {names[link.source]} {arrow}|"{label}"| {names[link.target]}')
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Write what would end a Mermaid text as its number."""
    return "".join(f"#{ord(letter)};" if letter in '"#<>&;`' else letter for letter in text)
