"""Store the files that an archive's rows name: by their content, each one once."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks_lib.domain.files import FileValue
from tasks_lib.intake.archive_directory import Entry
from tasks_lib.intake.archives import Archive
from tasks_lib.intake.members import Content
from tasks_lib.intake.prefetch import prefetched
from tasks_lib.intake.progress import OnProgress, Progress
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.files import Upload
from tasks_lib.storage.uploads import Uploads
from tasks_lib.store.files import touch_files

StoredFiles = dict[str, FileValue]
"""Files by their path in the archive."""


def store_files(
    workspace: Workspace,
    archive: Archive,
    entries: Sequence[Entry],
    *,
    is_in_vain: Callable[[FileValue], bool],
    on_progress: OnProgress = lambda _: None,
) -> StoredFiles:
    """Read the members and store them; return what each of them is.

    From the first one that ``is_in_vain`` on they are only looked at. Each file is noted in the
    store before it is looked for in the storage, so that a clean-up leaves it alone; docs/design.md
    tells how. Raises SourceProblemError where the archive is damaged, and UnavailableError; what is
    stored by then is not sent again.
    """
    with workspace.storage.uploads() as uploads:
        storing = _Storing(workspace, uploads, is_in_vain)
        total, done = sum(entry.size for entry in entries), 0
        for batch in prefetched(archive.batches(entries)):
            storing.take(batch)
            done += sum(content.size for content in batch)
            on_progress(Progress(done, total, len(storing.files), "file"))
        archive.file.check_unchanged()
    return storing.files


@dataclass
class _Storing:
    """The files of one archive on their way into the storage."""

    workspace: Workspace
    uploads: Uploads
    is_in_vain: Callable[[FileValue], bool]
    files: StoredFiles = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    has_given_up: bool = False

    def take(self, batch: Collection[Content]) -> None:
        """Note what the files are; send those that have not been sent yet."""
        new: dict[str, Content] = {}
        for content in batch:
            value = self._value_of(content)
            self.files[content.entry.path] = value
            self.has_given_up = self.has_given_up or self.is_in_vain(value)
            if value.uri not in self.sent:
                new[value.uri] = content
        if not self.has_given_up:
            self._send(new)

    def _send(self, new: dict[str, Content]) -> None:
        with self.workspace.store.write() as session:
            sizes = [(uri, content.size) for uri, content in new.items()]
            known = touch_files(session, sizes, at=datetime.now(UTC))
        self.sent.update(new)
        for uri, content in new.items():
            upload = Upload(content.sha256, content.size, content.content_type, content.data)
            self.uploads.submit(upload, may_exist=uri in known)

    def _value_of(self, content: Content) -> FileValue:
        return FileValue(
            uri=self.workspace.storage.uri_of(content.sha256),
            name=content.entry.name,
            size=content.size,
            sha256=content.sha256,
            content_type=content.content_type,
        )
