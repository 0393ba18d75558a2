#!/usr/bin/env python3
"""Check folders and archives that `qbb retrieve-artifacts` makes.

    python check_artifacts.py --qbb target/debug/qbb RELEASE SCRATCH

The middleware retrieves the same datasets, from the release and from a
repository that keeps them in an archive: files, places and indexes must be the
same. It then ingests our archive into another repository, whose datasets must
be those of the release; ``--root`` says where that has its files.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, Config, DatasetRef
from lsst.daf.butler.script.queryDatasets import QueryDatasets

from kit_support import KitError, make_parser, script_main

INDEX = "_butler_zip_index.json"
TYPES = ["raw", "skyMap", "flat", "visit_parts"]
WHERE = "instrument = 'QbbCam' AND detector < 2"
PARTS = "visit_parts"
"""Dataset type whose components have files of their own."""


def retrieve(args: argparse.Namespace, repo: str, folder: Path, *more: str) -> dict[str, Any]:
    """Retrieve with our command."""
    command = [args.qbb, "--format", "json", "retrieve-artifacts", repo, str(folder), *more]
    process = subprocess.run(
        [*command, "--limit=0"], capture_output=True, text=True, check=False, timeout=120
    )
    if process.returncode:
        raise KitError(f"{' '.join(command)}: {process.stderr}")
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer


def index_of(text: str | bytes) -> dict[str, Any]:
    """Return an index as it can be compared; what an archive's member was called before is not."""
    index: dict[str, Any] = json.loads(text)
    for artifact in index["artifact_map"].values():
        artifact["ids"].sort()
        del artifact["info"]["path"]
    for rows in index["refs"]["dimension_records"].values():
        rows.sort(key=json.dumps)
    return index


def files_of(folder: Path) -> list[str]:
    """Return the paths of all files in a folder."""
    found = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    return sorted(str(path.relative_to(folder)) for path in found)


def compare_folders(what: str, real: Path, own: Path) -> list[str]:
    """Say how two folders differ."""
    names = files_of(real)
    if names != (ours := files_of(own)):
        return [f"{what}: {sorted(set(names) ^ set(ours))[:4]} are in one of them"]
    if index_of((real / INDEX).read_bytes()) != index_of((own / INDEX).read_bytes()):
        return [f"{what}: the indexes {real / INDEX} and {own / INDEX} differ"]
    return [
        f"{what}: {name} differs"
        for name in names
        if name != INDEX and not filecmp.cmp(real / name, own / name, shallow=False)
    ]


def compare_archives(real: Path, own: Path) -> list[str]:
    """Say how two archives differ."""
    with zipfile.ZipFile(real) as theirs, zipfile.ZipFile(own) as ours:
        if bad := ours.testzip():
            return [f"{bad} in {own} is broken"]
        names = sorted(theirs.namelist())
        if names != sorted(ours.namelist()):
            return [f"{sorted(set(names) ^ set(ours.namelist()))[:4]} are in one archive"]
        if index_of(theirs.read(INDEX)) != index_of(ours.read(INDEX)):
            return [f"the indexes of {real} and {own} differ"]
        return [n for n in names if n != INDEX and theirs.read(n) != ours.read(n)]


def compare_uris(
    args: argparse.Namespace, repo: str, butler: Butler, refs: list[DatasetRef]
) -> list[str]:
    """Say whose URIs differ, of datasets and of components, or who is right that there are none."""
    problems = []
    for ref in refs:
        data_id = [f"{name}={value}" for name, value in ref.dataId.required.items()]
        place = ["--collections", ref.run]
        uris = butler.getURIs(ref)
        parts = {name: str(uri) for name, uri in uris.componentURIs.items()}
        whole = {"uri": uris.primaryURI and str(uris.primaryURI), "components": parts}
        questions = [([str(ref.id)], whole), ([ref.datasetType.name, *data_id, *place], whole)]
        for name, uri in parts.items():
            # The middleware answers with all components, whichever is asked for.
            only = {"uri": uri, "components": {}}
            questions.append(([f"{ref.datasetType.name}.{name}", *data_id, *place], only))
        for question, expected in questions:
            command = [args.qbb, "--format", "json", "get-uri", repo, *question]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            own = json.loads(answer.stdout) if answer.returncode == 0 else {}
            if {name: own.get(name) for name in expected} != expected:
                problems.append(f"{question}: {expected}, ours {own or answer.stderr}")
    return problems


def compare_missing(
    args: argparse.Namespace, repo: str, butler: Butler, ref: DatasetRef
) -> list[str]:
    """Say who knows a file of a dataset that is registered and was never stored."""
    butler.collections.register("missing")
    (missing,) = butler.registry.insertDatasets(ref.datasetType, [ref.dataId], run="missing")
    problems = []
    with contextlib.suppress(FileNotFoundError):
        problems.append(f"the real one knows {butler.getURIs(missing)}")
    folder = str(Path(args.scratch) / "missing")
    for command in (
        ["get-uri", repo, str(missing.id)],
        ["retrieve-artifacts", repo, folder, "--collections", "missing"],
    ):
        answer = subprocess.run([args.qbb, *command], capture_output=True, text=True, check=False)
        if answer.returncode != 3 or "no file is recorded" not in answer.stderr:
            problems.append(f"{command}: {answer.returncode}, {answer.stdout}{answer.stderr}")
    return problems


def config_at(root: str | None) -> Config | None:
    """Return what a repository says that has its files at a root."""
    return Config({"datastore": {"root": root}}) if root else None


def wanted(butler: Butler) -> list[DatasetRef]:
    """Return the datasets that are retrieved, as the command finds them."""
    refs: set[DatasetRef] = set()
    for name in TYPES:
        query = QueryDatasets(
            butler=butler,
            glob=[name],
            collections=["*"],
            where=WHERE if name in ("raw", "flat") else "",
            find_first=False,
            limit=0,
            order_by=(),
            show_uri=False,
            with_dimension_records=True,
        )
        refs.update(ref for found in query.getDatasets() for ref in found)
    return sorted(refs)


def check(args: argparse.Namespace) -> list[str]:
    """Retrieve in all ways from a repository, then from one with an archive."""
    scratch = Path(args.scratch)
    problems: list[str] = []
    release = Butler.from_config(args.release)
    refs = wanted(release)
    flats = [ref for ref in refs if ref.datasetType.name == "flat"]
    choice = ["-d", "flat", "--where", WHERE]
    raws = [ref for ref in refs if ref.datasetType.name == "raw"]
    parts = [ref for ref in refs if ref.datasetType.name == PARTS]
    other = str(scratch / "other")
    for repo, chosen, options in (
        (args.release, raws, ["-d", "raw", "--where", WHERE]),
        (args.release, parts, ["-d", PARTS]),
        (other, flats, choice),
    ):
        if repo == other:
            # A repository that has an archive of ours.
            archive = retrieve(args, args.release, scratch / "archives", *choice, "--zip")
            Butler.makeRepo(other, config_at(args.root), forceConfigRoot=False)
            with Butler.from_config(other, writeable=True) as target:
                for ref in refs:
                    target.registry.registerDatasetType(ref.datasetType)
                target.ingest_zip(archive["archive"], transfer="copy", transfer_dimensions=True)
                for ref in flats:
                    if target.get(ref) != release.get(ref):
                        problems.append(f"{ref} is another dataset after ingestion")
        butler = Butler.from_config(repo)
        problems += compare_uris(args, repo, butler, chosen[-2:])
        for number, (keeps, option) in enumerate(
            ((True, "--preserve-path"), (False, "--no-preserve-path"))
        ):
            name = f"{Path(repo).name}-{chosen[0].datasetType.name}-{number}"
            real, own = scratch / f"{name}-real", scratch / f"{name}-own"
            real.mkdir()
            try:
                butler.retrieveArtifacts(chosen, str(real), transfer="copy", preserve_path=keeps)
            except FileExistsError as err:
                problems.append(f"the real one cannot: {err}")
                continue
            retrieve(args, repo, own, *options, option, "--transfer", "copy")
            problems += compare_folders(name, real, own)
        real = scratch / f"{Path(repo).name}-{chosen[0].datasetType.name}-zip"
        real.mkdir()
        theirs = butler.retrieve_artifacts_zip(chosen, str(real)).ospath
        ours = retrieve(args, repo, scratch / "archives", *options, "--zip", "--clobber")["archive"]
        if Path(theirs).name != Path(ours).name:
            problems.append(f"archive {theirs} is called {ours}")
        problems += compare_archives(Path(theirs), Path(ours))
    with Butler.from_config(other, writeable=True) as target:
        problems += compare_missing(args, other, target, flats[0])
    return problems


def main(args: argparse.Namespace) -> int:
    """Print what is wrong."""
    problems = check(args)
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("release", help="the release, as `make_release.py` makes it")
    parser.add_argument("scratch", help="folder for what is made")
    parser.add_argument("--qbb", required=True, help="our command")
    parser.add_argument("--root", help="where the repository with an archive has its files")
    script_main(main, parser)
