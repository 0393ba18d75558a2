"""What tasks' own methods see while a graph is built.

The graph itself is built elsewhere; here are the pipeline graph, a read-only
butler, the dimension records of the build, and the middleware's objects made
from rows of values.
"""

from __future__ import annotations

__all__ = ("BuildSession", "TaskView", "open_butler")

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import WorkerError, import_task


def open_butler(repository: str) -> Any:
    """Open a repository for reading.

    Parameters
    ----------
    repository : `str`
        Repository folder, ``butler.yaml``, or label of the repository index.

    Returns
    -------
    butler : `lsst.daf.butler.Butler`
        The butler.

    Raises
    ------
    WorkerError
        Raised with kind ``datastore`` if that does not work.
    """
    from lsst.daf.butler import Butler

    try:
        return Butler.from_config(repository, writeable=False)
    except Exception as exc:
        raise WorkerError(
            "datastore",
            f"Cannot open the repository {repository}: {type(exc).__name__}: {exc}",
            hint="Look-up functions ask the repository themselves, so Python must reach it, too.",
        ) from exc


class BuildSession:
    """Everything that concerns all tasks of a build.

    Parameters
    ----------
    pipeline_graph : `~collections.abc.Mapping`
        Resolved pipeline graph as JSON; at least the tasks with hooks.
    butler : `lsst.daf.butler.Butler`
        Butler of the repository.
    collections : `~collections.abc.Sequence` [ `str` ]
        Input collections in search order, without chains.
    output_run : `str`
        Collection of the outputs.

    Raises
    ------
    WorkerError
        Raised with kind ``import`` if a task class cannot be imported and
        with kind ``request`` if the JSON does not describe a resolved graph.
    """

    def __init__(
        self,
        pipeline_graph: Mapping[str, Any],
        butler: Any,
        collections: Sequence[str],
        output_run: str,
    ):
        from lsst.daf.butler import DimensionDataAttacher, DimensionGroup
        from lsst.pipe.base.pipeline_graph import TaskImportMode
        from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph

        for label, task in pipeline_graph["tasks"].items():
            import_task(label, task["task_class"])
        try:
            model = SerializedPipelineGraph.model_validate(pipeline_graph)
            self.pipeline_graph = model.deserialize(TaskImportMode.ASSUME_CONSISTENT_EDGES)
        except Exception as exc:
            raise WorkerError(
                "request", f"Cannot load the pipeline graph: {type(exc).__name__}: {exc}"
            ) from exc
        self.collections = list(collections)
        self.output_run = output_run
        self.butler = butler.clone(collections=self.collections)
        # The real builder keeps what it learns about collections and dataset
        # types while it calls hooks; the process ends with the build.
        self._caching = self.butler.registry.caching_context()
        self._caching.__enter__()
        self._attacher = DimensionDataAttacher(
            dimensions=DimensionGroup.union(
                *self.pipeline_graph.group_by_dimensions(prerequisites=True).keys(),
                universe=self.pipeline_graph.universe,
            )
        )
        self._told: dict[str, set[tuple[Any, ...]]] = {}
        self._view: TaskView | None = None

    def add_records(self, records: Mapping[str, list[Any]]) -> None:
        """Take dimension records, which then need not be queried.

        Parameters
        ----------
        records : `~collections.abc.Mapping`
            Rows by element, in the form that ``.qg`` files hold.
        """
        from lsst.daf.butler import DimensionRecordSetDeserializer

        attacher = self._attacher
        for name, rows in records.items():
            if name not in attacher.records:
                continue
            if name in attacher.deserializers:
                attacher.records[name].deserialize_records(rows)
            else:
                # These are made into records when they are needed.
                attacher.deserializers[name] = DimensionRecordSetDeserializer.from_raw(
                    self.pipeline_graph.universe[name], rows
                )

    def view(self, label: str) -> TaskView:
        """Return what is known of a task; that of the task before is forgotten.

        Parameters
        ----------
        label : `str`
            Label of the task.

        Returns
        -------
        view : `TaskView`
            The same object as long as the same task is asked for.
        """
        if self._view is None or self._view.label != label:
            if label not in self.pipeline_graph.tasks:
                raise WorkerError("request", f"No task {label!r} in the pipeline graph.")
            self._view = TaskView(self, label)
        return self._view

    def expand(self, dimensions: Any, data_ids: Sequence[Any]) -> list[Any]:
        """Attach dimension records to data IDs.

        Parameters
        ----------
        dimensions : `lsst.daf.butler.DimensionGroup`
            Their dimensions.
        data_ids : `~collections.abc.Sequence` [ `lsst.daf.butler.DataCoordinate` ]
            Data IDs.

        Returns
        -------
        expanded : `list` [ `lsst.daf.butler.DataCoordinate` ]
            The same with records.
        """
        if not data_ids:
            return []
        with self.butler.query() as query:
            expanded: list[Any] = self._attacher.attach(dimensions, data_ids, query=query)
        return expanded

    def data_ids(self, dimensions: Any, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Make data IDs with records from rows of required values.

        Parameters
        ----------
        dimensions : `lsst.daf.butler.DimensionGroup`
            Dimensions of the data IDs.
        rows : `~collections.abc.Iterable`
            Values.

        Returns
        -------
        data_ids : `list` [ `lsst.daf.butler.DataCoordinate` ]
            Expanded data IDs.
        """
        from lsst.daf.butler import DataCoordinate

        plain = [DataCoordinate.from_required_values(dimensions, tuple(row)) for row in rows]
        return self.expand(dimensions, plain)

    def untold_records(self, data_ids: Iterable[Any]) -> dict[str, list[Any]]:
        """Return the records of data IDs that no reply had so far.

        Parameters
        ----------
        data_ids : `~collections.abc.Iterable` [ `lsst.daf.butler.DataCoordinate` ]
            Expanded data IDs.

        Returns
        -------
        records : `dict` [ `str`, `list` ]
            Rows by element, without sky pixels.
        """
        rows: dict[str, list[Any]] = {}
        for data_id in data_ids:
            skypix = data_id.dimensions.skypix
            for element in data_id.dimensions.elements:
                if element in skypix or (record := data_id.records[element]) is None:
                    continue
                told = self._told.setdefault(element, set())
                key = record.dataId.required_values
                if key not in told:
                    told.add(key)
                    rows.setdefault(element, []).append(record.serialize_key_value())
        return rows


class TaskView:
    """A task with those of its datasets that were mentioned.

    Parameters
    ----------
    session : `BuildSession`
        The build.
    label : `str`
        Label of the task.
    """

    def __init__(self, session: BuildSession, label: str):
        self.session = session
        self.label = label
        self.node = session.pipeline_graph.tasks[label]
        self.refs: dict[str, dict[int, Any]] = {}
        """References by dataset type and number, in the pipeline's storage class."""

    def add_datasets(self, datasets: Mapping[str, Mapping[str, Any]]) -> None:
        """Make references of datasets that later requests call by number.

        Parameters
        ----------
        datasets : `~collections.abc.Mapping`
            By dataset type: ``numbers``; ``data_ids``, rows of required
            values; ``ids`` and ``runs``, null for those to be written.
        """
        from lsst.daf.butler import DatasetRef

        for name, rows in datasets.items():
            dataset_type = self.session.pipeline_graph.dataset_types[name].dataset_type
            refs = self.refs.setdefault(name, {})
            data_ids = self.session.data_ids(dataset_type.dimensions, rows["data_ids"])
            for number, data_id, dataset_id, run in zip(
                rows["numbers"], data_ids, rows["ids"], rows["runs"], strict=True
            ):
                if dataset_id is None:
                    ref = DatasetRef(dataset_type, data_id, run=self.session.output_run)
                else:
                    ref = DatasetRef(dataset_type, data_id, run=run, id=uuid.UUID(dataset_id))
                refs[number] = ref

    def quantum_data_ids(self, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Make data IDs of quanta.

        Parameters
        ----------
        rows : `~collections.abc.Iterable`
            Required values.

        Returns
        -------
        data_ids : `list` [ `lsst.daf.butler.DataCoordinate` ]
            Expanded data IDs.
        """
        return self.session.data_ids(self.node.dimensions, rows)
