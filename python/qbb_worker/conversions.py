"""Tells which storage classes convert into each other.

Reads ``{"storage_classes": {name: definition}, "pairs": [[one, other], ...]}`` from standard
input; the definitions are those of a repository, on top of the middleware's. Prints a list with,
for each pair, ``{"forth": ..., "back": ...}``: whether the first one converts to the second, and
back.
"""

from __future__ import annotations

__all__ = ("conversions",)

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def conversions(
    definitions: Mapping[str, Any], pairs: Sequence[Sequence[str]]
) -> list[dict[str, bool]]:
    """Tell for each pair of storage classes whether they convert.

    Parameters
    ----------
    definitions : `~collections.abc.Mapping` [ `str`, `dict` ]
        Storage classes that a repository defines.
    pairs : `~collections.abc.Sequence`
        Pairs of names.

    Returns
    -------
    answers : `list` [ `dict` [ `str`, `bool` ] ]
        Whether the first converts to the second, and the second to the
        first. What is not defined, or has a Python type that cannot be
        imported, does not convert.
    """
    from lsst.daf.butler import ButlerConfig, Config, StorageClassConfig, StorageClassFactory

    factory = StorageClassFactory()
    factory.addFromConfig(ButlerConfig())
    if definitions:
        factory.addFromConfig(StorageClassConfig(Config({"storageClasses": dict(definitions)})))

    def converts(source: str, target: str) -> bool:
        try:
            found = factory.getStorageClass(target), factory.getStorageClass(source)
            return bool(found[0].can_convert(found[1]))
        except (KeyError, ImportError):
            return False

    return [{"forth": converts(a, b), "back": converts(b, a)} for a, b in pairs]


def main() -> int:
    """Answer one question."""
    question = json.load(sys.stdin)
    answers = conversions(question["storage_classes"], question["pairs"])
    json.dump(answers, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
