"""Datasets written around the datastore are those that it would write."""

from __future__ import annotations

import itertools
import tempfile
import unittest
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from lsst.daf.butler import (
    DataCoordinate,
    DatasetProvenance,
    DatasetRef,
    DatasetType,
    DimensionUniverse,
    FormatterV2,
)
from lsst.daf.butler.registry import ConflictingDefinitionError
from lsst.pipe.base import TaskMetadata

from qbb_worker.butler import Store, WorkerButler

RUN = "u/some one/2nd+3rd~v1.1"


class SuffixFormatter(FormatterV2):
    """Decides about the extension of each file, and adds provenance."""

    supported_extensions = frozenset({".one", ".two"})

    def get_write_extension(self) -> str:
        return ".one" if self.data_id["detector"] == 1 else ".two"

    def add_provenance(self, in_memory_dataset: Any, /, *, provenance: Any = None) -> Any:
        return {**in_memory_dataset, "quantum": str(provenance.quantum_id) if provenance else ""}

    def to_bytes(self, in_memory_dataset: Any) -> bytes:
        if "fail" in in_memory_dataset:
            raise ValueError("asked to fail")
        return repr(in_memory_dataset).encode()


class OwnWriteFormatter(SuffixFormatter):
    """Writes in its own way, so that the datastore must let it."""

    def write_direct(self, in_memory_dataset: Any, uri: Any, cache_manager: Any = None) -> bool:
        uri.write(b"in its own way")
        return True


CONFIG = {
    "datastore": {
        "cls": "lsst.daf.butler.datastores.fileDatastore.FileDatastore",
        "root": "<butlerRoot>",
        "templates": {"default": "{run:/}/{datasetType}/{instrument:/}/{datasetType}_{detector}"},
        "formatters": {
            "suffix": "tests.test_places.SuffixFormatter",
            "own": "tests.test_places.OwnWriteFormatter",
        },
    }
}

METADATA = TaskMetadata.from_dict({"a": {"b": float("nan"), "c": [1, 2]}})
OBJECTS = {
    "mapping": ("StructuredDataDict", {"ä": 1, "b": [1.5, None]}),
    "metadata": ("TaskMetadata", METADATA),
    "table": ("ArrowAstropy", Table({"id": [1, 2], "flux": [0.5, np.nan]})),
    "array": ("NumpyArray", np.arange(5)),
    "suffix": ("StructuredDataDict", {"a": 1}),
    "own": ("StructuredDataDict", {"a": 1}),
}
AROUND = set(OBJECTS) - {"own"}


class PlacesTest(unittest.TestCase):
    """One store as it is, and one that leaves all to the datastore."""

    def setUp(self) -> None:
        self.universe = DimensionUniverse()
        group = self.universe.conform(("instrument", "detector"))
        self.types = {
            name: DatasetType(name, group, storage_class)
            for name, (storage_class, _) in OBJECTS.items()
        }
        numbers = itertools.count(1)
        self.refs = {
            (name, detector): DatasetRef(
                dataset_type,
                DataCoordinate.from_required_values(group, ("Cam #1/x", detector)),
                run=RUN,
                id=uuid.UUID(int=next(numbers)),
            )
            for name, dataset_type in self.types.items()
            for detector in (1, 2)
        }
        self.stores = {"around": self.store(), "through": self.store()}
        self.stores["through"]._places._usable = False

    def store(self) -> Store:
        root = self.enterContext(tempfile.TemporaryDirectory())
        return Store.open(Path(root).as_uri() + "/", CONFIG, self.universe, self.types)

    def butler(self, store: Store) -> WorkerButler:
        ids = [ref.id for ref in self.refs.values()]
        return self.enterContext(store.butler((), ids, ()))

    def files(self, store: Store) -> dict[str, bytes]:
        root = Path(store.datastore.root.ospath)
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }

    def test_files_and_records_are_the_same(self) -> None:
        written: dict[str, Any] = {}
        provenance = DatasetProvenance(quantum_id=uuid.UUID(int=99))
        for name, store in self.stores.items():
            butler = self.butler(store)
            for (dataset, _), ref in self.refs.items():
                self.assertFalse(butler.stored(ref))
                butler.put(OBJECTS[dataset][1], ref, provenance=provenance)
                self.assertTrue(butler.stored(ref))
            rows = {key: store.written_rows(ref.id) for key, ref in self.refs.items()}
            written[name] = rows, self.files(store)
            self.assertEqual(butler._metrics.n_put, len(self.refs))
        self.assertEqual(written["around"][0], written["through"][0])
        self.assertEqual(written["around"][1], written["through"][1])
        known = {key[0]: place for key, place in self.stores["around"]._places._known.items()}
        self.assertEqual({name for name, place in known.items() if place is not None}, AROUND)

    def test_what_was_written_is_read_and_found_and_removed(self) -> None:
        store = self.stores["around"]
        ids = [ref.id for ref in self.refs.values()]
        ref = self.refs["mapping", 1]
        with store.butler((), ids, ()) as butler:
            for (dataset, _), written in self.refs.items():
                butler.put(OBJECTS[dataset][1], written)
            self.assertEqual(butler.get(ref), OBJECTS["mapping"][1])
        # As if a later quantum looked.
        with store.butler((), ids, ()) as later:
            existence = later.stored_many(self.refs.values())
            self.assertEqual(set(existence.values()), {True})
            self.assertEqual(later.get(ref), OBJECTS["mapping"][1])
            later.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
            self.assertFalse(later.stored(ref))
        for name, store in self.stores.items():
            with self.subTest(store=name), store.butler((), ids, ()) as same:
                same.put({}, ref)
                same.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
                self.assertFalse(same.stored(ref))

    def test_storage_classes_are_converted_as_registered(self) -> None:
        for name, store in self.stores.items():
            with self.subTest(store=name):
                butler = self.butler(store)
                ref = self.refs["table", 1].overrideStorageClass("ArrowNumpy")
                butler.put(np.array([(1, 0.5)], dtype=[("id", int), ("flux", float)]), ref)
                (row,) = store.written_rows(ref.id)
                self.assertEqual(row["storage_class"], "ArrowAstropy")
                self.assertIsInstance(butler.get(self.refs["table", 1]), Table)

    def test_failures_leave_nothing_and_read_the_same(self) -> None:
        told = {}
        for name, store in self.stores.items():
            butler = self.butler(store)
            with self.assertRaises(RuntimeError) as failed:
                butler.put({"fail": 1}, self.refs["suffix", 1])
            with self.assertRaises(TypeError) as refused:
                butler.put(17, self.refs["mapping", 1])
            told[name] = str(failed.exception), str(refused.exception)
            self.assertEqual(self.files(store), {})
            self.assertEqual(butler.actual_outputs, set())
        self.assertEqual(told["around"], told["through"])

    def test_a_dataset_is_not_written_twice(self) -> None:
        for name, store in self.stores.items():
            with self.subTest(store=name):
                butler = self.butler(store)
                butler.put({}, self.refs["mapping", 1])
                with self.assertRaises(ConflictingDefinitionError):
                    butler.put({}, self.refs["mapping", 1])

    def test_only_predicted_outputs_are_written(self) -> None:
        for store in self.stores.values():
            butler = self.butler(store)
            ref = self.refs["mapping", 1].replace(id=uuid.UUID(int=1000))
            with self.assertRaisesRegex(RuntimeError, "not predicted"):
                butler.put({}, ref)


if __name__ == "__main__":
    unittest.main()
