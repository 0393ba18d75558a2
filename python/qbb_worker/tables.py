"""Read a table of data IDs with astropy and print it as JSON.

Started as ``python -m qbb_worker.tables FILE``, for formats that are not text.
On failure the last line on standard error is a JSON object with the member
``error``, and the exit status is 2.
"""

from __future__ import annotations

__all__ = ("main", "read_table")

import json
import sys
from collections.abc import Sequence
from typing import Any

from .errors import WorkerError


def read_table(uri: str) -> dict[str, Any]:
    """Read a table.

    Parameters
    ----------
    uri : `str`
        File or URI, in any format that astropy recognizes.

    Returns
    -------
    document : `dict`
        Columns with their names and their values as text.

    Raises
    ------
    WorkerError
        Raised if the table cannot be read or has values that are missing.
    """
    try:
        from lsst.resources import ResourcePath

        with ResourcePath(uri, forceDirectory=False).as_local() as local:
            if local.getExtension() in (".parquet", ".parq", ".pq"):
                return {"columns": _read_parquet(local.ospath)}
            return {"columns": _read_any(local.ospath)}
    except WorkerError:
        raise
    except FileNotFoundError as exc:
        raise WorkerError("usage", f"File not found: {exc}", hint="Check the path.") from exc
    except ImportError as exc:
        raise WorkerError("import", f"Cannot import what reads the table: {exc}") from exc
    except Exception as exc:
        raise WorkerError("usage", f"{type(exc).__name__}: {exc}") from exc


def _read_parquet(path: str) -> list[dict[str, Any]]:
    """Read a Parquet file; astropy would need pandas for that."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    columns = []
    for name in table.column_names:
        values = table.column(name).to_pylist()
        if None in values:
            raise _missing(values.index(None) + 1, name)
        columns.append(_column(name, values))
    return columns


def _read_any(path: str) -> list[dict[str, Any]]:
    """Read a file in whatever format astropy recognizes."""
    from astropy.table import Table

    table = Table.read(path)
    columns = []
    for name in table.colnames:
        column = table[name]
        mask = getattr(column, "mask", None)
        if mask is not None and mask.any():
            raise _missing(int(mask.argmax()) + 1, name)
        columns.append(_column(name, column.tolist()))
    return columns


def _column(name: str, values: Sequence[Any]) -> dict[str, Any]:
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    return {"name": name, "values": texts}


def _missing(row: int, column: str) -> WorkerError:
    return WorkerError(
        "usage",
        f"Row {row} has no value in column {column!r}.",
        hint="Data IDs must be complete; remove the row or the column.",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line program.

    Parameters
    ----------
    argv : `~collections.abc.Sequence` [ `str` ], optional
        Arguments, without the name of the program.

    Returns
    -------
    status : `int`
        Exit status: 0, or 2 if anything was wrong.
    """
    (uri,) = sys.argv[1:] if argv is None else argv
    try:
        print(json.dumps(read_table(uri)))
    except WorkerError as error:
        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
