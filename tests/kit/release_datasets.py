"""Makes the artifacts of a synthetic release and registers them.

Every artifact's content names its dataset type, run and data ID, so reading
the wrong one never goes unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from lsst.daf.butler import (
    Butler,
    CollectionType,
    Config,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    FileDataset,
    FormatterV2,
)
from lsst.daf.butler.formatters.json import JsonFormatter
from lsst.daf.butler.formatters.parquet import ParquetFormatter

TABLE = "ArrowAstropy"
PARTS = "KitParts"
"""Storage class of the release's own whose components have files of their own."""
INGEST_BATCH = 5_000


def table_bytes(identity: dict[str, Any]) -> bytes:
    """Make a small parquet file whose content depends on an identity."""
    text = json.dumps(identity, sort_keys=True)
    numbers = hashlib.blake2b(text.encode(), digest_size=8).digest()
    n_rows = 1 + numbers[0] % 5
    table = pyarrow.table(
        {
            "id": pyarrow.array(range(n_rows), type=pyarrow.int64()),
            "flux": pyarrow.array([byte / 8 for byte in numbers[1 : 1 + n_rows]]),
            "origin": pyarrow.array([text] * n_rows),
        }
    )
    # The rowcount component cannot be read from a schema without metadata.
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table.replace_schema_metadata({"made_by": "kit"}), sink)
    return sink.getvalue().to_pybytes()


def define_parts(config: Config) -> None:
    """Let a repository have a storage class that is stored in parts.

    Parameters
    ----------
    config : `lsst.daf.butler.Config`
        Configuration of the repository, changed in place.
    """
    config["storageClasses", PARTS] = {
        "pytype": "dict",
        "delegate": "lsst.daf.butler.StorageClassDelegate",
        "components": {"counts": "StructuredDataDict", "summary": "StructuredDataDict"},
    }
    config["datastore", "composites", "disassembled", PARTS] = True


class Archive:
    """Writes artifacts into a repository and keeps count.

    Parameters
    ----------
    butler : `lsst.daf.butler.Butler`
        Writeable butler.
    outside : `pathlib.Path`
        Directory for the artifacts that the repository refers to by absolute
        URI instead of owning them.
    """

    def __init__(self, butler: Butler, outside: Path):
        (root,) = butler.get_datastore_roots().values()
        assert root is not None, "a file datastore has a root"
        self.butler = butler
        self.incoming = Path(root.ospath) / "incoming"
        self.outside = outside
        self.n_datasets = 0

    def define(
        self, name: str, dimensions: Iterable[str], storage_class: str, *, calibration: bool = False
    ) -> DatasetType:
        """Register a dataset type."""
        group = self.butler.dimensions.conform(dimensions)
        dataset_type = DatasetType(name, group, storage_class, isCalibration=calibration)
        self.butler.registry.registerDatasetType(dataset_type)
        return dataset_type

    def store(
        self,
        dataset_type: DatasetType,
        data_ids: Iterable[DataCoordinate],
        run: str,
        *,
        in_place: bool = False,
    ) -> list[DatasetRef]:
        """Write one artifact for each data ID and ingest them into a run.

        Parameters
        ----------
        dataset_type : `lsst.daf.butler.DatasetType`
            Registered dataset type.
        data_ids : iterable of `lsst.daf.butler.DataCoordinate`
            Expanded data IDs.
        run : `str`
            RUN collection; made if it does not exist.
        in_place : `bool`, optional
            Leave the artifacts outside of the repository.
        """
        self.butler.collections.register(run, CollectionType.RUN)
        directory = self.outside if in_place else self.incoming
        directory.mkdir(parents=True, exist_ok=True)
        table = dataset_type.storageClass_name == TABLE
        formatter: type[FormatterV2] = ParquetFormatter if table else JsonFormatter
        files: list[FileDataset] = []
        for data_id in data_ids:
            ref = DatasetRef(dataset_type, data_id, run=run)
            identity = {"type": dataset_type.name, "run": run, "data_id": dict(data_id.required)}
            content = table_bytes(identity) if table else json.dumps(identity).encode()
            suffix = "parq" if table else "json"
            path = directory / f"{dataset_type.name}_{self.n_datasets:07d}.{suffix}"
            path.write_bytes(content)
            files.append(FileDataset(str(path), [ref], formatter=formatter))
            self.n_datasets += 1
        for start in range(0, len(files), INGEST_BATCH):
            self.butler.ingest(
                *files[start : start + INGEST_BATCH], transfer="direct" if in_place else "move"
            )
        return [ref for file in files for ref in file.refs]

    def store_parts(
        self, dataset_type: DatasetType, data_ids: Iterable[DataCoordinate], run: str
    ) -> None:
        """Write datasets of `PARTS` into a run, which the middleware takes apart."""
        for data_id in data_ids:
            ref = DatasetRef(dataset_type, data_id, run=run)
            identity = {"type": dataset_type.name, "run": run, **dict(data_id.required)}
            self.butler.put({"counts": {"parts": 2}, "summary": identity}, ref)
            self.n_datasets += 1

    def data_ids(
        self, dimensions: Sequence[str], where: str = "", **values: Any
    ) -> list[DataCoordinate]:
        """Return the expanded data IDs of some dimensions in sorted order."""
        with self.butler.query() as query:
            if where or values:
                query = query.where(where, **values)
            found = query.join_dimensions(dimensions).data_ids(dimensions).with_dimension_records()
            return sorted(found)

    def chain(self, name: str, *children: str) -> None:
        """Make a CHAINED collection."""
        self.butler.collections.register(name, CollectionType.CHAINED)
        self.butler.collections.redefine_chain(name, children)
