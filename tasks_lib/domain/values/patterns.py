"""Match texts with the pattern of a field, which must not take long.

The author of a catalogue writes the pattern, and others the texts. Some patterns take years for a
short text, so the time is limited; the texts of a source or a request end with the first one that
takes too long.
"""

from collections.abc import Callable
from typing import Final

from tasks_lib.domain.names import shortened
from tasks_lib.errors import Problem, SourceProblemError

MAX_SECONDS: Final = 1.0
"""Of processor time, for one text: a hundred times what a usual pattern takes for 1 MB."""


def matcher_of(pattern: str, field_name: str) -> Callable[[str], bool]:
    """Return the function that tells whether a whole text matches a pattern.

    It raises SourceProblemError for a text that takes too long.
    """
    import regex  # type: ignore[import-untyped]  # noqa: PLC0415 - takes time to load

    match = regex.compile(pattern).fullmatch

    def matches(text: str) -> bool:
        try:
            return match(text, timeout=MAX_SECONDS) is not None
        except TimeoutError:
            message = (
                f"matching {shortened(text)} with the pattern {shortened(pattern)} takes longer "
                f"than {MAX_SECONDS:g} second; write the pattern without repetitions inside or "
                "beside each other that match the same text"
            )
            raise SourceProblemError(
                Problem("pattern_too_costly", message, field=field_name)
            ) from None

    return matches
