"""Datastore records of one quantum at a time, in dictionaries.

A datastore keeps its records in tables that a registry provides.  The stock
quantum-backed butler gives it an in-memory SQLite database, made anew for
each quantum.  Here the datastore lives as long as the worker, and its tables
are dictionaries that are emptied after each quantum: cheaper to make, cheaper
to query, and memory does not grow with the number of quanta.

The classes implement the interfaces `OpaqueTableStorage` and
`DatastoreRegistryBridge` of ``lsst.daf.butler.registry.interfaces``, which
`QuantumBackedButler` allows to be replaced.
"""

from __future__ import annotations

__all__ = ("MemoryBridge", "MemoryBridgeManager", "MemoryTable", "MemoryTableManager")

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lsst.daf.butler import DimensionUniverse
from lsst.daf.butler.registry import ConflictingDefinitionError
from lsst.daf.butler.registry.interfaces import (
    DatastoreRegistryBridge,
    DatastoreRegistryBridgeManager,
    FakeDatasetRef,
    OpaqueTableStorage,
    OpaqueTableStorageManager,
)


class MemoryTable(OpaqueTableStorage):
    """Records by dataset, in the order in which they were inserted.

    The key of a row is its dataset ID and its component, as in the table that
    a file datastore declares.

    Parameters
    ----------
    name : `str`
        Name of the table.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self._rows: dict[Any, dict[str | None, dict[str, Any]]] = {}

    def clear(self) -> None:
        """Forget all rows."""
        self._rows.clear()

    def rows(self, dataset_id: Any) -> list[dict[str, Any]]:
        """Return the rows of one dataset.

        Parameters
        ----------
        dataset_id : `uuid.UUID`
            Dataset to look up.

        Returns
        -------
        rows : `list` [ `dict` ]
            Its rows, one for each component if it was disassembled; empty if
            the dataset is unknown.
        """
        return list(self._rows.get(dataset_id, {}).values())

    def _put(self, row: dict[str, Any]) -> None:
        self._rows.setdefault(row["dataset_id"], {})[row.get("component")] = row

    def _has(self, row: dict[str, Any]) -> bool:
        return row.get("component") in self._rows.get(row["dataset_id"], {})

    def _drop(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            components = self._rows.get(row["dataset_id"])
            if components is not None:
                components.pop(row.get("component"), None)
                if not components:
                    del self._rows[row["dataset_id"]]

    def insert(self, *data: dict[str, Any], transaction: Any = None) -> None:
        # Inherited; a second row with the same key is an error, as it is for
        # a primary key of a database.
        for row in data:
            if self._has(row):
                raise ConflictingDefinitionError(
                    f"Dataset {row['dataset_id']} was already written or recorded by this quantum."
                )
        if transaction is not None:
            transaction.registerUndo("insert records", self._drop, data)
        for row in data:
            self._put(row)

    def ensure(self, *data: dict[str, Any], transaction: Any = None) -> None:
        self.insert(*(row for row in data if not self._has(row)), transaction=transaction)

    def replace(self, *data: dict[str, Any], transaction: Any = None) -> None:
        for row in data:
            self._put(row)

    def fetch(self, **where: Any) -> Iterator[Mapping[str, Any]]:
        if "dataset_id" in where:
            wanted = where.pop("dataset_id")
            ids = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
            # A list may name a dataset twice; a table would still give it once.
            candidates: Iterable[dict[str, Any]] = (
                row for i in dict.fromkeys(ids) for row in self._rows.get(i, {}).values()
            )
        else:
            candidates = (row for rows in self._rows.values() for row in rows.values())
        for row in list(candidates):
            if all(_matches(row[column], value) for column, value in where.items()):
                yield row

    def fetch_batches(self, **where: Any) -> Iterator[Sequence[Mapping[str, Any]]]:
        if batch := list(self.fetch(**where)):
            yield batch

    def delete(self, columns: Iterable[str], *rows: dict[str, Any]) -> None:
        names = list(columns)
        for pattern in rows:
            self._drop(list(self.fetch(**{name: pattern[name] for name in names})))


def _matches(actual: Any, wanted: Any) -> bool:
    """Apply the constraint language of `OpaqueTableStorage.fetch`."""
    if isinstance(wanted, list | tuple | set | frozenset):
        return actual in wanted
    if isinstance(wanted, str) and wanted.endswith("%"):
        return isinstance(actual, str) and actual.startswith(wanted[:-1])
    return bool(actual == wanted)


class MemoryTableManager(OpaqueTableStorageManager):
    """The tables of all datastores of this process, by name."""

    def __init__(self) -> None:
        super().__init__(registry_schema_version=None)
        self.tables: dict[str, MemoryTable] = {}

    @classmethod
    def initialize(cls, *args: Any, **kwargs: Any) -> MemoryTableManager:
        # Inherited; the database offered is not used.
        return cls()

    @classmethod
    def currentVersions(cls) -> list[Any]:
        # Inherited; nothing is persisted, hence there is no version.
        return []

    def get(self, name: str) -> MemoryTable | None:
        return self.tables.get(name)

    def register(self, name: str, spec: Any) -> MemoryTable:
        return self.tables.setdefault(name, MemoryTable(name))

    def clone(self, db: Any) -> MemoryTableManager:
        return MemoryTableManager()


class MemoryBridge(DatastoreRegistryBridge):
    """The set of datasets that a datastore holds, as far as this quantum goes.

    Parameters
    ----------
    name : `str`
        Name of the datastore.
    opaque : `MemoryTableManager`
        Tables of the same datastore.
    """

    def __init__(self, name: str, opaque: MemoryTableManager):
        super().__init__(name)
        self.opaque = opaque
        self._held: set[Any] = set()
        self._trash: set[Any] = set()

    def clear(self) -> None:
        """Forget all datasets and all records about them."""
        self._held.clear()
        self._trash.clear()
        for table in self.opaque.tables.values():
            table.clear()

    def hold(self, dataset_id: Any) -> None:
        """Add a dataset.

        Parameters
        ----------
        dataset_id : `uuid.UUID`
            Dataset that has records.
        """
        self._held.add(dataset_id)

    def insert(self, refs: Iterable[Any]) -> None:
        self._held.update(ref.id for ref in refs)

    def ensure(self, refs: Iterable[Any]) -> None:
        self.insert(refs)

    def forget(self, refs: Iterable[Any]) -> None:
        self._held.difference_update(ref.id for ref in refs)

    def moveToTrash(self, refs: Iterable[Any], transaction: Any) -> None:
        moved = {ref.id for ref in refs} & self._held
        if transaction is not None:
            transaction.registerUndo("move to trash", self._restore, moved)
        self._held -= moved
        self._trash |= moved

    def _restore(self, moved: set[Any]) -> None:
        self._trash -= moved
        self._held |= moved

    def check(self, datasets: Iterable[Any]) -> set[Any]:
        return self._held.intersection(datasets)

    @contextmanager
    def emptyTrash(
        self,
        records_table: OpaqueTableStorage | None = None,
        record_class: Any = None,
        record_column: str | None = None,
        selected_ids: Collection[Any] | None = None,
        dry_run: bool = False,
    ) -> Iterator[tuple[Iterable[tuple[Any, Any]], set[str] | None]]:
        # Inherited; the second value None leaves it to the datastore to find
        # artifacts that other datasets share.
        chosen = self._trash if selected_ids is None else self._trash.intersection(selected_ids)
        chosen = set(chosen)
        if records_table is None or record_class is None:
            pairs = [(FakeDatasetRef(i), None) for i in chosen]
        else:
            pairs = [
                (FakeDatasetRef(i), record_class.from_record(row))
                for i in chosen
                for row in records_table.fetch(dataset_id=i)
            ]
        yield pairs, None
        if dry_run:
            return
        if records_table is not None:
            records_table.delete(["dataset_id"], *({"dataset_id": i} for i in chosen))
        self._trash -= chosen


class MemoryBridgeManager(DatastoreRegistryBridgeManager):
    """Makes a `MemoryBridge` for each datastore that asks for one.

    Parameters
    ----------
    opaque : `MemoryTableManager`
        Tables that the datastores use.
    universe : `lsst.daf.butler.DimensionUniverse`
        Dimensions of the graph.
    """

    def __init__(self, opaque: MemoryTableManager, universe: DimensionUniverse):
        super().__init__(opaque=opaque, universe=universe, registry_schema_version=None)
        self._memory = opaque
        self._bridges: dict[str, MemoryBridge] = {}

    @classmethod
    def initialize(cls, db: Any, context: Any, **kwargs: Any) -> MemoryBridgeManager:
        # Inherited; the database offered is not used.
        return cls(kwargs["opaque"], kwargs["universe"])

    @classmethod
    def currentVersions(cls) -> list[Any]:
        return []

    def clone(self, *, db: Any, opaque: Any) -> MemoryBridgeManager:
        return MemoryBridgeManager(opaque, self.universe)

    def refresh(self) -> None:
        # Inherited; there are no other clients.
        pass

    def register(self, name: str, *, ephemeral: bool = True) -> MemoryBridge:
        return self._bridges.setdefault(name, MemoryBridge(name, self._memory))

    def findDatastores(self, ref: Any) -> Iterable[str]:
        return [name for name, bridge in self._bridges.items() if bridge.check([ref.id])]
