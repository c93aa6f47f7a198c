"""The rows of stored files: writers wait for each other, and referenced files are kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import NoneType

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from servers import PATIENCE_SECONDS
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import StorageUnavailableError
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.files import delete_marked, mark_unreferenced, refer_to_files, touch_files
from tasks_lib.store.groups import task_groups

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = THEN + timedelta(hours=1)
A, B, C = "file:///files/a", "file:///files/b", "file:///files/c"


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return workspace.store


@pytest.fixture
def aside() -> Iterator[Callable[..., Future[object]]]:
    """Run a function in its own thread, that is, on another connection."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def touch(store: Store, *uris: str, at: datetime = THEN) -> set[str]:
    with store.write() as session:
        return touch_files(session, [(uri, 7) for uri in uris], at=at)


def group(session: Session, key: str = "key") -> int:
    return task_groups.ensure_group(
        session, pipeline_id=1, kind=SeedKind.ZIP, seed_key=key, source="a.zip", at=THEN
    ).group_id


def refer(store: Store, *uris: str, key: str = "key") -> None:
    with store.write() as session:
        refer_to_files(session, group(session, key), uris)


def mark(store: Store, before: datetime = LATER) -> list[str]:
    with store.write() as session:
        return mark_unreferenced(session, before=before, limit=10)


def take(store: Store, *uris: str) -> list[str]:
    with store.write() as session:
        return delete_marked(session, uris)


def rows(store: Store) -> list[tuple[str, bool]]:
    """Return each file and whether it is marked."""
    with store.read() as session:
        files = session.execute(
            text("SELECT uri, touched_at IS NULL FROM stored_files ORDER BY uri")
        )
        return [(uri, bool(is_marked)) for uri, is_marked in files]


def references(store: Store) -> list[tuple[int, str]]:
    with store.read() as session:
        pairs = session.execute(text("SELECT group_id, uri FROM group_files ORDER BY 1, 2"))
        return [(group_id, uri) for group_id, uri in pairs]


def is_waiting(future: Future[object]) -> bool:
    return bool(wait([future], timeout=0.3).not_done)


def test_touching_returns_the_existing_files(store: Store) -> None:
    assert touch(store, B, A, A) == set()
    assert touch(store, C, A, at=LATER) == {A}
    assert rows(store) == [(A, False), (B, False), (C, False)]
    assert mark(store) == [B]


def test_touching_takes_any_number_of_files(store: Store) -> None:
    many = [f"file:///files/{number:05}" for number in range(2_000)]
    assert touch(store, *many) == set()
    assert touch(store, *many) == set(many)
    refer(store, *many)
    assert len(references(store)) == 2_000


def test_a_touch_that_is_rolled_back_leaves_nothing(store: Store) -> None:
    def touch_and_fail() -> None:
        with store.write() as session:
            touch_files(session, [(A, 7)], at=THEN)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        touch_and_fail()
    assert rows(store) == []


def test_touching_the_same_files_in_different_orders_does_not_deadlock(
    store: Store, aside: Callable[..., Future[object]]
) -> None:
    uris = [f"file:///files/{number}" for number in range(200)]
    both = [aside(touch, store, *order) for order in (uris, uris[::-1]) for _ in range(4)]
    assert all(future.result() in (set(), set(uris)) for future in both)
    assert rows(store) == [(uri, False) for uri in sorted(uris)]


def test_only_old_files_without_a_group_are_marked_and_only_marked_ones_taken(
    store: Store,
) -> None:
    touch(store, A, B, C)
    touch(store, C, at=LATER)
    refer(store, A)
    assert take(store, A, B, C) == []
    assert mark(store) == [B]
    assert rows(store) == [(A, False), (B, True), (C, False)]
    assert take(store, A, B, C) == [B]
    assert rows(store) == [(A, False), (C, False)]
    assert references(store) == [(1, A)]


def test_marks_go_through_the_files_in_steps(store: Store) -> None:
    touch(store, A, B, C)
    with store.write() as session:
        assert mark_unreferenced(session, before=LATER, limit=2) == [A, B]
        assert mark_unreferenced(session, before=LATER, limit=2, after=B) == [C]
        assert mark_unreferenced(session, before=LATER, limit=2, after=C) == []


def test_a_leftover_mark_is_found_again(store: Store) -> None:
    touch(store, A)
    assert [mark(store), mark(store), take(store, A), mark(store)] == [[A], [A], [A], []]


def test_a_touch_removes_the_mark_and_does_not_assume_that_the_file_exists(store: Store) -> None:
    touch(store, A)
    mark(store)
    assert touch(store, A, at=LATER) == set()
    assert take(store, A) == []
    assert rows(store) == [(A, False)]


@pytest.mark.parametrize("was_marked", [True, False], ids=["marked", "gone"])
def test_a_file_that_a_clean_up_has_begun_to_remove_cannot_be_referenced(
    store: Store, was_marked: bool
) -> None:
    touch(store, A, B)
    mark(store)
    touch(store, A)
    if not was_marked:
        take(store, B)
    with pytest.raises(
        StorageUnavailableError,
        match=f"^{B} was cleaned up while its tasks were made; run it again$",
    ):
        refer(store, A, B)
    assert references(store) == []


def test_a_touch_waits_for_a_clean_up_and_then_the_file_is_new(
    store: Store, aside: Callable[..., Future[object]]
) -> None:
    touch(store, A)
    mark(store)
    with store.write() as session:
        assert delete_marked(session, [A]) == [A]
        touched = aside(touch, store, A)
        assert is_waiting(touched)
    assert touched.result() == set()
    assert rows(store) == [(A, False)]


@pytest.mark.parametrize("fails", [False, True], ids=["comes through", "fails"])
def test_a_reference_made_while_a_clean_up_removes_the_file_comes_too_late(
    store: Store, aside: Callable[..., Future[object]], fails: bool
) -> None:
    waiting = list[Future[object]]()

    def clean_up() -> None:
        with store.write() as session:
            assert delete_marked(session, [A]) == [A]
            waiting.append(aside(refer, store, A))
            if store.is_postgresql:  # there it sees the mark
                assert waiting[0].exception(PATIENCE_SECONDS) is not None
            else:
                assert is_waiting(waiting[0])
            if fails:
                raise ZeroDivisionError  # the file may be gone already

    touch(store, A)
    mark(store)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        clean_up()
    assert isinstance(waiting[0].exception(), StorageUnavailableError)
    assert (rows(store), references(store)) == ([(A, True)] if fails else [], [])


@pytest.mark.parametrize("fails", [False, True], ids=["comes through", "fails"])
def test_a_reference_waits_for_a_clean_up_that_marks_the_file(
    store: Store, aside: Callable[..., Future[object]], fails: bool
) -> None:
    waiting = list[Future[object]]()

    def clean_up() -> None:
        with store.write() as session:
            assert mark_unreferenced(session, before=LATER, limit=10) == [A]
            waiting.append(aside(refer, store, A))
            assert is_waiting(waiting[0])
            if fails:
                raise ZeroDivisionError

    touch(store, A)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        clean_up()
    assert isinstance(waiting[0].exception(), NoneType if fails else StorageUnavailableError)
    assert (rows(store), references(store)) == ([(A, not fails)], [(1, A)] if fails else [])


def test_a_clean_up_keeps_files_that_are_being_touched(
    store: Store, aside: Callable[..., Future[object]]
) -> None:
    touch(store, A)
    with store.write() as session:
        touch_files(session, [(A, 7)], at=LATER)
        marked = aside(mark, store)
        is_waiting(marked)
    assert marked.result() == []
    assert rows(store) == [(A, False)]


def test_a_clean_up_keeps_files_that_are_being_referenced(
    store: Store, aside: Callable[..., Future[object]]
) -> None:
    touch(store, A)
    with store.write() as session:
        refer_to_files(session, group(session), [A])
        marked = aside(mark, store)
        is_waiting(marked)
    assert marked.result() == []
    assert mark(store) == []
    assert (rows(store), references(store)) == ([(A, False)], [(1, A)])


def test_two_groups_may_have_the_same_file(store: Store) -> None:
    touch(store, A)
    refer(store, A, A, key="first")
    refer(store, A, key="second")
    assert references(store) == [(1, A), (2, A)]


def test_the_database_itself_keeps_referenced_files(store: Store) -> None:
    touch(store, A)
    refer(store, A)
    with (
        pytest.raises(IntegrityError, match=r"FOREIGN KEY|fk_group_files_uri"),
        store.write() as session,
    ):
        session.execute(text("DELETE FROM stored_files"))
