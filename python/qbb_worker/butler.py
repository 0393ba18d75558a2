"""A quantum-backed butler over a datastore that outlives it.

Making a datastore means reading the butler configuration and its defaults,
which is most of the cost of the stock `QuantumBackedButler`.  A worker opens
its datastore once (`Store.open`) and then makes a butler for each quantum
around it (`Store.butler`).
"""

from __future__ import annotations

__all__ = ("Store", "WorkerButler")

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lsst.daf.butler import (
    ButlerConfig,
    Config,
    DatasetRef,
    DatasetType,
    DimensionUniverse,
    QuantumBackedButler,
)
from lsst.daf.butler.datastores.fileDatastore import FileDatastore

from .errors import WorkerError
from .records import MemoryBridge, MemoryBridgeManager, MemoryTableManager

_ROOT_TAG = "<butlerRoot>"


class WorkerButler(QuantumBackedButler):
    """The stock butler, with access to what a reply must tell.

    It also keeps the objects written for the dataset IDs in ``watched``:
    metadata and logs of a quantum, from which the reply is made, would
    otherwise have to be read back.
    """

    watched: frozenset[uuid.UUID] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.kept: dict[uuid.UUID, Any] = {}

    @property
    def actual_inputs(self) -> set[uuid.UUID]:
        """Inputs that were read and exist (`set` [ `uuid.UUID` ])."""
        return self._actual_inputs - self._unavailable_inputs

    @property
    def available_inputs(self) -> set[uuid.UUID]:
        """Inputs known to exist because something looked."""
        return set(self._available_inputs)

    @property
    def actual_outputs(self) -> set[uuid.UUID]:
        """Outputs written and not removed again (`set` [ `uuid.UUID` ])."""
        return {ref.id for ref in self._actual_output_refs}

    def put(self, obj: Any, ref: DatasetRef, /, **kwargs: Any) -> DatasetRef:
        result = super().put(obj, ref, **kwargs)
        if ref.id in self.watched:
            self.kept[ref.id] = obj
        return result


class Store:
    """The output datastore of a worker.

    Parameters
    ----------
    datastore : `lsst.daf.butler.datastores.fileDatastore.FileDatastore`
        Datastore in trust mode whose tables are a `MemoryBridge`.
    storage_classes : `lsst.daf.butler.StorageClassFactory`
        Storage classes of the configuration.
    universe : `lsst.daf.butler.DimensionUniverse`
        Dimensions of the graph.
    dataset_types : `~collections.abc.Mapping`
        Registry dataset types by name.
    """

    def __init__(
        self,
        datastore: FileDatastore,
        storage_classes: Any,
        universe: DimensionUniverse,
        dataset_types: Mapping[str, DatasetType],
    ):
        self.datastore = datastore
        self._storage_classes = storage_classes
        self._universe = universe
        self._dataset_types = dataset_types
        bridge = datastore.bridge
        assert isinstance(bridge, MemoryBridge), "The store is opened with MemoryBridgeManager."
        self._bridge = bridge
        self._table_name = str(datastore.config["records", "table"])
        self._table = bridge.opaque.register(self._table_name, None)

    @classmethod
    def open(
        cls,
        root: str,
        tree: Mapping[str, Any],
        universe: DimensionUniverse,
        dataset_types: Mapping[str, DatasetType],
        search_paths: Sequence[str] = (),
    ) -> Store:
        """Open the datastore of a repository without its registry.

        Parameters
        ----------
        root : `str`
            URI of the root folder of the datastore; created if it is local
            and missing.
        tree : `~collections.abc.Mapping`
            Content of the repository's ``butler.yaml``; may be empty.
        universe : `lsst.daf.butler.DimensionUniverse`
            Dimensions of the graph.
        dataset_types : `~collections.abc.Mapping`
            Registry dataset types by name.
        search_paths : `~collections.abc.Sequence` [ `str` ], optional
            Folders in which configuration is looked for before elsewhere.

        Raises
        ------
        WorkerError
            Raised with kind ``datastore`` if the configuration is wrong, the
            root cannot be used, or the datastore is not a file datastore.
        """
        config = Config(dict(tree))
        if ("datastore", "name") not in config:
            # Datastores are named after the root as it is written in the
            # configuration; replacing it must not rename the datastore.
            written = config.get(("datastore", "root"), _ROOT_TAG)
            config["datastore", "name"] = f"FileDatastore@{written}"
        config["root"] = root
        config["datastore", "root"] = _ROOT_TAG
        try:
            template = QuantumBackedButler.from_predicted(
                config=ButlerConfig(config, searchPaths=list(search_paths) or None),
                predicted_inputs=(),
                predicted_outputs=(),
                dimensions=universe,
                datastore_records={},
                OpaqueManagerClass=MemoryTableManager,
                BridgeManagerClass=MemoryBridgeManager,
                dataset_types=dataset_types,
            )
        except Exception as exc:
            raise WorkerError(
                "datastore",
                f"Cannot open the datastore at {root}: {type(exc).__name__}: {exc}",
                hint="Check the root's permissions and the 'datastore' section of butler.yaml.",
            ) from exc
        datastore = template._datastore
        template.close()
        if not isinstance(datastore, FileDatastore):
            raise WorkerError(
                "datastore",
                f"The datastore at {root} is a {type(datastore).__name__}, "
                "but only a plain FileDatastore is supported.",
                hint="Use a personal repository with the default datastore configuration.",
            )
        return cls(datastore, template.storageClasses, universe, dataset_types)

    @contextmanager
    def butler(
        self,
        inputs: Iterable[uuid.UUID],
        outputs: Iterable[uuid.UUID],
        records: Mapping[str, Any],
        watched: Iterable[uuid.UUID] = (),
    ) -> Iterator[WorkerButler]:
        """Make a butler for one quantum and forget all about it afterwards.

        Parameters
        ----------
        inputs, outputs : `~collections.abc.Iterable` [ `uuid.UUID` ]
            Datasets that may be read and written.
        records : `~collections.abc.Mapping`
            Datastore records of inputs (`DatastoreRecordData`), by datastore
            name; see `adopt_records`.
        watched : `~collections.abc.Iterable` [ `uuid.UUID` ], optional
            Outputs whose objects are to be kept in memory.

        Yields
        ------
        butler : `WorkerButler`
            Butler, valid inside the context only.
        """
        butler = WorkerButler(
            inputs,
            outputs,
            self._universe,
            self.datastore,
            storageClasses=self._storage_classes,
            dataset_types=self._dataset_types,
        )
        butler.watched = frozenset(watched)
        try:
            self.datastore.import_records(records)
            yield butler
        finally:
            self._bridge.clear()

    def adopt_records(self, blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Convert the datastore records of quantum blocks for this datastore.

        The inputs may come from repositories whose datastores have other
        names and other tables.  As their paths are absolute, all records can
        be given to this datastore.

        Parameters
        ----------
        blocks : `~collections.abc.Iterable` [ `~collections.abc.Mapping` ]
            Values of ``datastore_records`` members, as JSON.

        Returns
        -------
        records : `dict` [ `str`, `DatastoreRecordData` ]
            At most one item, keyed by the name of this datastore.  It is
            absent if there are no records, because to the executor no records
            and an empty set of records do not mean the same.
        """
        from lsst.daf.butler.datastore.record_data import DatastoreRecordData
        from lsst.daf.butler.datastore.stored_file_info import StoredFileInfo

        merged: dict[uuid.UUID, dict[str, list[Any]]] = {}
        for block in blocks:
            for data in block.values():
                for dataset_id in data["dataset_ids"]:
                    merged.setdefault(uuid.UUID(dataset_id), {})
                for by_dataset in data["records"].values():
                    for dataset_id, by_table in by_dataset.items():
                        # A dataset may be in several blocks; its records are
                        # complete in each.
                        merged[uuid.UUID(dataset_id)] = {
                            self._table_name: [
                                StoredFileInfo.from_record(row)
                                for rows in by_table.values()
                                for row in rows
                            ]
                        }
        return {self.datastore.name: DatastoreRecordData(records=merged)} if merged else {}

    def written_rows(self, dataset_id: uuid.UUID) -> list[dict[str, Any]]:
        """Return the records of a dataset that was just written.

        Parameters
        ----------
        dataset_id : `uuid.UUID`
            Dataset written through the current butler.

        Returns
        -------
        rows : `list` [ `dict` ]
            One record for each file, with true sizes, without the dataset ID.
        """
        return [self._complete(dict(row)) for row in self._table.rows(dataset_id)]

    def found_rows(self, refs: Iterable[DatasetRef]) -> dict[uuid.UUID, list[dict[str, Any]]]:
        """Look for datasets at their predicted places.

        Parameters
        ----------
        refs : `~collections.abc.Iterable` [ `lsst.daf.butler.DatasetRef` ]
            Predicted outputs.

        Returns
        -------
        rows : `dict` [ `uuid.UUID`, `list` [ `dict` ] ]
            Records, with true sizes, of those that exist.
        """
        found: dict[uuid.UUID, list[dict[str, Any]]] = {}
        for data in self.datastore.export_predicted_records(refs).values():
            for dataset_id, by_table in data.records.items():
                for info in by_table.get(self._table_name, ()):
                    try:
                        row = self._complete(info.to_record())
                    except FileNotFoundError:
                        continue
                    found.setdefault(dataset_id, []).append(row)
        return found

    def _complete(self, row: dict[str, Any]) -> dict[str, Any]:
        """Strip the key from a record and fill in its size if unknown."""
        row.pop("dataset_id", None)
        if row["file_size"] is None or row["file_size"] < 0:
            row["file_size"] = self.datastore.root.join(row["path"]).size()
        return row
