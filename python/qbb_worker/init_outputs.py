"""Write configs, package versions and init-outputs of an output run."""

from __future__ import annotations

__all__ = ("write_init_outputs",)

import uuid
from collections.abc import Mapping
from typing import Any

from .errors import WorkerError
from .graph import GraphParts


def write_init_outputs(
    parts: GraphParts,
    store: Any,
    init_quanta: list[Any],
    dimension_data: Mapping[str, list[Any]],
) -> dict[str, Any]:
    """Do what ``pipetask pre-exec-init-qbb`` does.

    Configs come first: an existing one must be equal to that of the graph.
    Then the package versions, which must not contradict existing ones, and
    replace them if there are packages not recorded before.
    Then the init-outputs, which need the tasks to be constructed; existing
    ones are kept.

    Parameters
    ----------
    parts : `~qbb_worker.graph.GraphParts`
        What all quanta have in common.
    store : `~qbb_worker.butler.Store`
        Output datastore.
    init_quanta : `list`
        JSON of all init quanta, that of the whole run included.
    dimension_data : `~collections.abc.Mapping`
        Dimension records; none are needed unless init-inputs have them.

    Returns
    -------
    reply : `dict`
        Datasets written and datasets kept, with their records.

    Raises
    ------
    WorkerError
        Raised with kind ``conflict`` if the run holds another config or other
        package versions, with kind ``datastore`` if writing fails, and with
        kind ``request`` if the blocks do not fit the pipeline graph.
    """
    from lsst.daf.butler.registry import ConflictingDefinitionError

    try:
        graph = parts.assemble(
            init_quanta=[{**block, "datastore_records": {}} for block in init_quanta],
            quanta=[],
            dimension_data=dimension_data,
        )
        inputs, outputs = _dataset_ids(init_quanta)
        records = [block.get("datastore_records", {}) for block in init_quanta]
        labels = [block["task_label"] for block in init_quanta]
        refs = [ref for label in labels for ref in graph.get_init_outputs(label).values()]
    except Exception as exc:
        raise WorkerError(
            "request", f"Cannot load the init quanta: {type(exc).__name__}: {exc}"
        ) from exc
    with store.butler(inputs, outputs, records) as butler:
        try:
            graph.write_configs(butler)
            if "" in labels:
                graph.write_packages(butler)
            graph.write_init_outputs(butler)
        except ConflictingDefinitionError as exc:
            raise WorkerError(
                "conflict",
                f"The output run {parts.header.output_run!r} cannot be used: {exc}",
                hint="Use another output run, or the pipeline and software that it was made with.",
            ) from exc
        except Exception as exc:
            raise WorkerError(
                "datastore",
                f"Cannot write the init-outputs of {parts.header.output_run!r}: "
                f"{type(exc).__name__}: {exc}",
            ) from exc
        written = {i: store.written_rows(i) for i in butler.actual_outputs}
        kept = store.found_rows([ref for ref in refs if ref.id not in written])
    return {"ok": True, "written": _listed(written), "kept": _listed(kept)}


def _dataset_ids(init_quanta: list[Any]) -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    """Return the IDs of inputs from outside and of outputs of init quanta."""

    def ids(member: str) -> set[uuid.UUID]:
        return {
            uuid.UUID(dataset["dataset_id"])
            for block in init_quanta
            for datasets in block.get(member, {}).values()
            for dataset in datasets
        }

    outputs = ids("outputs")
    return ids("inputs") - outputs, outputs


def _listed(found: Mapping[uuid.UUID, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"dataset_id": i, "rows": rows} for i, rows in sorted(found.items())]
