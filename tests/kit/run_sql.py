"""Run one SQL statement on an SQLite file, to damage a repository on purpose."""

from __future__ import annotations

import argparse
import sqlite3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="SQLite file.")
    parser.add_argument("statement", help="SQL statement.")
    arguments = parser.parse_args()
    with sqlite3.connect(arguments.database) as connection:
        changed = connection.execute(arguments.statement).rowcount
    print(f"{changed} rows changed")


main()
