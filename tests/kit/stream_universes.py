"""Print dimension universes with what the real middleware derives from them, one per line.

All versions that were ever released come first, then universes that the kit
makes up: other namespaces, elements, families and pixelizations. Each comes
with random dimension groups.

Example
-------
::

    python tests/kit/stream_universes.py --seed 3 --groups 50 | head -c 2000
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator

from lsst.daf.butler import DimensionConfig, DimensionElement, DimensionGroup, DimensionUniverse
from lsst.sphgeom import HealpixPixelization, HtmPixelization

from kit_universes import NAMES, universe_config


def described_element(element: DimensionElement) -> dict:
    """Describe what an element is."""
    spatial, temporal = element.spatial, element.temporal
    described = {
        "name": element.name,
        "required": list(element.required.names),
        "implied": list(element.implied.names),
        "dimension": element.name in element.universe.dimensions.names,
        "governor": element.name in element.universe.governor_dimensions.names,
        "table": element.has_own_table,
        "cached": element.is_cached,
        "relationships": element.defines_relationships,
        "always_join": element.alwaysJoin,
        "view_of": element.implied_union_target.name if element.implied_union_target else None,
        "populated_by": element.populated_by.name if element.populated_by else None,
        "spatial": spatial.name if spatial else None,
        "temporal": temporal.name if temporal else None,
        "metadata": [[column.name, column.type] for column in element.metadata_columns],
        "skypix": None,
    }
    if element.name in element.universe.skypix_dimensions.names:
        dimension = element.universe.skypix_dimensions[element.name]
        kinds = {HtmPixelization: "htm", HealpixPixelization: "healpix"}
        kind = kinds.get(type(dimension.pixelization))
        described["skypix"] = [dimension.system.name, kind, dimension.level]
        described["cached"] = False
    elif described["dimension"]:
        keys = element.universe.dimensions[element.name].unique_keys
        described["keys"] = [[column.name, column.type] for column in keys]
    return described


def described_group(given: list[str], group: DimensionGroup) -> dict:
    """Describe a group of dimensions."""
    return {
        "given": given,
        "names": list(group.names),
        "required": list(group.required),
        "implied": list(group.implied),
        "elements": list(group.elements),
        "governors": list(group.governors),
        "skypix": list(group.skypix),
        "lookup": list(group.lookup_order),
        "spatial": sorted(family.choose(group).name for family in group.spatial),
        "temporal": sorted(family.choose(group).name for family in group.temporal),
        "minimal": [
            [name, list(group.universe[name].minimal_group.names)] for name in group.elements
        ],
    }


def universes() -> Iterator[DimensionConfig]:
    """Make the universes."""
    for name in NAMES:
        yield universe_config(name)


def main() -> None:
    """Print the universes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--groups", type=int, default=40, help="groups of each universe")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    for config in universes():
        universe = DimensionUniverse(config)
        names = sorted(universe.dimensions.names)
        plain = sorted(set(names) - set(universe.skypix_dimensions.names))
        groups = []
        for number in range(args.groups):
            given = rng.sample(plain, min(len(plain), rng.choice([0, 1, 1, 2, 2, 3, 4, 7])))
            if number % 3 == 0:
                given += rng.sample(names, rng.choice([1, 2]))
            groups.append(described_group(given, universe.conform(given)))
        line = {
            "config": universe.dimensionConfig.dump(format="json"),
            "version": universe.version,
            "namespace": universe.namespace,
            "common": universe.commonSkyPix.name,
            "elements": [described_element(element) for element in universe.elements],
            "groups": groups,
        }
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
