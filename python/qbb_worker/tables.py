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
        from astropy.table import Table
        from lsst.resources import ResourcePath
    except ImportError as exc:
        raise WorkerError("import", f"Cannot import what reads tables: {exc}") from exc
    try:
        with ResourcePath(uri, forceDirectory=False).as_local() as local:
            table = Table.read(local.ospath)
    except FileNotFoundError as exc:
        raise WorkerError("usage", f"File not found: {exc}", hint="Check the path.") from exc
    except Exception as exc:
        # Without pyarrow astropy says so itself.
        raise WorkerError("usage", f"{type(exc).__name__}: {exc}") from exc
    columns = []
    for name in table.colnames:
        column = table[name]
        mask = getattr(column, "mask", None)
        if mask is not None and mask.any():
            row = int(mask.argmax()) + 1
            raise WorkerError(
                "usage",
                f"Row {row} has no value in column {name!r}.",
                hint="Data IDs must be complete; remove the row or the column.",
            )
        values = column.tolist()
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
        columns.append({"name": name, "values": texts})
    return {"columns": columns}


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
