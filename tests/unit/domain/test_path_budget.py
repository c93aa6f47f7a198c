"""A JSONPath costs a bounded number of steps and seconds, for any path and any document."""

from itertools import repeat
from time import thread_time

import pytest

from tasks_lib.domain.mapping import path_budget
from tasks_lib.domain.mapping.json_paths import PathSyntaxError, compile_path
from tasks_lib.domain.mapping.path_budget import MAX_MATCHES, MAX_PATH_LENGTH, Timing
from tasks_lib.domain.rows.json_rows import parse_value
from tasks_lib.errors import SourceProblemError

NESTED = "[" * 60 + "1" + "]" * 60
WIDE = "[" + ",".join(["[1,2,3]"] * 1_000) + "]"
STEPS = "takes more than 200,000 steps in one document; make it name the way to the value"
TIME = "takes longer than 0.2 seconds in one document; make it name the way to the value"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$" + "[0,0,0,0,0,0,0,0,0,0]" * 8 + "[9]", "[[[[[[[[1]]]]]]]]"),
        ("$" + "..*" * 6 + ".x", NESTED),
        ("$..[?@..[?@..[?@..x]]]", NESTED),
        ("$.*[?count($..*) > 5]", WIDE),
        ("$" + "[0,0,0,0,0,0,0,0,0,0]" * 4 + "[?1 == 2]", "[[[[[" + "1," * 50 + "1]]]]]"),
    ],
    ids=["union", "descendants", "filters", "root", "no node"],
)
def test_too_many_steps_end_the_seeding(path: str, document: str) -> None:
    with pytest.raises(SourceProblemError) as caught:
        compile_path(path)(parse_value(document))
    (problem,) = caught.value.problems
    assert problem.code == "path_too_costly"
    assert problem.message.endswith(STEPS)


@pytest.mark.parametrize("function", ["match", "search"])
def test_a_regular_expression_ends_with_the_time(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_budget, "MAX_SECONDS", 0.2)
    find = compile_path(f"$[?{function}(@, '((a|aa)+)+b')]", Timing(thread_time))
    with pytest.raises(SourceProblemError) as caught:
        find(["a" * 60])
    (problem,) = caught.value.problems
    assert (problem.code, problem.message.endswith(TIME)) == ("path_too_costly", True)


def test_all_documents_together_may_take_a_bounded_time() -> None:
    find = compile_path("$..x", Timing(thread_time, 0.05))
    with pytest.raises(SourceProblemError) as caught:
        list(map(find, repeat(parse_value(NESTED))))
    message = "takes longer than 0.05 seconds for the tasks of one turn"
    assert message in caught.value.problems[0].message


def test_a_path_without_a_bound_for_all_documents_is_used_as_often_as_needed() -> None:
    find = compile_path("$..x")
    assert all(find(parse_value('{"a": [{"x": 1}]}')) == ["1"] for _ in range(20_000))


def test_more_values_than_a_field_can_use_are_not_collected() -> None:
    assert len(compile_path("$[*]")(parse_value("[" + "1," * 5_000 + "1]"))) == MAX_MATCHES + 1
    union = compile_path("$" + "[0,0,0,0,0,0,0,0,0,0]" * 8)
    assert union(parse_value("[[[[[[[[1]]]]]]]]")) == ["1"] * (MAX_MATCHES + 1)


def test_a_path_has_a_bounded_length() -> None:
    path = "$" + ".a" * MAX_PATH_LENGTH
    with pytest.raises(
        PathSyntaxError, match=r"^a JSONPath has 4,001 characters, 2,000 are allowed"
    ):
        compile_path(path)


def test_the_rows_of_a_dataset_may_take_a_time_that_grows_with_their_number() -> None:
    assert Timing.of_rows(thread_time, 20_000) == Timing(thread_time, 30.0, "20,000 rows")
    assert Timing.of_rows(thread_time, 2_000_000).seconds == 3_000
    seconds = iter(range(1_000_000))
    find = compile_path("$..x", Timing.of_rows(lambda: next(seconds) / 10, 1))
    with pytest.raises(SourceProblemError) as caught:
        list(map(find, repeat(parse_value(NESTED))))
    assert "takes longer than 30 seconds for 1 row;" in caught.value.problems[0].message
