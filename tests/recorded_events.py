"""A fake Prefect that records the events that it receives."""

from collections.abc import Sequence
from typing import Any

from tasks_lib.domain.events import Event
from tasks_lib.errors import PrefectUnavailableError


class Prefect:
    """Records events, and raises while it is away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False

    def __call__(self, events: Sequence[Event]) -> None:
        if self.is_away:
            raise PrefectUnavailableError("the Prefect server is away")
        self.events.extend(events)

    @property
    def payloads(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and payload of each event, except those of groups."""
        return [
            (event.event, event.payload)
            for event in self.events
            if event.event not in {"seeding.group.created", "seeding.group.finished"}
        ]
