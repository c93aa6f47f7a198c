"""Store the files that an archive's rows name, by their content, each one once."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from tasks_lib.domain.files import FileValue
from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.intake.archives.archive_directory import Entry
from tasks_lib.intake.archives.archives import Archive
from tasks_lib.intake.archives.members import Content
from tasks_lib.intake.rows.prefetch import prefetched
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.parallel_writes import FileWrite, ParallelWrites
from tasks_lib.store.files import touch_files

StoredFiles = dict[str, FileValue]
"""Files by their path in the archive."""


def store_files(
    workspace: Workspace,
    archive: Archive,
    entries: Sequence[Entry],
    *,
    should_skip: Callable[[FileValue], bool],
    on_progress: OnProgress = lambda _: None,
) -> StoredFiles:
    """Read the members and store them; return their file values by path.

    From the first one for which ``should_skip`` is true, members are read but no longer stored.
    Each file is noted in the store before it is looked for in the storage, so that a clean-up
    leaves it alone (see docs/concepts/design.md). Raises SourceProblemError where the archive is
    damaged, and UnavailableError; a retry sends only files that are not stored yet.
    """
    with workspace.storage.parallel_writes() as writes:
        storing = _Storing(workspace, writes, should_skip)
        total, done = sum(entry.size for entry in entries), 0
        for batch in prefetched(archive.batches(entries)):
            storing.take(batch)
            done += sum(content.size for content in batch)
            on_progress(Progress(done, total, len(storing.files), "file"))
        archive.file.check_unchanged()
    return storing.files


@dataclass
class _Storing:
    """The state of storing one archive's files."""

    workspace: Workspace
    writes: ParallelWrites
    should_skip: Callable[[FileValue], bool]
    files: StoredFiles = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    is_skipping: bool = False

    def take(self, batch: Collection[Content]) -> None:
        """Note the values of the files, and send those that have not been sent yet."""
        new: dict[str, Content] = {}
        for content in batch:
            value = self._value_of(content)
            self.files[content.entry.path] = value
            self.is_skipping = self.is_skipping or self.should_skip(value)
            if value.uri not in self.sent:
                new[value.uri] = content
        if not self.is_skipping:
            self._send(new)

    def _send(self, new: dict[str, Content]) -> None:
        with self.workspace.store.write() as session:
            sizes = [(uri, content.size) for uri, content in new.items()]
            known = touch_files(session, sizes, at=self.workspace.store.now())
        self.sent.update(new)
        for uri, content in new.items():
            file = FileWrite(content.sha256, content.size, content.content_type, content.data)
            self.writes.submit(file, may_exist=uri in known)

    def _value_of(self, content: Content) -> FileValue:
        return FileValue(
            uri=self.workspace.storage.uri_of(content.sha256),
            name=content.entry.name,
            size=content.size,
            sha256=content.sha256,
            content_type=content.content_type,
        )
