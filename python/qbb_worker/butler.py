"""A quantum-backed butler over a datastore that outlives it.

Making a datastore means reading the butler configuration and its defaults,
which is most of the cost of the stock `QuantumBackedButler`.  A worker opens
its datastore once (`Store.open`) and then makes a butler for each quantum
around it (`Store.butler`).

Datasets that are plain files below a local root are written, and looked for,
without the datastore (`~qbb_worker.places`); whatever is special about a
dataset is left to it.
"""

from __future__ import annotations

__all__ = ("Store", "WorkerButler")

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from .places import Place, Places
from .records import MemoryBridge, MemoryBridgeManager, MemoryTableManager

_ROOT_TAG = "<butlerRoot>"

_WHOLE = "__NULL_STRING__"
"""What stands for "no component" in datastore records (`str`)."""

_MAX_TEXT = 8 << 20
"""Most bytes of a dataset that is packed (`int`)."""


class WorkerButler(QuantumBackedButler):
    """The stock butler with ways around the datastore.

    It also has access to what a reply must tell, and keeps the objects written
    for the dataset IDs in ``watched``: metadata and logs of a quantum, from
    which the reply is made, would otherwise have to be read back.  What is
    written for those in ``packed`` goes to ``texts`` instead of files.

    Parameters
    ----------
    store : `Store`
        What all butlers of a worker have in common.
    inputs, outputs : `~collections.abc.Iterable` [ `uuid.UUID` ]
        Datasets that may be read and written.
    **kwargs
        More arguments of the stock butler.
    """

    watched: frozenset[uuid.UUID] = frozenset()
    packed: frozenset[uuid.UUID] = frozenset()

    def __init__(
        self,
        store: Store,
        inputs: Iterable[uuid.UUID],
        outputs: Iterable[uuid.UUID],
        **kwargs: Any,
    ):
        super().__init__(inputs, outputs, store.universe, store.datastore, **kwargs)
        self._store = store
        self.kept: dict[uuid.UUID, Any] = {}
        self.texts: dict[uuid.UUID, str] = {}

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

    def put(self, obj: Any, ref: DatasetRef, /, *, provenance: Any = None) -> DatasetRef:
        # Inherited.
        begin = time.perf_counter()
        if ref.id in self.packed and (text := self._store.text(obj, ref, provenance)) is not None:
            self.texts[ref.id] = text
            self._metrics.increment_put(time.perf_counter() - begin)
            self._actual_output_refs.add(ref)
        elif ref.id in self._predicted_outputs and self._store.write(obj, ref, provenance):
            self._metrics.increment_put(time.perf_counter() - begin)
            self._actual_output_refs.add(ref)
        else:
            super().put(obj, ref, provenance=provenance)
        if ref.id in self.watched:
            self.kept[ref.id] = obj
        return ref

    def stored(self, ref: DatasetRef) -> bool:
        # Inherited.
        return self.stored_many((ref,))[ref]

    def stored_many(self, refs: Iterable[DatasetRef]) -> dict[DatasetRef, bool]:
        # Inherited.
        refs = list(refs)
        existence = {ref: self._store.exists(ref) for ref in refs}
        if unknown := [ref for ref, answer in existence.items() if answer is None]:
            existence.update(self._datastore.mexists(unknown))
        result = {ref: bool(answer) for ref, answer in existence.items()}
        for ref, stored in result.items():
            if ref.id in self._predicted_inputs:
                (self._available_inputs if stored else self._unavailable_inputs).add(ref.id)
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
        self.universe = universe
        self._storage_classes = storage_classes
        self._dataset_types = dataset_types
        bridge = datastore.bridge
        assert isinstance(bridge, MemoryBridge), "The store is opened with MemoryBridgeManager."
        self._bridge = bridge
        self._table_name = str(datastore.config["records", "table"])
        self._table = bridge.opaque.register(self._table_name, None)
        self._places = Places(datastore)
        self._paths: dict[uuid.UUID, str] = {}

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

    def import_formatters(self) -> None:
        """Import what will be needed to read and write datasets.

        Otherwise each process that is forked from this one would do it.
        Whatever cannot be imported is left for those who need it.
        """
        for dataset_type in self._dataset_types.values():
            with suppress(Exception):
                self.datastore.formatterFactory.getFormatterClass(dataset_type)
                _ = dataset_type.storageClass.pytype

    @contextmanager
    def butler(
        self,
        inputs: Iterable[uuid.UUID],
        outputs: Iterable[uuid.UUID],
        blocks: Iterable[Mapping[str, Any]],
        watched: Iterable[uuid.UUID] = (),
        packed: Iterable[uuid.UUID] = (),
    ) -> Iterator[WorkerButler]:
        """Make a butler for one quantum and forget all about it afterwards.

        The inputs may come from repositories whose datastores have other
        names and other tables.  As their paths are absolute, all records can
        be given to this datastore.

        Parameters
        ----------
        inputs, outputs : `~collections.abc.Iterable` [ `uuid.UUID` ]
            Datasets that may be read and written.
        blocks : `~collections.abc.Iterable` [ `~collections.abc.Mapping` ]
            Datastore records of inputs: values of ``datastore_records``
            members of quantum blocks, as JSON.
        watched : `~collections.abc.Iterable` [ `uuid.UUID` ], optional
            Outputs whose objects are to be kept in memory.
        packed : `~collections.abc.Iterable` [ `uuid.UUID` ], optional
            Outputs that are to become texts and not files.

        Yields
        ------
        butler : `WorkerButler`
            Butler, valid inside the context only.
        """
        butler = WorkerButler(
            self,
            inputs,
            outputs,
            storageClasses=self._storage_classes,
            dataset_types=self._dataset_types,
        )
        butler.watched = frozenset(watched)
        butler.packed = frozenset(packed)
        try:
            for block in blocks:
                for data in block.values():
                    self._import(data)
            yield butler
        finally:
            self._bridge.clear()
            self._paths.clear()

    def _import(self, data: Mapping[str, Any]) -> None:
        """Take over the records of one datastore."""
        for by_dataset in data["records"].values():
            for key, by_table in by_dataset.items():
                dataset_id = uuid.UUID(key)
                # A dataset may be in several blocks; its records are complete
                # in each.
                self._table.replace(
                    *(
                        {**row, "dataset_id": dataset_id}
                        for rows in by_table.values()
                        for row in rows
                    )
                )
                self._bridge.hold(dataset_id)

    def records_of(self, blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Tell the executor which datasets have records.

        It takes those for granted and looks for the others.

        Parameters
        ----------
        blocks : `~collections.abc.Iterable` [ `~collections.abc.Mapping` ]
            Values of ``datastore_records`` members of quantum blocks.

        Returns
        -------
        records : `dict` [ `str`, `DatastoreRecordData` ]
            At most one item, keyed by the name of this datastore, without the
            records themselves.  It is absent if there are no records, because
            to the executor no records and an empty set of records do not mean
            the same.
        """
        from lsst.daf.butler.datastore.record_data import DatastoreRecordData

        known: dict[uuid.UUID, dict[str, list[Any]]] = {
            uuid.UUID(dataset_id): {}
            for block in blocks
            for data in block.values()
            for dataset_id in data["dataset_ids"]
        }
        return {self.datastore.name: DatastoreRecordData(records=known)} if known else {}

    def write(self, obj: Any, ref: DatasetRef, provenance: Any) -> bool:
        """Write a dataset if it is a plain one.

        Parameters
        ----------
        obj : `object`
            The dataset.
        ref : `lsst.daf.butler.DatasetRef`
            Its reference.
        provenance : `lsst.daf.butler.DatasetProvenance` or `None`
            Its provenance, as far as the task knows it.

        Returns
        -------
        written : `bool`
            False if the datastore has to do it.
        """
        ref = self._as_registered(ref)
        place = self._places.find(ref)
        if place is None or self._table.rows(ref.id):
            return False
        path = self._path(place, ref)
        size = place.write(obj, ref, path, provenance)
        self._table.replace(
            {
                "dataset_id": ref.id,
                "path": path,
                "formatter": place.formatter_name,
                "storage_class": place.storage_class.name,
                "component": _WHOLE,
                "checksum": None,
                "file_size": size,
            }
        )
        self._bridge.hold(ref.id)
        return True

    def text(self, obj: Any, ref: DatasetRef, provenance: Any) -> str | None:
        """Make what the file of a dataset would hold.

        Parameters
        ----------
        obj : `object`
            The dataset.
        ref : `lsst.daf.butler.DatasetRef`
            Its reference.
        provenance : `lsst.daf.butler.DatasetProvenance` or `None`
            Its provenance, as far as the task knows it.

        Returns
        -------
        text : `str` or `None`
            The content; `None` if it has to become a file.
        """
        ref = self._as_registered(ref)
        place = self._places.find(ref)
        if place is None:
            return None
        content = place.content(obj, ref, self._path(place, ref), provenance)
        return content.decode() if content is not None and len(content) <= _MAX_TEXT else None

    def exists(self, ref: DatasetRef) -> bool | None:
        """Look for a dataset, by its records or at its predicted place.

        Parameters
        ----------
        ref : `lsst.daf.butler.DatasetRef`
            Its reference.

        Returns
        -------
        exists : `bool` or `None`
            Whether it exists; `None` if the datastore has to look.
        """
        if self._table.rows(ref.id):
            return None
        ref = self._as_registered(ref)
        place = self._places.find(ref)
        if place is None:
            return None
        return os.path.exists(place.full_path(self._path(place, ref)))

    def _path(self, place: Place, ref: DatasetRef) -> str:
        """Predict a path; outputs are asked for several times."""
        if (path := self._paths.get(ref.id)) is None:
            path = self._paths[ref.id] = place.path(ref)
        return path

    def _as_registered(self, ref: DatasetRef) -> DatasetRef:
        """Return a reference with the storage class of the repository."""
        dataset_type = self._dataset_types.get(ref.datasetType.name)
        if (
            dataset_type is None
            or dataset_type.storageClass_name == ref.datasetType.storageClass_name
        ):
            return ref
        return ref.overrideStorageClass(dataset_type.storageClass_name)

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
