"""Tasks that adjust their quanta while a graph is built, each by itself or all together.

Each stands for a way in which real tasks do so.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from lsst.daf.butler import DataCoordinate
from lsst.pex.config import Field
from lsst.pipe.base import NoWorkFound, PipelineTaskConnections, QuantaAdjuster
from lsst.pipe.base.connectionTypes import Input, Output, PrerequisiteInput

from kit_task_base import define_task
from kit_tasks import DICT, EXPOSURE_DETECTOR, VISIT, VISIT_DETECTOR

DETECTOR = ("instrument", "detector")


class AdjustConnections(PipelineTaskConnections, dimensions=VISIT):
    """Adjusts its quanta as its configuration says."""

    raws = Input(
        doc="Raws.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR, multiple=True
    )
    extras = Input(
        doc="Extras, which not all have.",
        name="sparse_extra",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    bias = PrerequisiteInput(
        doc="Bias of each detector.",
        name="bias",
        storageClass=DICT,
        dimensions=DETECTOR,
        isCalibration=True,
        multiple=True,
    )
    summary = Output(doc="Summary.", name="adjust_summary", storageClass=DICT, dimensions=VISIT)
    images = Output(
        doc="Images.",
        name="adjust_image",
        storageClass=DICT,
        dimensions=VISIT_DETECTOR,
        multiple=True,
    )

    def adjustQuantum(
        self, inputs: dict[str, Any], outputs: dict[str, Any], label: str, data_id: DataCoordinate
    ) -> Any:
        """Adjust one quantum."""
        action = self.config.action
        assert data_id.hasRecords() and label
        adjusted_inputs: dict[str, Any] = {}
        adjusted_outputs: dict[str, Any] = {}
        if action in ("zip", "noisy"):
            # Only detectors that have both stay, on all sides.
            if action == "noisy":
                print("x" * 5_000_000)
                os.system("echo from a child process")
            connection, extras = inputs["extras"]
            kept = {ref.dataId["detector"] for ref in extras}
            for name in ("raws", "bias"):
                connection, refs = inputs[name]
                adjusted_inputs[name] = (
                    connection,
                    [ref for ref in refs if ref.dataId["detector"] in kept],
                )
            connection, refs = outputs["images"]
            adjusted_outputs["images"] = (
                connection,
                [ref for ref in refs if ref.dataId["detector"] in kept],
            )
            inputs.update(adjusted_inputs)
            outputs.update(adjusted_outputs)
        elif action == "no_work" and data_id["visit"] % 2:
            raise NoWorkFound(f"visit {data_id['visit']} is odd")
        elif action == "bright" and data_id.records["visit"].exposure_time < 20:
            raise NoWorkFound("too short")
        elif action == "no_outputs":
            return {}, {name: (connection, ()) for name, (connection, _) in outputs.items()}
        elif action == "no_inputs":
            return {name: (connection, ()) for name, (connection, _) in inputs.items()}, {}
        elif action == "foreign":
            connection, refs = inputs["raws"]
            return {"bias": (inputs["bias"][0], refs)}, {}
        elif action == "raise":
            raise ValueError(f"cannot work on {dict(data_id.required)}")
        elif action == "file":
            raise FileNotFoundError("a file is missing")
        elif action == "die":
            os._exit(7)
        elif action.startswith("hang "):
            Path(action.removeprefix("hang ")).write_text(f"{os.getpid()}\n")
            time.sleep(600)
        if action != "no_super":
            super().adjustQuantum(inputs, outputs, label, data_id)
        return adjusted_inputs, adjusted_outputs


class AfterAdjustConnections(PipelineTaskConnections, dimensions=VISIT_DETECTOR):
    """Comes after the adjusting task and needs what it may drop."""

    summary = Input(doc="Summary.", name="adjust_summary", storageClass=DICT, dimensions=VISIT)
    image = Input(doc="Image.", name="adjust_image", storageClass=DICT, dimensions=VISIT_DETECTOR)
    result = Output(
        doc="Result.", name="after_adjust_result", storageClass=DICT, dimensions=VISIT_DETECTOR
    )


class StrictConnections(PipelineTaskConnections, dimensions=VISIT):
    """Replaces the method and calls the middleware's own, whose limits then hold."""

    extras = Input(
        doc="At least five of these.",
        name="sparse_extra",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        minimum=5,
    )
    crosstalk = PrerequisiteInput(
        doc="Crosstalk matrices.",
        name="crosstalk",
        storageClass=DICT,
        dimensions=DETECTOR,
        isCalibration=True,
        multiple=True,
    )
    result = Output(doc="Result.", name="strict_result", storageClass=DICT, dimensions=VISIT)

    def __init__(self, *, config: Any = None):
        super().__init__(config=config)
        if config.single_crosstalk:
            self.crosstalk = PrerequisiteInput(
                doc="One crosstalk matrix.",
                name="crosstalk",
                storageClass=DICT,
                dimensions=DETECTOR,
                isCalibration=True,
            )

    def adjustQuantum(
        self, inputs: dict[str, Any], outputs: dict[str, Any], label: str, data_id: DataCoordinate
    ) -> Any:
        """Call the middleware's own."""
        return super().adjustQuantum(inputs, outputs, label, data_id)


class DeferredBindingConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Reads one dataset through two connections, one of which is bound late."""

    raw = Input(doc="Raw.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR)
    again = Input(
        doc="The same, bound when the quantum runs.",
        name="raw",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        deferBinding=True,
    )
    never = Input(
        doc="Nobody else reads it.",
        name="sparse_extra",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        deferBinding=True,
        minimum=0,
    )

    def __init__(self, *, config: Any = None):
        super().__init__(config=config)
        if config.required:
            self.never = Input(
                doc="Nobody else reads it, and it must be there.",
                name="sparse_extra",
                storageClass=DICT,
                dimensions=EXPOSURE_DETECTOR,
                deferBinding=True,
            )

    result = Output(
        doc="Result.", name="deferred_result", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )


class TogetherConnections(PipelineTaskConnections, dimensions=VISIT_DETECTOR):
    """Adjusts all of its quanta together, as its configuration says."""

    raws = Input(
        doc="Raws.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR, multiple=True
    )
    bias = PrerequisiteInput(
        doc="Bias.", name="bias", storageClass=DICT, dimensions=DETECTOR, isCalibration=True
    )
    result = Output(
        doc="Result.",
        name="together_result",
        storageClass=DICT,
        dimensions=VISIT_DETECTOR,
        multiple=True,
    )

    def __init__(self, *, config: Any = None):
        super().__init__(config=config)
        if config.action in ("move", "group"):
            # Inputs of other detectors bring several biases.
            self.bias = PrerequisiteInput(
                doc="Biases.",
                name="bias",
                storageClass=DICT,
                dimensions=DETECTOR,
                isCalibration=True,
                multiple=True,
            )

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:
        """Adjust the quanta of all visits and detectors."""
        action = self.config.action
        data_ids = sorted(adjuster.iter_data_ids())
        assert all(not data_id.hasRecords() for data_id in data_ids)
        groups: dict[int, list[DataCoordinate]] = {}
        for data_id in data_ids:
            groups.setdefault(int(data_id["visit"]), []).append(data_id)
        if action == "one_per_visit":
            for group in groups.values():
                for data_id in group[1:]:
                    adjuster.remove_quantum(data_id)
        elif action == "long_ones":
            for data_id in data_ids:
                record = adjuster.expand_quantum_data_id(data_id).records["visit"]
                if record.id % 2:
                    adjuster.remove_quantum(data_id)
        elif action in ("move", "group"):
            # One quantum does the work of all of its group.
            for first, *others in groups.values():
                for other in others:
                    for name, inputs in adjuster.get_inputs(other).items():
                        if name in self.inputs:
                            for dataset in inputs:
                                adjuster.add_input(first, name, dataset)
                    for dataset_id in adjuster.get_prerequisite_inputs(other)["bias"]:
                        adjuster.add_prerequisite_input(first, "bias", dataset_id)
                    for dataset in adjuster.get_outputs(other)["result"]:
                        adjuster.move_output(first, "result", dataset)
                    adjuster.remove_quantum(other)
        elif action == "previous_visit":
            before: dict[int, list[DataCoordinate]] = {}
            for data_id in data_ids:
                own = adjuster.get_inputs(data_id)["raws"]
                for dataset in before.get(int(data_id["detector"]), []):
                    adjuster.add_input(data_id, "raws", dataset)
                before[int(data_id["detector"])] = own
        elif action == "butler":
            # It searches the input collections by default.
            for data_id in data_ids:
                if not adjuster.butler.query_datasets(
                    "sparse_extra", data_id=data_id, explain=False
                ):
                    adjuster.remove_quantum(data_id)
        elif action == "unknown":
            raws = adjuster.get_inputs(data_ids[0])["raws"]
            unknown = DataCoordinate.standardize(raws[0], exposure=999_999_999)
            adjuster.add_input(data_ids[0], "raws", unknown)
        elif action == "all":
            for data_id in data_ids:
                adjuster.remove_quantum(data_id)
        elif action == "raise":
            raise RuntimeError("the quanta do not fit together")


class BothConnections(TogetherConnections, dimensions=VISIT_DETECTOR):
    """Adjusts all quanta together and then each by itself."""

    def adjustQuantum(
        self, inputs: dict[str, Any], outputs: dict[str, Any], label: str, data_id: DataCoordinate
    ) -> Any:
        """Drop what quanta with many inputs have too much."""
        connection, refs = inputs["raws"]
        adjusted = {"raws": (connection, sorted(refs)[:2])}
        inputs.update(adjusted)
        super().adjustQuantum(inputs, outputs, label, data_id)
        return adjusted, {}


class AfterTogetherConnections(PipelineTaskConnections, dimensions=VISIT):
    """Gathers what the task before left."""

    results = Input(
        doc="Results.",
        name="together_result",
        storageClass=DICT,
        dimensions=VISIT_DETECTOR,
        multiple=True,
    )
    result = Output(
        doc="Result.", name="after_together_result", storageClass=DICT, dimensions=VISIT
    )


def action() -> Field:
    """Make the field that says what a task's method does."""
    return Field[str](doc="What the method does.", default="none")


AdjustConfig, AdjustTask = define_task(AdjustConnections, action=action())
AfterAdjustConfig, AfterAdjustTask = define_task(AfterAdjustConnections)
StrictConfig, StrictTask = define_task(
    StrictConnections, single_crosstalk=Field[bool](doc="Take one matrix only.", default=False)
)
DeferredBindingConfig, DeferredBindingTask = define_task(
    DeferredBindingConnections, required=Field[bool](doc="Need a late input.", default=False)
)
TogetherConfig, TogetherTask = define_task(TogetherConnections, action=action())
BothConfig, BothTask = define_task(BothConnections, action=action())
AfterTogetherConfig, AfterTogetherTask = define_task(AfterTogetherConnections)
