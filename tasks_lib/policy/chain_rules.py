"""Whether a chain may be: no way along the chains leads back to where it began."""

from collections import defaultdict
from collections.abc import Iterable

from tasks_lib.domain.chains import Edge


def cycle_with(edges: Iterable[Edge], new: Edge) -> list[int]:
    """Return the pipelines of the cycle that ``new`` would close, from its source back to it.

    The list is empty where there is none. What fires the chains does not matter.
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
    return _way_back(came_from, new)


def _way_back(came_from: dict[int, int], new: Edge) -> list[int]:
    if new.source_id not in came_from:
        return []
    way = [new.source_id]
    while len(way) == 1 or way[-1] != new.source_id:
        way.append(came_from[way[-1]])
    return way[::-1]
