"""Two small tasks whose quanta behave as their configuration asks."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

from lsst.pex.config import DictField, Field, ListField
from lsst.pipe.base import (
    AnnotatedPartialOutputsError,
    NoWorkFound,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    RepeatableQuantumError,
)
from lsst.pipe.base import connectionTypes as cT

_DIMENSIONS = ("instrument", "detector")

if name := os.environ.get("QBB_TEST_THREAD"):
    # A module that is not fit for a process that forks.
    threading.Thread(target=time.sleep, args=(600,), name=name, daemon=True).start()


class ProduceConnections(PipelineTaskConnections, dimensions=_DIMENSIONS):
    schema = cT.InitOutput(doc="Schema.", name="schema", storageClass="StructuredDataDict")
    raw = cT.Input(
        doc="Image.", name="raw", storageClass="StructuredDataDict", dimensions=_DIMENSIONS
    )
    catalog = cT.Output(
        doc="Catalog.", name="catalog", storageClass="StructuredDataDict", dimensions=_DIMENSIONS
    )
    extra = cT.Output(
        doc="Extra.", name="extra", storageClass="StructuredDataDict", dimensions=_DIMENSIONS
    )


class ProduceConfig(PipelineTaskConfig, pipelineConnections=ProduceConnections):
    factor = Field[float](doc="Number to multiply with.", default=2.0)
    fail = ListField[int](doc="Detectors that fail.", default=[])
    repeatable = ListField[int](doc="Detectors that fail for good.", default=[])
    no_work = ListField[int](doc="Detectors without work.", default=[])
    partial = ListField[int](doc="Detectors with partial outputs.", default=[])
    exit = ListField[int](doc="Detectors that try to exit.", default=[])
    threads = ListField[int](doc="Detectors that leave a thread running.", default=[])
    print_megabytes = DictField[int, int](doc="How much some detectors print.", default={})
    interrupt = ListField[int](doc="Detectors that are interrupted.", default=[])
    leave = ListField[int](doc="Detectors that leave a process running.", default=[])
    die = DictField[int, str](doc="How the process ends on some detectors.", default={})
    noisy = Field[bool](doc="Print, and read standard input.", default=False)


class ProduceTask(PipelineTask):
    """Multiplies a number."""

    ConfigClass = ProduceConfig
    _DefaultName = "produce"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.schema = {"columns": ["value"]}

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        detector = butlerQC.quantum.dataId["detector"]
        config = self.config
        if config.noisy:
            print("a task may print")
            os.system("echo and so may its children")
            assert sys.stdin.read() == "", "Standard input must be empty for tasks."
        value = butlerQC.get(inputRefs.raw)["value"] * config.factor
        self.metadata["value"] = float("nan") if detector in config.fail else value
        memory = butlerQC.resources.max_mem
        self.metadata["max_mem"] = -1.0 if memory is None else float(memory.value)
        self.log.debug("Detector %d in detail.", detector)
        self.log.info("Processing detector %d.", detector)
        if detector in config.fail:
            raise ValueError(f"asked to fail on {detector}")
        if detector in config.repeatable:
            raise RepeatableQuantumError(f"asked to fail on {detector} always")
        if detector in config.no_work:
            raise NoWorkFound(f"asked to find no work on {detector}")
        misbehave(config, detector)
        if detector in config.exit:
            sys.exit(3)
        if detector in config.interrupt:
            raise KeyboardInterrupt
        butlerQC.put({"value": value}, outputRefs.catalog)
        if detector in config.partial:
            cause = ValueError(f"asked to stop half way on {detector}")
            raise AnnotatedPartialOutputsError.annotate(cause, self, log=self.log) from cause
        butlerQC.put({"extra": value + 1}, outputRefs.extra)


def misbehave(config: ProduceConfig, detector: int) -> None:
    """Do what a task should not do to its process."""
    if detector in config.leave and os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    if detector in config.threads:
        threading.Thread(target=time.sleep, args=(600,), name="forgotten", daemon=True).start()
    for _ in range(config.print_megabytes.get(detector, 0)):
        print("x" * (1 << 20))
    match config.die.get(detector):
        case "exit":
            os._exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(600)


class ConsumeConnections(PipelineTaskConnections, dimensions=_DIMENSIONS):
    schema = cT.InitInput(doc="Schema.", name="schema", storageClass="StructuredDataDict")
    extra = cT.Input(
        doc="Extra.",
        name="extra",
        storageClass="StructuredDataDict",
        dimensions=_DIMENSIONS,
        deferLoad=True,
    )
    aside = cT.PrerequisiteInput(
        doc="Found by code only.",
        name="aside",
        storageClass="StructuredDataDict",
        dimensions=("instrument",),
        multiple=True,
        minimum=0,
        lookupFunction=lambda dataset_type, registry, data_id, collections: [],
    )
    final = cT.Output(
        doc="Final.", name="final", storageClass="StructuredDataDict", dimensions=_DIMENSIONS
    )

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: Any) -> Any:
        return super().adjustQuantum(inputs, outputs, label, data_id)


class ConsumeConfig(PipelineTaskConfig, pipelineConnections=ConsumeConnections):
    pass


class ConsumeTask(PipelineTask):
    """Passes a number on, together with the schema."""

    ConfigClass = ConsumeConfig
    canMultiprocess = False
    _DefaultName = "consume"

    def __init__(self, *, initInputs: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(initInputs=initInputs, **kwargs)
        self._schema = (initInputs or {})["schema"]

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        extra = butlerQC.get(inputRefs.extra).get()
        butlerQC.put({**extra, **self._schema}, outputRefs.final)
