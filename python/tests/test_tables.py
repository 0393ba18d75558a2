"""Tests of the reader of data ID tables."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from qbb_worker.errors import WorkerError
from qbb_worker.tables import read_table


class TablesTestCase(unittest.TestCase):
    """Tables in formats that only Python reads."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_parquet(self) -> None:
        """Large integers and texts come through; missing values do not."""
        import pyarrow
        import pyarrow.parquet

        path = str(self.folder / "t.parquet")
        columns = {"instrument": ["Cam", "Cam"], "visit": [4611686018447638525, 7]}
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        self.assertEqual(
            read_table(path)["columns"],
            [
                {"name": "instrument", "values": ["Cam", "Cam"]},
                {"name": "visit", "values": ["4611686018447638525", "7"]},
            ],
        )
        pyarrow.parquet.write_table(pyarrow.table({"visit": [1, None]}), path)
        with self.assertRaisesRegex(WorkerError, "Row 2 has no value in column 'visit'"):
            read_table(path)

    def test_fits(self) -> None:
        """Bytes are text."""
        from astropy.table import Table

        path = str(self.folder / "t.fits")
        Table({"band": ["g", "r"], "visit": [1, 2]}).write(path)
        columns = {column["name"]: column["values"] for column in read_table(path)["columns"]}
        self.assertEqual(columns, {"band": ["g", "r"], "visit": ["1", "2"]})

    def test_missing(self) -> None:
        """A file that is not there is named."""
        with self.assertRaisesRegex(WorkerError, "not found"):
            read_table(str(self.folder / "none.fits"))


if __name__ == "__main__":
    unittest.main()
