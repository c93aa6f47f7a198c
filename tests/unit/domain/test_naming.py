"""The name and the labels of a group, and what is wrong with them."""

import pytest

from tasks_lib.domain.naming import UNNAMED, Naming, check_naming, read_naming
from tasks_lib.errors import UsageError


def test_labels_are_read_up_to_the_first_equals_sign() -> None:
    naming = read_naming("reviews of January", ["batch=night", "acme/run.id=a=b"])
    assert naming == Naming("reviews of January", {"batch": "night", "acme/run.id": "a=b"})
    assert naming.members == {
        "name": "reviews of January",
        "labels": {"batch": "night", "acme/run.id": "a=b"},
    }
    assert naming.pairs == "batch=night, acme/run.id=a=b"


def test_without_both_a_group_is_unnamed() -> None:
    assert read_naming("", ()) == UNNAMED
    assert (UNNAMED.members, UNNAMED.pairs) == ({}, "")


@pytest.mark.parametrize(
    ("name", "pairs", "message"),
    [
        (
            " x",
            [],
            "group name ' x' must have 1 to 200 characters and no white space at its ends",
        ),
        ("", ["night"], "label 'night' must be KEY=VALUE, such as batch=night"),
        ("", ["a=1", "a=2"], "label 'a' is given twice; give each label once"),
        (
            "",
            ["-a=1"],
            "label '-a' must have 1 to 63 letters, digits and ._/- as its key, with a letter or "
            "digit at both ends",
        ),
        (
            "",
            ["a="],
            "label a is ''; its value must have 1 to 200 characters and no white space at its ends",
        ),
        (
            "",
            ["a=b\0c"],
            "label a is 'b<U+0000>c' (with U+0000 control character); it must not hold those "
            "characters",
        ),
        (
            "",
            [f"a{number}=1" for number in range(21)],
            "the group has 21 labels; it can have at most 20",
        ),
    ],
)
def test_a_wrong_name_or_label_is_a_usage_error(name: str, pairs: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_naming(name, pairs)
    assert str(caught.value) == message


def test_an_equals_sign_cannot_be_in_a_key() -> None:
    with pytest.raises(UsageError, match="as its key"):
        check_naming("", {"a=b": "c"})
