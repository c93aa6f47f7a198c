"""Old spellings of options still work in this release, and print the new spelling."""

import pytest

from tasks_lib.cli.deprecated import OLD_SPELLINGS, replace_old_spellings


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        pytest.param(
            "seed dataset 1 reviews --mapping shop@2 --dry-run",
            "seed dataset 1 reviews --mapping-name shop@2 --dry-run",
            "--mapping is deprecated and will be removed in 0.4; use --mapping-name",
            id="an option",
        ),
        pytest.param(
            "seed pipeline 1 2 --mapping=shop",
            "seed pipeline 1 2 --mapping-name=shop",
            "--mapping is deprecated and will be removed in 0.4; use --mapping-name",
            id="an option with an equals sign",
        ),
        pytest.param(
            "tasks list 1 --status in-progress --limit 5",
            "tasks list 1 --status in_progress --limit 5",
            "--status in-progress is deprecated and will be removed in 0.4; "
            "use --status in_progress",
            id="a value",
        ),
        pytest.param(
            "tasks list 1 --status=in-progress",
            "tasks list 1 --status=in_progress",
            "--status in-progress is deprecated and will be removed in 0.4; "
            "use --status in_progress",
            id="a value after an equals sign",
        ),
    ],
)
def test_an_old_spelling_is_replaced_with_a_warning_on_stderr(
    old: str, new: str, warning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replace_old_spellings(old.split()) == new.split()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"warning: {warning}\n")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "apply",
        "--help",
        "mapping show 1 --mapping",
        "seed dataset 1 reviews --map mapping=--mapping --save-mapping shop",
        "tasks list in-progress --group in-progress",
        "chain create 1 2 --on task-completion --map status=in-progress",
    ],
)
def test_everything_else_stays_as_it_was_typed(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replace_old_spellings(line.split()) == line.split()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_no_old_spelling_is_a_new_one_of_the_same_command() -> None:
    for old in OLD_SPELLINGS.values():
        assert set(old.options).isdisjoint(old.options.values())
        assert {value for _, value in old.values}.isdisjoint(old.values.values())
