"""Chains: when work finishes in a source pipeline, it becomes tasks of a target pipeline."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple


class Trigger(StrEnum):
    """When a chain fires."""

    TASK_COMPLETION = "task-completion"
    GROUP_COMPLETION = "group-completion"
    PIPELINE_COMPLETION = "pipeline-completion"


class Edge(NamedTuple):
    """A chain as an edge of the organization's graph, by pipeline ids."""

    source_id: int
    target_id: int


class Link(NamedTuple):
    """A chain in a drawing: the paths of its pipelines, and the label of the line."""

    source: str
    target: str
    trigger: Trigger
    is_paused: bool = False


def find_cycle(edges: Iterable[Edge], new: Edge) -> list[int]:
    """Return the pipelines of the cycle that ``new`` would close, from its source back to it.

    The list is empty if there is no cycle. Triggers do not matter.
    """
    targets: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        targets[edge.source_id].append(edge.target_id)
    came_from: dict[int, int] = {new.target_id: new.source_id}
    to_visit = [new.target_id]
    while to_visit and new.source_id not in came_from:
        pipeline = to_visit.pop()
        for target in targets[pipeline]:
            if target not in came_from:
                came_from[target] = pipeline
                to_visit.append(target)
    return _trace_back(came_from, new)


def _trace_back(came_from: dict[int, int], new: Edge) -> list[int]:
    if new.source_id not in came_from:
        return []
    way = [new.source_id]
    while len(way) == 1 or way[-1] != new.source_id:
        way.append(came_from[way[-1]])
    return way[::-1]


def draw_mermaid(links: Sequence[Link]) -> str:
    """Return the chains as a Mermaid flowchart; a paused one is dashed."""
    paths = sorted({path for link in links for path in (link.source, link.target)})
    names = {path: f"p{number}" for number, path in enumerate(paths, start=1)}
    lines = ["flowchart LR"]
    lines += [f'    {name}["{_escape(path)}"]' for path, name in names.items()]
    for link in links:
        label = f"{link.trigger.value}, paused" if link.is_paused else link.trigger.value
        arrow = "-.->" if link.is_paused else "-->"
        lines.append(f'    {names[link.source]} {arrow}|"{label}"| {names[link.target]}')
    return "\n".join(lines)


def _escape(text: str) -> str:
    """Replace characters that would end a Mermaid text by their numbers."""
    return "".join(f"#{ord(letter)};" if letter in '"#<>&;`' else letter for letter in text)
