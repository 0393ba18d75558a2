"""Data IDs with their dimension records, made once and kept for a while."""

from __future__ import annotations

__all__ = ("DataIds",)

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_ROWS = 20_000
"""How many dimension records are kept before all are forgotten (`int`).

A record with a region takes about a kilobyte.
"""


class DataIds:
    """Expands data IDs.

    Neighbouring quanta share most of their data IDs, and nearly all of their
    dimension records.

    Parameters
    ----------
    dimensions : `lsst.daf.butler.DimensionGroup`
        All dimensions of the pipeline graph.
    """

    def __init__(self, dimensions: Any):
        self._dimensions = dimensions
        self._forget()

    def _forget(self) -> None:
        from lsst.daf.butler import DimensionDataAttacher

        self._rows: dict[str, dict[tuple[Any, ...], Any]] = {}
        self._attacher = DimensionDataAttacher(deserializers=[], dimensions=self._dimensions)
        self._expanded: dict[tuple[Any, tuple[Any, ...]], Any] = {}
        self._n_rows = 0

    def learn(self, dimension_data: Mapping[str, list[Any]]) -> None:
        """Add dimension records.

        Parameters
        ----------
        dimension_data : `~collections.abc.Mapping`
            Rows by dimension element, as in a ``.qg`` file.  Rows that are
            known already are the same.
        """
        if self._n_rows > _MOST_ROWS:
            self._forget()
        for element, rows in dimension_data.items():
            known = self._rows.get(element)
            if known is None:
                known = self._add_element(element)
            n_before = len(known)
            deserialize = self._dimensions.universe[element].RecordClass.deserialize_key
            for row in rows:
                key, values = deserialize(row)
                known.setdefault(key, values)
            self._n_rows += len(known) - n_before

    def _add_element(self, element: str) -> dict[tuple[Any, ...], Any]:
        from lsst.daf.butler import DimensionRecordSet, DimensionRecordSetDeserializer

        rows = self._rows[element] = {}
        definition = self._dimensions.universe[element]
        # It reads from this dictionary, which grows.
        self._attacher.deserializers[element] = DimensionRecordSetDeserializer(definition, rows)
        if element not in self._attacher.records:
            self._attacher.records[element] = DimensionRecordSet(definition)
        return rows

    def expand(self, dimensions: Any, values: Sequence[Any]) -> Any:
        """Return a data ID with its records.

        Parameters
        ----------
        dimensions : `lsst.daf.butler.DimensionGroup`
            Dimensions of the data ID.
        values : `~collections.abc.Sequence`
            Values of all of them, required ones first.

        Returns
        -------
        data_id : `lsst.daf.butler.DataCoordinate`
            The data ID.

        Raises
        ------
        LookupError
            Raised if a dimension record is missing.
        """
        key = (dimensions, tuple(values))
        known = self._expanded.get(key)
        if known is None:
            from lsst.daf.butler import DataCoordinate

            bare = DataCoordinate.from_full_values(dimensions, key[1])
            (known,) = self._attacher.attach(dimensions, [bare])
            self._expanded[key] = known
            self._n_rows += 1
        return known
