"""The database of a repository, apart from the middleware."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from lsst.daf.butler import Config


@contextlib.contextmanager
def open_registry(root: str) -> Iterator[sqlite3.Connection | psycopg.Connection[Any]]:
    """Open the database of a repository for reading; tables need no qualification."""
    registry = Config(str(Path(root, "butler.yaml")))["registry"]
    if registry["db"].startswith("postgresql"):
        with psycopg.connect(registry["db"]) as server:
            server.execute(f'SET search_path TO "{registry["namespace"]}"')
            yield server
        return
    database = Path(root, "gen3.sqlite3").as_uri()
    with contextlib.closing(sqlite3.connect(f"{database}?mode=ro", uri=True)) as file:
        yield file
