"""The body that all tasks of the kit share.

A task reads its inputs, reduces them to digests and writes those digests into
small outputs of real storage classes.  What is written depends on nothing
but the quantum's data ID and the content of its inputs, so two executors
which run one graph must write the same content, and an input given to the
wrong quantum changes everything downstream of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from astropy.table import Table
from lsst.daf.butler import DataCoordinate, DatasetRef, DeferredDatasetHandle
from lsst.pex.config import DictField, Field, ListField
from lsst.pipe.base import (
    AnnotatedPartialOutputsError,
    InputQuantizedConnection,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    TaskMetadata,
)


def digest_of(value: Any) -> str:
    """Return a short digest of a dataset's content.

    Tables and dictionaries of arrays count by their columns, so one table
    has one digest in all storage classes; other objects count by their JSON
    form, and what JSON does not know by its text.
    """
    if isinstance(value, TaskMetadata):
        # What the executor adds differs from run to run.
        own = value.to_dict().items()
        value = {name: item for name, item in own if name not in ("quantum", "job")}
    elif isinstance(value, Table):
        value = {name: value[name].tolist() for name in value.colnames}
    text = json.dumps(
        value, sort_keys=True, default=lambda x: x.tolist() if isinstance(x, np.ndarray) else str(x)
    )
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def flat_refs(refs: Any) -> list[Any]:
    """Return the references of a connection, multiple or not, deferred or not, as a list."""
    return list(refs) if isinstance(refs, Sequence) else [refs]


class DigestConfig(PipelineTaskConfig, pipelineConnections=PipelineTaskConnections):
    """What a test may ask of a task.

    The lists of data IDs hold texts such as ``detector=3`` or
    ``visit=12&detector=3``; a quantum is meant if all of one text's parts
    agree with its data ID.  Quanta listed in the environment variable
    ``KIT_HEALED``, separated by spaces, do not fail and do not crash, so that
    a second attempt can succeed.
    """

    read_inputs = Field[bool](doc="Read the inputs; a task that does not is a no-op.", default=True)
    seconds = Field[float](doc="Time to sleep before anything else, seconds.", default=0.0)
    padding = Field[int](doc="Size of a filler put into each dictionary written, bytes.", default=0)
    fail_on = ListField[str](doc="Data IDs whose quanta raise RuntimeError.", default=[])
    crash_on = ListField[str](doc="Data IDs whose quanta kill their own process.", default=[])
    misbehave_on = DictField[str, str](
        doc="Data IDs whose quanta do to their process what no task should: 'exit', 'segfault', "
        "'hang', 'leave' a process running, or 'print' megabytes.",
        default={},
    )
    no_work_on = ListField[str](doc="Data IDs whose quanta raise NoWorkFound.", default=[])
    partial_on = ListField[str](
        doc="Data IDs whose quanta write their first output and then raise "
        "AnnotatedPartialOutputsError.",
        default=[],
    )
    incomplete_on = ListField[str](
        doc="Data IDs whose quanta write their first output only and end well.", default=[]
    )

    def validate(self) -> None:
        """Check that each data ID text can be understood."""
        super().validate()
        lists = ("fail_on", "crash_on", "misbehave_on", "no_work_on", "partial_on", "incomplete_on")
        for name in lists:
            for text in getattr(self, name):
                if not all("=" in part for part in text.split("&")):
                    raise ValueError(
                        f"{name}: {text!r} is not of the form 'dimension=value[&...]'."
                    )


def is_listed(data_id: DataCoordinate, texts: Iterable[str]) -> bool:
    """Tell whether one of the texts means this data ID."""
    values = {name: str(value) for name, value in data_id.mapping.items()}
    for text in texts:
        parts = (part.split("=", 1) for part in text.split("&"))
        if all(values.get(name) == value for name, value in parts):
            return True
    return False


def misbehave(how: str) -> None:
    """Do what a task should not do to its process."""
    match how:
        case "exit":
            os._exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(3600)
        case "leave":
            if os.fork() == 0:
                time.sleep(3600)
                os._exit(0)
        case "print":
            for _ in range(8):
                print("x" * (1 << 20))


class DigestTask(PipelineTask):
    """Reads everything, writes digests; subclasses only add connections."""

    ConfigClass: ClassVar[type[DigestConfig]] = DigestConfig
    _DefaultName = "digest"
    config: DigestConfig

    def __init__(self, *, initInputs: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(initInputs=initInputs, **kwargs)
        self.init_digests = {
            name: digest_of(value) for name, value in sorted((initInputs or {}).items())
        }
        connections = self.config.connections.ConnectionsClass(config=self.config)
        for name in connections.initOutputs:
            # The executor takes init-outputs from attributes of the task.
            setattr(self, name, {"columns": ["id", "flux", "source"], "from": self.init_digests})

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Run one quantum."""
        config = self.config
        data_id = butlerQC.quantum.dataId
        assert data_id is not None, "every quantum has a data ID"
        if config.seconds:
            time.sleep(config.seconds)
        healed = is_listed(data_id, os.environ.get("KIT_HEALED", "").split())
        if is_listed(data_id, config.crash_on) and not healed:
            os.kill(os.getpid(), signal.SIGKILL)
        for text, how in config.misbehave_on.items():
            if is_listed(data_id, [text]):
                misbehave(how)
        if is_listed(data_id, config.fail_on) and not healed:
            raise RuntimeError(f"configured to fail for {data_id}")
        if is_listed(data_id, config.no_work_on):
            raise NoWorkFound(f"configured to find no work for {data_id}")
        partial = is_listed(data_id, config.partial_on)
        some = partial or is_listed(data_id, config.incomplete_on)
        self.digest(butlerQC, data_id, inputRefs, outputRefs, 1 if some else None)
        if partial:
            try:
                raise ValueError(f"configured to write some outputs for {data_id}")
            except ValueError as err:
                raise AnnotatedPartialOutputsError.annotate(err, self, log=self.log) from err

    def digest(
        self,
        context: QuantumContext,
        data_id: DataCoordinate,
        inputs: InputQuantizedConnection,
        outputs: OutputQuantizedConnection,
        most: int | None,
    ) -> None:
        """Read the inputs and write the outputs, or the first ones in the order of connections."""
        summary = self.summarize(context, data_id, inputs)
        self.log.info("%s read %d datasets", data_id, summary["n_inputs"])
        self.metadata["n_inputs"] = summary["n_inputs"]
        refs = [
            (name, ref)
            for name, connected in sorted(outputs, key=lambda pair: pair[0])
            for ref in flat_refs(connected)
        ]
        for name, ref in refs[:most]:
            context.put(self.content(name, ref, summary), ref)

    def summarize(
        self, context: QuantumContext, data_id: DataCoordinate, refs: InputQuantizedConnection
    ) -> dict[str, Any]:
        """Read the inputs and describe them."""
        inputs: dict[str, Any] = {}
        count = 0
        for name, connected in refs:
            these = flat_refs(connected)
            count += len(these)
            contents = []
            for ref in these:
                if self.config.read_inputs:
                    value = context.get(ref)
                    if isinstance(value, DeferredDatasetHandle):
                        value = value.get()
                    # With the data ID, so that swapped datasets show.
                    contents.append([list(ref.dataId.required_values), digest_of(value)])
            inputs[name] = {"count": len(these), "digest": digest_of(sorted(contents))}
        return {
            "task": self.getName(),
            "data_id": dict(sorted(data_id.required.items())),
            "inputs": dict(sorted(inputs.items())),
            "init_inputs": self.init_digests,
            "n_inputs": count,
        }

    def content(self, name: str, ref: DatasetRef, summary: dict[str, Any]) -> Any:
        """Make the dataset for one output."""
        token = digest_of([name, summary])
        if ref.datasetType.storageClass_name == "ArrowAstropy":
            n_rows = 2 + int(token[0], 16) % 4
            table = Table(
                {
                    "id": np.arange(n_rows, dtype=np.int64),
                    "flux": np.full(n_rows, int(token[:6], 16) / 1000.0),
                    "source": [token] * n_rows,
                }
            )
            # Without metadata in the schema the rowcount component cannot be read.
            table.meta["connection"] = name
            return table
        filler = {"padding": "." * self.config.padding} if self.config.padding else {}
        return {**summary, "connection": name, "token": token, **filler}


def define_task(
    connections: type[PipelineTaskConnections], **fields: Any
) -> tuple[type[DigestConfig], type[DigestTask]]:
    """Make the config and task classes for a connections class.

    Both belong to the module that defines the connections and are named after
    them: ``IsrConnections`` gives ``IsrConfig`` and ``IsrTask``.

    Parameters
    ----------
    connections : `type`
        Connections class; its documentation becomes the task's.
    **fields
        Fields that only this task's config has.
    """
    stem = connections.__name__.removesuffix("Connections")
    members = {"__module__": connections.__module__}
    config = type(
        f"{stem}Config",
        (DigestConfig,),
        {**members, **fields, "__doc__": f"Configuration of {stem}Task."},
        pipelineConnections=connections,
    )
    task = type(
        f"{stem}Task",
        (DigestTask,),
        {
            **members,
            "__doc__": connections.__doc__,
            "ConfigClass": config,
            "_DefaultName": stem[0].lower() + stem[1:],
        },
    )
    return config, task
