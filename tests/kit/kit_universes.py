"""Dimension universes for releases: those of old versions, and some of the kit's own.

A name is a version of the ``daf_butler`` universe ("0" to "8"), or one of
these, each the newest version with a change:

``spectrograph``
    another namespace; an instrument with fibers and their bundles, a
    combination with a region and a time, and families of their own
``htm9``
    another level for joins
``healpix``
    HEALPix for joins
``renamed``
    pixelizations under other names, and none but those needed
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import yaml
from lsst.daf.butler import DimensionConfig
from lsst.resources import ResourcePath

VERSIONS = tuple(str(version) for version in range(9))
OLD = "resource://lsst.daf.butler/configs/old_dimensions/daf_butler_universe{}.yaml"


def _spectrograph(config: dict[str, Any]) -> None:
    config["namespace"], config["version"] = "qbb_spectrograph", 3
    elements = config["elements"]
    elements["fiber_bundle"] = {
        "doc": "Fibers that share a slit.",
        "keys": [{"name": "label", "type": "string", "length": 16}],
        "requires": ["instrument"],
        "metadata": [{"name": "temperature", "type": "float"}],
        "storage": _table(),
    }
    elements["fiber"] = {
        "doc": "One fiber; negative numbers are spares.",
        "keys": [
            {"name": "id", "type": "int"},
            {"name": "engraved_name", "type": "string", "length": 32},
        ],
        "requires": ["instrument"],
        "implies": ["fiber_bundle"],
        "metadata": [
            {"name": "broken", "type": "bool"},
            {"name": "length", "type": "float"},
            {"name": "serial_number", "type": "int"},
        ],
        "storage": _table(),
    }
    elements["exposure_fiber_region"] = {
        "doc": "Where a fiber looked.",
        "requires": ["exposure", "fiber"],
        "storage": _table(),
        "populated_by": "exposure",
    }
    elements["campaign"] = {
        "doc": "A season of a survey.",
        "keys": [{"name": "name", "type": "string", "length": 32}],
        "requires": ["instrument"],
        "storage": _table(),
    }
    elements["fiber_color"] = {
        "doc": "Color of the sleeve, a word that only fibers know.",
        "keys": [{"name": "name", "type": "string", "length": 16}],
        "storage": {
            "cls": "lsst.daf.butler.registry.dimensions.query.QueryDimensionRecordStorage",
            "view_of": "fiber",
        },
    }
    elements["fiber"]["implies"].append("fiber_color")
    config["topology"]["spatial"]["fiber_regions"] = ["exposure_fiber_region"]
    config["topology"]["temporal"]["campaigns"] = ["campaign"]


def _table() -> dict[str, str]:
    return {"cls": "lsst.daf.butler.registry.dimensions.table.TableDimensionRecordStorage"}


def _htm9(config: dict[str, Any]) -> None:
    # The middleware takes two universes with one namespace and version for the same.
    config["namespace"] = "qbb_htm9"
    config["skypix"]["common"] = "htm9"


def _healpix(config: dict[str, Any]) -> None:
    config["namespace"] = "qbb_healpix"
    config["skypix"]["common"] = "healpix6"


def _renamed(config: dict[str, Any]) -> None:
    config["namespace"] = "qbb_renamed"
    config["skypix"] = {
        "common": "mesh8",
        "mesh": {"class": "lsst.sphgeom.HtmPixelization", "max_level": 12, "min_level": 3},
        "diamonds": {"class": "lsst.sphgeom.HealpixPixelization", "max_level": 9, "min_level": 0},
    }


MADE_UP: dict[str, Callable[[dict[str, Any]], None]] = {
    "spectrograph": _spectrograph,
    "htm9": _htm9,
    "healpix": _healpix,
    "renamed": _renamed,
}
NAMES = (*VERSIONS, *MADE_UP)


def universe_config(name: str) -> DimensionConfig:
    """Make the configuration of a universe.

    Parameters
    ----------
    name : `str`
        One of `NAMES`.

    Returns
    -------
    config : `lsst.daf.butler.DimensionConfig`
        The configuration.
    """
    text = ResourcePath(OLD.format(name if name in VERSIONS else VERSIONS[-1])).read()
    config = copy.deepcopy(yaml.safe_load(text))
    if name not in VERSIONS:
        MADE_UP[name](config)
    return DimensionConfig(config)
