"""Chains must not form a cycle."""

import pytest

from tasks_lib.domain.chains import Edge, find_cycle


@pytest.mark.parametrize(
    ("edges", "new", "cycle"),
    [
        pytest.param([], (1, 2), [], id="the first chain"),
        pytest.param([(2, 1)], (1, 2), [1, 2, 1], id="there and back"),
        pytest.param([(2, 3), (3, 4), (4, 1)], (1, 2), [1, 2, 3, 4, 1], id="a long way round"),
        pytest.param([(1, 3), (3, 2)], (1, 2), [], id="two ways to the same end"),
        pytest.param([(2, 3), (3, 2)], (1, 2), [], id="a cycle elsewhere does not end the search"),
        pytest.param([(2, 3), (2, 4), (4, 1), (3, 5)], (1, 2), [1, 2, 4, 1], id="a branch"),
    ],
)
def test_a_cycle_is_listed_from_its_start(
    edges: list[tuple[int, int]], new: tuple[int, int], cycle: list[int]
) -> None:
    assert find_cycle([Edge(*edge) for edge in edges], Edge(*new)) == cycle
