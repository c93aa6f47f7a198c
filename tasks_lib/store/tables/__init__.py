"""The tables. Their constraints forbid what must never happen.

``predefined`` is ``json``, not ``jsonb``: it keeps the digits of numbers and the text of documents
unchanged, and loads faster (docs/concepts/performance.md); values are read whole and
never searched.
"""

from tasks_lib.store.tables.access import ApiKeyRow, IdempotentAnswerRow, UploadRow
from tasks_lib.store.tables.audit import AuditEntryRow
from tasks_lib.store.tables.base import MAX_ID, BigId, JsonText, Table, UtcDateTime
from tasks_lib.store.tables.catalogue import FieldRow, OrganizationRow, PipelineRow, ProjectRow
from tasks_lib.store.tables.chains import ChainInboxRow, ChainRow
from tasks_lib.store.tables.datasets import (
    DatasetItemRow,
    DatasetQueryRow,
    DatasetRow,
    DatasetRowVersionRow,
    DatasetVersionRow,
    ImportRunRow,
    RemovedRow,
    SavedMappingRow,
    StreamRow,
)
from tasks_lib.store.tables.files import GroupFileRow, StoredFileRow
from tasks_lib.store.tables.infinite import InfiniteSeedingRow, InfiniteSourceRow, LeaseRow
from tasks_lib.store.tables.results import DeclaredResultsRow, ResultExportRow
from tasks_lib.store.tables.tasks import (
    UNSETTLED_GROUP,
    AnnouncementRow,
    GroupCountRow,
    RetentionRow,
    RetiredKeyRow,
    SeedingRunRow,
    TaskCountRow,
    TaskGroupRow,
    TaskMoveRow,
    TaskQueueRow,
    TaskRow,
    TaskUpdateRow,
)
from tasks_lib.store.tables.waiting import GroupWaitRow

__all__ = [
    "MAX_ID",
    "UNSETTLED_GROUP",
    "AnnouncementRow",
    "ApiKeyRow",
    "AuditEntryRow",
    "BigId",
    "ChainInboxRow",
    "ChainRow",
    "DatasetItemRow",
    "DatasetQueryRow",
    "DatasetRow",
    "DatasetRowVersionRow",
    "DatasetVersionRow",
    "DeclaredResultsRow",
    "FieldRow",
    "GroupCountRow",
    "GroupFileRow",
    "GroupWaitRow",
    "IdempotentAnswerRow",
    "ImportRunRow",
    "InfiniteSeedingRow",
    "InfiniteSourceRow",
    "JsonText",
    "LeaseRow",
    "OrganizationRow",
    "PipelineRow",
    "ProjectRow",
    "RemovedRow",
    "ResultExportRow",
    "RetentionRow",
    "RetiredKeyRow",
    "SavedMappingRow",
    "SeedingRunRow",
    "StoredFileRow",
    "StreamRow",
    "Table",
    "TaskCountRow",
    "TaskGroupRow",
    "TaskMoveRow",
    "TaskQueueRow",
    "TaskRow",
    "TaskUpdateRow",
    "UploadRow",
    "UtcDateTime",
]
