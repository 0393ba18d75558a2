"""Tasks that fail in every way that a task can, as a file tells them.

The environment variable ``KIT_FAULTS`` names a JSON file: label, then data ID
as in `kit_task_base.DigestConfig`, then a fault.  A fault is an object with

``log``       messages to log, pairs of a level and a text
``metadata``  values for the task's own metadata
``resources`` true to put what the quantum may use into the task's metadata
``sleep``     seconds to sleep
``outputs``   how many outputs to write, in the order of connections; all if absent
``raise``     what to raise after that, one of `ERRORS`
``message``   message of the exception; ``repeat`` says how often
``code``      exit code of ``exit``, or of ``leave``, which ends the process

As nothing of this is in a task's config, one graph serves all tests, and a
quantum that failed may succeed when it is run again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from lsst.pipe.base import (
    AlgorithmError,
    AnnotatedPartialOutputsError,
    InputQuantizedConnection,
    InvalidQuantumError,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTaskConnections,
    QuantumContext,
    RepeatableQuantumError,
    UnprocessableDataError,
    UpstreamFailureNoWorkFound,
)
from lsst.pipe.base.connectionTypes import InitInput, InitOutput, Input, Output

from kit_task_base import DigestTask, define_task, is_listed
from kit_tasks import (
    DICT,
    EXPOSURE_DETECTOR,
    TABLE,
    cameras,
    detector_calibration,
    raw_images,
)

EXPOSURE = ("instrument", "exposure")


class KitAlgorithmError(AlgorithmError):
    """A failure that tells more than its message."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What it tells."""
        return {"n_points": 3, "chi2": 1.5, "name": "fit"}


class KitRepeatableError(RepeatableQuantumError):
    """A class of a task's own in the family."""


class UnprintableError(Exception):
    """An exception whose text has to be made, and made of odd things."""

    def __str__(self) -> str:
        return "\x00 \x1b[31m \udcff \u2028 é \r\n\ttab 'quotes' \"double\" \\ {} %s"


ERRORS: dict[str, Callable[[str], BaseException]] = {
    "runtime": RuntimeError,
    "key": KeyError,
    "os": lambda message: OSError(28, message),
    "missing_file": lambda message: FileNotFoundError(2, message),
    "no_arguments": lambda message: ValueError(),
    "memory": MemoryError,
    "unprintable": lambda message: UnprintableError(),
    "repeatable": RepeatableQuantumError,
    "own_repeatable": KitRepeatableError,
    "algorithm": KitAlgorithmError,
    "invalid": InvalidQuantumError,
    "no_work": NoWorkFound,
    "upstream_no_work": UpstreamFailureNoWorkFound,
    "unprocessable": UnprocessableDataError,
    "exit": lambda message: SystemExit(message),
}
"""Exceptions by name; ``partial``, ``bare_partial``, ``chained``, ``local``, ``exit`` and ``leave``
are made where they are raised."""


def fault_of(label: str, data_id: Any) -> dict[str, Any]:
    """Return the fault of a quantum; empty if it has none."""
    path = os.environ.get("KIT_FAULTS")
    if not path:
        return {}
    with open(path, encoding="utf-8") as stream:
        faults = json.load(stream).get(label, {})
    for text, fault in faults.items():
        if text == "" or is_listed(data_id, [text]):
            return dict(fault)
    return {}


class FaultyTask(DigestTask):
    """Does what its file of faults says; subclasses only add connections."""

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Run one quantum."""
        data_id = butlerQC.quantum.dataId
        assert data_id is not None, "every quantum has a data ID"
        fault = fault_of(self.getName(), data_id)
        for level, text in fault.get("log", []):
            getattr(self.log, level)(text)
        for name, value in fault.get("metadata", {}).items():
            self.metadata[name] = value
        if fault.get("resources"):
            memory = butlerQC.resources.max_mem
            self.metadata["cores"] = butlerQC.resources.num_cores
            self.metadata["memory"] = -1.0 if memory is None else float(memory.value)
        time.sleep(fault.get("sleep", 0.0))
        self.digest(butlerQC, data_id, inputRefs, outputRefs, fault.get("outputs"))
        if "raise" in fault:
            self.raise_it(fault)

    def raise_it(self, fault: dict[str, Any]) -> None:
        """Raise what a fault says."""
        kind, code = fault["raise"], fault.get("code", 1)
        message = fault.get("message", f"asked to raise {kind}") * fault.get("repeat", 1)
        if kind == "leave":
            os._exit(code)
        if kind == "signal":
            os.kill(os.getpid(), code)
        if kind == "exit":
            raise SystemExit(code)
        if kind == "bare_partial":
            raise AnnotatedPartialOutputsError(message)
        if kind == "partial":
            error = KitAlgorithmError(message)
            raise AnnotatedPartialOutputsError.annotate(error, self, log=self.log) from error
        if kind == "chained":
            try:
                raise ValueError("what was behind it")
            except ValueError as err:
                raise RuntimeError(message) from err
        if kind == "local":

            class LocalError(Exception):
                pass

            raise LocalError(message)
        raise ERRORS[kind](message)


def define_faulty_task(connections: type[PipelineTaskConnections]) -> tuple[type, type]:
    """Make the config and task classes for a connections class, as `define_task` does."""
    config, task = define_task(connections)
    members = {"__module__": connections.__module__, "__doc__": connections.__doc__}
    members |= {"ConfigClass": config, "_DefaultName": task._DefaultName}
    return config, type(task.__name__, (FaultyTask,), members)


class PrepareConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Begins with raw images, and writes more than one dataset."""

    raw = raw_images(doc="Raw image.")
    camera = cameras(doc="Camera.")
    bias = detector_calibration(doc="Bias frame.", name="bias")
    dark = detector_calibration(doc="Dark frame, loaded when needed.", name="dark", deferLoad=True)
    schema = InitOutput(doc="Schema of the table.", name="prepared_schema", storageClass=DICT)
    image = Output(
        doc="Image.", name="prepared_image", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )
    table = Output(
        doc="Table.", name="prepared_table", storageClass=TABLE, dimensions=EXPOSURE_DETECTOR
    )


class InspectConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Needs each of its inputs; one is a component, one the producer's metadata."""

    image = Input(
        doc="Image.", name="prepared_image", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )
    columns = Input(
        doc="Columns of the table, a component.",
        name="prepared_table.columns",
        storageClass="ArrowColumnList",
        dimensions=EXPOSURE_DETECTOR,
    )
    metadata = Input(
        doc="Metadata of the producer.",
        name="prepare_metadata",
        storageClass="TaskMetadata",
        dimensions=EXPOSURE_DETECTOR,
    )
    result = Output(
        doc="Result.", name="inspected", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )


class CombineConnections(PipelineTaskConnections, dimensions=EXPOSURE):
    """Gathers detectors, with tables in another storage class, and adjusts its quanta."""

    schema = InitInput(doc="Schema of the tables.", name="prepared_schema", storageClass=DICT)
    own_schema = InitOutput(doc="Schema.", name="combined_schema", storageClass=DICT)
    images = Input(
        doc="At least two images.",
        name="prepared_image",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        minimum=2,
    )
    tables = Input(
        doc="Tables of the same detectors, in another storage class.",
        name="prepared_table",
        storageClass="ArrowNumpyDict",
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        minimum=0,
        deferLoad=True,
    )
    result = Output(doc="Result.", name="combined", storageClass=DICT, dimensions=EXPOSURE)
    extra = Output(
        doc="Results of tables; multiple, so that there may be none.",
        name="combined_extra",
        storageClass=DICT,
        dimensions=EXPOSURE,
        multiple=True,
    )

    def adjustQuantum(self, inputs, outputs, label, data_id):  # type: ignore[no-untyped-def]
        """Leave out tables without an image, and the second result if there are none."""
        images = {ref.dataId for ref in inputs["images"][1]}
        connection, old = inputs["tables"]
        tables = [ref for ref in old if ref.dataId in images]
        adjusted_inputs = {"tables": (connection, tables)} if len(tables) != len(old) else {}
        super().adjustQuantum({**inputs, **adjusted_inputs}, outputs, label, data_id)
        return adjusted_inputs, {} if tables else {"extra": (outputs["extra"][0], [])}


class ConcludeConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Takes whatever there is."""

    combined = Input(
        doc="Combined results.",
        name="combined",
        storageClass=DICT,
        dimensions=EXPOSURE,
        multiple=True,
        minimum=0,
        deferLoad=True,
    )
    inspected = Input(
        doc="Results of single detectors.",
        name="inspected",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        minimum=0,
    )
    table = Output(doc="Table.", name="conclusion", storageClass=TABLE, dimensions=("instrument",))


PrepareConfig, PrepareTask = define_faulty_task(PrepareConnections)
InspectConfig, InspectTask = define_faulty_task(InspectConnections)
CombineConfig, CombineTask = define_faulty_task(CombineConnections)
ConcludeConfig, ConcludeTask = define_faulty_task(ConcludeConnections)
