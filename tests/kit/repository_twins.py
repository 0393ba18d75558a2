"""Two equal repositories, and all that the middleware can be asked about one."""

from __future__ import annotations

import contextlib
import io
import shutil
import uuid
from pathlib import Path
from typing import Any

from lsst.daf.butler import (
    Butler,
    CollectionType,
    Config,
    DatasetRef,
    DatasetType,
    FileDataset,
    Timespan,
)
from lsst.daf.butler.formatters.json import JsonFormatter

CAMERA = "Cam"
HASH = "r/a#b"
"""A RUN of whose files the middleware deletes none unless it deletes all: it takes what follows the
``#`` for the name of a member of an archive.
"""
RUNS = ["r/one", "r/two", HASH, "r/three four"]
SOURCE_RUNS = ["r/one", "r/three four"]
"""RUNs of the repository from which datasets can be brought."""
TAGS = ["t/one", "t/two"]
CALIBS = ["c/one", "c/two"]
CHAINS = ["chain/a", "chain/b", "chain/c"]
TYPES = ["image", "flat", "dark", "note"]
CALIBRATIONS = ["flat", "dark"]
DETECTORS = (1, 2, 3)
UNIQUE = uuid.UUID("8f3b1c52-2f5a-4c39-9d39-0a4c7a5e9b11")


def dataset_types(butler: Butler) -> dict[str, DatasetType]:
    """Return the dataset types, by name."""
    dimensions = butler.dimensions.conform(["instrument", "detector"])
    nothing = butler.dimensions.conform([])
    return {
        "image": DatasetType("image", dimensions, "StructuredDataDict"),
        "flat": DatasetType("flat", dimensions, "StructuredDataDict", isCalibration=True),
        "dark": DatasetType("dark", dimensions, "StructuredDataDict", isCalibration=True),
        "note": DatasetType("note", nothing, "StructuredDataDict"),
    }


def make_ref(butler: Butler, name: str, run: str, detector: int) -> DatasetRef:
    """Make a reference whose UUID depends on what it is of alone."""
    dataset_type = dataset_types(butler)[name]
    values = {} if name == "note" else {"instrument": CAMERA, "detector": detector}
    data_id = butler.registry.expandDataId(values, dimensions=dataset_type.dimensions)
    return DatasetRef(dataset_type, data_id, run, id=uuid.uuid5(UNIQUE, f"{name} {run} {values}"))


def put(root: str, name: str, run: str, detector: int) -> None:
    """Put a dataset as the middleware does."""
    with Butler.from_config(root, writeable=True) as butler:
        put_into(butler, name, run, detector)


def put_into(butler: Butler, name: str, run: str, detector: int) -> None:
    """Put a dataset whose content and UUID depend on what it is of alone."""
    ref = make_ref(butler, name, run, detector)
    butler.put({"what": f"{name} {run} {detector}"}, ref)


def register_camera(butler: Butler) -> None:
    """Register what all datasets need."""
    butler.registry.insertDimensionData("instrument", {"name": CAMERA, "detector_max": 9})
    for detector in DETECTORS:
        record = {"instrument": CAMERA, "id": detector, "full_name": f"D{detector}"}
        butler.registry.insertDimensionData("detector", record)
    for dataset_type in dataset_types(butler).values():
        butler.registry.registerDatasetType(dataset_type)


def make_repository(
    root: Path, elsewhere: Path, database: str | None = None, schema: str | None = None
) -> None:
    """Make a repository with files of all sorts: its own, referenced, shared, in an archive.

    Equal arguments give equal repositories, UUIDs included.
    """
    config = Config()
    if database is not None:
        config["registry", "db"] = database
        config["registry", "namespace"] = schema
    Butler.makeRepo(str(root), config=config)
    elsewhere.mkdir()
    with Butler.from_config(root, writeable=True) as butler:
        register_camera(butler)
        for run in RUNS:
            butler.collections.register(run)
        for names, kind in [
            (TAGS, CollectionType.TAGGED),
            (CALIBS, CollectionType.CALIBRATION),
            (CHAINS, CollectionType.CHAINED),
        ]:
            for name in names:
                butler.collections.register(name, kind, f"About {name}.")
        for run in ("r/one", HASH):
            for name in TYPES:
                for detector in DETECTORS[: 1 if name == "note" else 3]:
                    put_into(butler, name, run, detector)
        referenced = elsewhere / "referenced.json"
        referenced.write_text("{}")
        ref = make_ref(butler, "image", "r/two", 1)
        butler.ingest(
            FileDataset(str(referenced), [ref], formatter=JsonFormatter), transfer="direct"
        )
        shared = elsewhere / "shared.json"
        shared.write_text('{"shared": true}')
        refs = [make_ref(butler, "image", "r/two", detector) for detector in (2, 3)]
        butler.ingest(FileDataset(str(shared), refs, formatter=JsonFormatter), transfer="copy")
        butler.collections.redefine_chain("chain/a", ["r/two", "r/one"])
        butler.collections.redefine_chain("chain/b", ["chain/a", "c/one", "t/one"])
    # Members of archives, which are taken from a repository beside.
    beside = elsewhere / "beside"
    Butler.makeRepo(beside)
    with Butler.from_config(beside, writeable=True) as source:
        register_camera(source)
        source.collections.register("r/two")
        refs = [make_ref(source, "flat", "r/two", detector) for detector in DETECTORS]
        for ref in refs:
            source.put({"packed": True}, ref)
        archive = source.retrieve_artifacts_zip(refs, destination=str(elsewhere))
    with Butler.from_config(root, writeable=True) as butler:
        butler.ingest_zip(archive, transfer="copy")
    shutil.rmtree(beside)


def make_source(root: Path) -> None:
    """Make a repository whose datasets can be brought, some of them those of `make_repository`."""
    Butler.makeRepo(root)
    with Butler.from_config(root, writeable=True) as butler:
        register_camera(butler)
        for run in SOURCE_RUNS:
            butler.collections.register(run)
            for name in TYPES:
                for detector in DETECTORS[: 1 if name == "note" else 3]:
                    put_into(butler, name, run, detector)


def describe(root: Path, elsewhere: Path) -> dict[str, Any]:
    """Ask the middleware for all that matters, in a form that can be compared."""
    state: dict[str, Any] = {}
    with (
        Butler.from_config(root, writeable=False) as butler,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        collections = {}
        stored: dict[str, bool] = {}
        runs = []
        for info in butler.collections.query_info("*", include_chains=True, include_doc=True):
            collections[info.name] = [info.type.name, list(info.children), info.doc]
            if info.type is CollectionType.RUN:
                runs.append(info.name)
        state["collections"] = collections
        every = [name for name, (kind, *_) in collections.items() if kind != "CHAINED"]
        members: dict[str, list] = {}
        for name in TYPES:
            for found in butler.registry.queryDatasetAssociations(
                name, collections=every, flattenChains=False
            ):
                ref, timespan = found.ref, found.timespan
                row = [name, str(ref.id), ref.run, None if timespan is None else str(timespan)]
                members.setdefault(found.collection, []).append(row)
        state["members"] = {name: sorted(rows, key=str) for name, rows in members.items()}
        if runs:
            refs = butler.query_all_datasets(runs, find_first=False, limit=None)
            for ref in refs:
                stored[str(ref.id)] = butler.stored(ref)
        state["stored"] = stored
        state["trash"] = sorted(str(uri) for uri in trash(butler))
    inside = (path for path in root.rglob("*") if path.is_file())
    own = ("butler.yaml", "gen3.sqlite3")
    state["files"] = sorted(
        str(path.relative_to(root))
        for path in inside
        if not path.name.startswith(own) and HASH not in str(path)
    )
    state["elsewhere"] = sorted(path.name for path in elsewhere.iterdir())
    return state


def trash(butler: Butler) -> list[Any]:
    """Return what is still to be deleted."""
    return list(butler._datastore.emptyTrash(dry_run=True))


def timespan(begin: str | None, end: str | None) -> Timespan:
    """Return the validity range between two dates."""
    import astropy.time

    def time(text: str | None) -> Any:
        return None if text is None else astropy.time.Time(text, scale="tai")

    return Timespan(time(begin), time(end))
