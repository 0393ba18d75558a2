"""Datastore tables in memory behave like those of a registry."""

from __future__ import annotations

import unittest
import uuid
from typing import Any

from lsst.daf.butler.datastore import DatastoreTransaction
from lsst.daf.butler.datastore.stored_file_info import StoredFileInfo
from lsst.daf.butler.registry import ConflictingDefinitionError
from lsst.daf.butler.registry.interfaces import FakeDatasetRef

from qbb_worker.records import MemoryBridge, MemoryTableManager

A, B = uuid.UUID(int=1), uuid.UUID(int=2)


def row(dataset_id: uuid.UUID, path: str, component: str = "__NULL_STRING__") -> dict[str, Any]:
    """Make a record of a file."""
    return {
        "dataset_id": dataset_id,
        "path": path,
        "component": component,
        "formatter": "x.F",
        "storage_class": "StructuredDataDict",
        "checksum": None,
        "file_size": 1,
    }


class RecordsTest(unittest.TestCase):
    """Tables and bridges."""

    def setUp(self) -> None:
        manager = MemoryTableManager()
        self.table = manager.register("records", None)
        self.bridge = MemoryBridge("store", manager)

    def paths(self, **where: Any) -> list[str]:
        return sorted(r["path"] for r in self.table.fetch(**where))

    def test_fetch_by_dataset_path_and_prefix(self) -> None:
        self.table.insert(row(A, "a/1", "x"), row(A, "a/2", "y"), row(B, "b#1"))
        self.assertEqual(self.paths(dataset_id=A), ["a/1", "a/2"])
        self.assertEqual(self.paths(dataset_id=[B, B]), ["b#1"])
        self.assertEqual(self.paths(path={"a/2", "none"}), ["a/2"])
        self.assertEqual(self.paths(path="b#%"), ["b#1"])
        self.assertEqual(self.paths(dataset_id=A, component="y"), ["a/2"])
        self.assertEqual(self.paths(), ["a/1", "a/2", "b#1"])

    def test_second_insert_of_a_key_is_refused(self) -> None:
        self.table.insert(row(A, "a"))
        with self.assertRaises(ConflictingDefinitionError):
            self.table.insert(row(A, "other"))
        self.table.ensure(row(A, "other"), row(B, "b"))
        self.assertEqual(self.paths(), ["a", "b"])
        self.table.replace(row(A, "other"))
        self.assertEqual(self.paths(dataset_id=A), ["other"])

    def test_failed_transaction_removes_what_it_inserted(self) -> None:
        transaction = DatastoreTransaction()
        self.table.insert(row(A, "a"))
        self.table.insert(row(B, "b"), transaction=transaction)
        transaction.rollback()
        self.assertEqual(self.paths(), ["a"])

    def test_trash_is_emptied_only_as_far_as_asked(self) -> None:
        self.table.insert(row(A, "a"), row(B, "b"))
        self.bridge.insert([FakeDatasetRef(A), FakeDatasetRef(B)])
        self.bridge.moveToTrash([FakeDatasetRef(A), FakeDatasetRef(B)], None)
        self.assertEqual(self.bridge.check([A, B]), set())
        for dry_run, left in ((True, ["a", "b"]), (False, ["b"])):
            with self.bridge.emptyTrash(
                self.table, StoredFileInfo, "path", selected_ids={A}, dry_run=dry_run
            ) as (trashed, keep):
                self.assertIsNone(keep)
                self.assertEqual([(ref.id, info.path) for ref, info in trashed], [(A, "a")])
            self.assertEqual(self.paths(), left)

    def test_trash_survives_a_failed_removal(self) -> None:
        self.table.insert(row(A, "a"))
        self.bridge.insert([FakeDatasetRef(A)])
        self.bridge.moveToTrash([FakeDatasetRef(A)], None)
        with self.assertRaises(OSError), self.bridge.emptyTrash(self.table, StoredFileInfo):
            raise OSError("cannot remove")
        self.assertEqual(self.paths(), ["a"])

    def test_clear_forgets_everything(self) -> None:
        self.table.insert(row(A, "a"))
        self.bridge.insert([FakeDatasetRef(A), FakeDatasetRef(B)])
        self.bridge.moveToTrash([FakeDatasetRef(B)], None)
        self.bridge.clear()
        self.assertEqual((self.paths(), self.bridge.check([A, B])), ([], set()))
        with self.bridge.emptyTrash(self.table, StoredFileInfo) as (trashed, _):
            self.assertEqual(list(trashed), [])


if __name__ == "__main__":
    unittest.main()
