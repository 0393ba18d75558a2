"""Dimension universes for releases: those of old versions, and some of the kit's own.

A name is a version of the ``daf_butler`` universe ("0" to "8"), or one of
these, each the newest version with a change:

``spectrograph``
    another namespace; an instrument with fibers and their bundles, fields
    on the sky with a governor of their own, and campaigns with a time
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
from lsst.daf.butler import Config, DimensionConfig
from lsst.resources import ResourcePath

STORAGE = "lsst.daf.butler.registry.dimensions"
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
    elements["fiber_position"] = {
        "doc": "Whether and where a fiber was put for an exposure.",
        "requires": ["exposure", "fiber"],
        "metadata": [{"name": "offset", "type": "float"}],
        "storage": _table(),
        "always_join": True,
        "populated_by": "exposure",
    }
    elements["plan"] = {
        "doc": "What to look at.",
        "keys": [{"name": "name", "type": "string", "length": 16}],
        "governor": True,
        "storage": {"cls": f"{STORAGE}.governor.BasicGovernorDimensionRecordStorage"},
    }
    elements["field"] = {
        "doc": "A field of a plan.",
        "keys": [{"name": "id", "type": "int"}],
        "requires": ["plan"],
        "storage": _table(),
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
            "cls": f"{STORAGE}.query.QueryDimensionRecordStorage",
            "view_of": "fiber",
        },
    }
    elements["fiber"]["implies"].append("fiber_color")
    config["topology"]["spatial"]["field_regions"] = ["field"]
    config["topology"]["temporal"]["campaigns"] = ["campaign"]


def _table() -> dict[str, str]:
    return {"cls": f"{STORAGE}.table.TableDimensionRecordStorage"}


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

SPECTRA = "{run:/}/{datasetType}/{datasetType}_" + "_".join(
    f"{{{name}:?}}"
    for name in (
        *("component", "instrument", "exposure", "visit", "detector", "physical_filter", "band"),
        *("skymap", "tract", "patch", "plan", "field", "campaign", "skypix"),
        *("fiber", "fiber_bundle", "fiber_color", "run"),
    )
)
"""File names that tell the spectrograph's datasets apart."""


def repository_config(name: str | None) -> Config:
    """Make the configuration of a repository with a universe; `None` is the newest one."""
    config = Config()
    if name == "spectrograph":
        config["datastore", "templates", "default"] = SPECTRA
    return config


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
