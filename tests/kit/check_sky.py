"""Checks that stored overlaps and spatial queries agree with sphgeom itself."""

from __future__ import annotations

from lsst.daf.butler import Butler, DimensionElement, DimensionRecord

from check_findings import Findings
from kit_registry import open_registry

PAIRED = (("visit", "patch"), ("visit", "tract"), ("visit_detector_region", "patch"))
"""Elements of two spatial families whose joins are recomputed."""


def region_elements(butler: Butler) -> list[DimensionElement]:
    """Return the elements whose records have regions and overlap tables."""
    return [
        element
        for element in butler.dimensions.elements
        if element.spatial is not None and element.has_own_table
    ]


def read_records(butler: Butler, element: str) -> list[DimensionRecord]:
    """Return an element's records that have a region."""
    records = butler.query_dimension_records(element, limit=None, explain=False)
    return [record for record in records if record.region is not None]


def check_overlap_rows(butler: Butler, root: str, findings: Findings) -> None:
    """Check the overlap tables of a registry against recomputed envelopes.

    Parameters
    ----------
    butler : `lsst.daf.butler.Butler`
        The repository.
    root : `str`
        Its folder.
    findings : `Findings`
        Where to report.
    """
    common = butler.dimensions.commonSkyPix
    problems = []
    n_rows = 0
    with open_registry(root) as connection:
        for element in region_elements(butler):
            keys = [f'"{name}"' for name in element.required.names]
            stored = set(
                connection.execute(
                    f"SELECT {', '.join(keys)}, skypix_index FROM {element.name}_skypix_overlap "
                    f"WHERE skypix_system = '{common.system.name}' "
                    f"AND skypix_level = {common.level}"
                )
            )
            wanted = {
                (*record.dataId.required_values, pixel)
                for record in read_records(butler, element.name)
                for begin, end in common.pixelization.envelope(record.region)
                for pixel in range(begin, end)
            }
            n_rows += len(wanted)
            problems += [f"{element.name} {row} is missing" for row in sorted(wanted - stored)]
            problems += [f"{element.name} {row} is too many" for row in sorted(stored - wanted)]
    findings.add("overlap rows", problems, f"{n_rows} rows of {common.name}")


def check_spatial_queries(butler: Butler, findings: Findings) -> None:
    """Check spatial joins against the regions themselves, pair by pair.

    As in the middleware, only regions that surely do not overlap are no pair.
    """
    problems = []
    n_pairs = 0
    for first, second in PAIRED:
        first_element, second_element = butler.dimensions[first], butler.dimensions[second]
        dimensions = [*first_element.required.names, *second_element.required.names]
        second_records = read_records(butler, second)
        wanted = {
            a.dataId.required_values + b.dataId.required_values
            for a in read_records(butler, first)
            for b in second_records
            if a.region.overlaps(b.region) is not False
        }
        with butler.query() as query:
            rows = query.join_dimensions(dimensions).data_ids(dimensions)
            got = {tuple(row[name] for name in dimensions) for row in rows}
        n_pairs += len(wanted)
        problems += [f"{first} and {second} {pair}: not found" for pair in sorted(wanted - got)]
        problems += [
            f"{first} and {second} {pair}: do not overlap" for pair in sorted(got - wanted)
        ]
    findings.add("spatial queries", problems, f"{n_pairs} overlapping pairs")
