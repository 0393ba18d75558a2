"""Run one quantum with the middleware's own executor and tell how it went."""

from __future__ import annotations

__all__ = ("Options", "QuantumRunner")

import dataclasses
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from .diagnosis import Profile, debug_failure
from .errors import WorkerError, type_name
from .graph import BuiltQuantum, GraphParts
from .process import Bystanders

_LOG = logging.getLogger("lsst.qbb_worker")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How quanta are to be executed; the defaults are those of ``run-qbb``."""

    raise_on_partial_outputs: bool = True
    """Whether partial outputs are a failure."""
    skip_existing: bool = True
    """Whether a quantum whose metadata exists has succeeded already."""
    clobber: bool = True
    """Whether outputs of an unsuccessful attempt are removed."""
    assume_no_existing_outputs: bool = False
    """Whether first attempts need not look for existing outputs."""
    cores_per_quantum: int = 1
    """Number of cores a task may use."""
    memory_per_quantum: int | None = None
    """Memory a task may use, in bytes; `None` means no limit."""
    implicit_threading: bool = False
    """Whether libraries may start threads as they like."""
    debug: bool = False
    """Whether ``lsstDebug`` is enabled."""
    profile: str | None = None
    """File for a profile of all quanta."""
    pdb: bool = False
    """Whether a debugger is started where a quantum has failed."""
    side_by_side: list[str] = dataclasses.field(default_factory=list)
    """Labels of tasks of which several quanta may run at a time."""
    packed: list[str] = dataclasses.field(default_factory=list)
    """Dataset types of metadata and logs that go into replies, not files."""
    log_levels: list[Any] = dataclasses.field(default_factory=list)
    """Pairs of a logger and its level, as ``pipetask --log-level`` has them; a
    logger that is `None` stands for those of the middleware."""

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Options:
        """Check and convert the ``options`` member of a start request.

        Parameters
        ----------
        tree : `~collections.abc.Mapping`
            Options by name; absent ones take their defaults.

        Returns
        -------
        options : `Options`
            The options.

        Raises
        ------
        WorkerError
            Raised with kind ``request`` for an unknown name or a wrong type.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for name, value in tree.items():
            if name not in fields:
                raise WorkerError(
                    "request", f"Unknown option {name!r}; known are {', '.join(fields)}."
                )
            wanted, _, optional = str(fields[name].type).partition(" | ")
            if value is None and optional:
                continue
            if type(value).__name__ != wanted.partition("[")[0]:
                raise WorkerError(
                    "request", f"Option {name!r} must be of type {wanted}, not {value!r}."
                )
        return cls(**tree)


class QuantumRunner:
    """Executes quanta one after the other.

    Parameters
    ----------
    parts : `GraphParts`
        What all quanta have in common.
    store : `~qbb_worker.butler.Store`
        Output datastore.
    options : `Options`
        How to execute.
    job_metadata : `dict`
        What goes under ``job`` into the metadata of each quantum.
    """

    def __init__(
        self, parts: GraphParts, store: Any, options: Options, job_metadata: dict[str, Any]
    ):
        from lsst.pipe.base import TaskFactory

        self._parts = parts
        self._store = store
        self._options = options
        self._job_metadata = job_metadata
        self._task_factory = TaskFactory()
        self._profile = Profile(options.profile)

    def finish(self, worker: str) -> None:
        """Write the profile, if one was asked for.

        Parameters
        ----------
        worker : `str`
            Name of this worker.
        """
        self._profile.write(worker)

    def run(
        self,
        quantum: Mapping[str, Any],
        init_quantum: Mapping[str, Any],
        dimension_data: Mapping[str, list[Any]],
        attempt: int,
        memory: int | None = None,
    ) -> dict[str, Any]:
        """Execute a quantum.

        Parameters
        ----------
        quantum, init_quantum : `~collections.abc.Mapping`
            JSON blocks of the quantum and of its task's init quantum.
        dimension_data : `~collections.abc.Mapping`
            Records for all data IDs in the quantum.
        attempt : `int`
            How often this quantum was tried before in the same output run.
        memory : `int`, optional
            Memory that the task may use, in bytes, if that is not what the
            options say.

        Returns
        -------
        reply : `dict`
            Outcome, see the package's README.

        Raises
        ------
        WorkerError
            Raised if the request is wrong.  Whatever happens in the task is
            not raised but part of the reply.
        """
        blocks = (quantum.get("datastore_records", {}), init_quantum.get("datastore_records", {}))
        built = self._parts.build_quantum(
            quantum, init_quantum, dimension_data, self._store.records_of(blocks)
        )
        special = [ref.id for ref in (built.metadata_ref, built.log_ref) if ref is not None]
        failure: BaseException | None = None
        skipped = False
        outputs = [ref.id for ref in built.output_refs]
        packed = self._packed(built)
        bystanders = Bystanders()
        with self._store.butler(built.inputs, outputs, blocks, special, packed) as butler:
            try:
                with self._profile.running():
                    skipped = (
                        self._executor(butler, attempt, memory)
                        .execute(built.task_node, built.quantum, built.quantum_id)
                        .skipped_existing
                    )
            except BaseException as exc:
                # Also SystemExit and KeyboardInterrupt: a task that raises
                # them has failed, but the worker is still sound.
                failure = exc
                _LOG.error(
                    "Task <%s> dataId=%s failed.",
                    built.task_node.label,
                    built.quantum.dataId,
                    exc_info=exc,
                )
                if self._options.pdb:
                    debug_failure(exc, f"{built.task_node.label} {built.quantum.dataId}")
            left = bystanders.newcomers()
            if left:
                # Not in the quantum's log dataset, which says what the stock executor's would.
                _LOG.warning(
                    "Task <%s> dataId=%s left threads running: %s.",
                    built.task_node.label,
                    built.quantum.dataId,
                    ", ".join(left),
                )
            reply = self._describe(built, butler, failure, skipped=skipped)
            return reply | {"threads_left": left}

    def _packed(self, built: BuiltQuantum) -> list[uuid.UUID]:
        """Tell which of a quantum's datasets go into the reply."""
        return [
            ref.id
            for ref in (built.metadata_ref, built.log_ref)
            if ref is not None and ref.datasetType.name in self._options.packed
        ]

    def _executor(self, butler: Any, attempt: int, memory: int | None) -> Any:
        """Make an executor for one quantum.

        A new one each time, because an executor remembers all quanta that it
        has run and writes that list into each log.
        """
        import astropy.units as u
        from lsst.pipe.base import ExecutionResources
        from lsst.pipe.base.single_quantum_executor import SingleQuantumExecutor

        resources = ExecutionResources(
            num_cores=self._options.cores_per_quantum,
            max_mem=memory if memory is not None else self._options.memory_per_quantum,
            default_mem_units=u.B,
        )
        again = attempt > 0
        return SingleQuantumExecutor(
            task_factory=self._task_factory,
            limited_butler_factory=lambda quantum: butler,
            resources=resources,
            enable_lsst_debug=self._options.debug,
            skip_existing=self._options.skip_existing,
            # What an earlier attempt of the same run left behind is always in
            # the way.
            clobber_outputs=self._options.clobber or again,
            assume_no_existing_outputs=self._options.assume_no_existing_outputs and not again,
            raise_on_partial_outputs=self._options.raise_on_partial_outputs,
            job_metadata=self._job_metadata,
        )

    def _describe(
        self, built: BuiltQuantum, butler: Any, failure: BaseException | None, *, skipped: bool
    ) -> dict[str, Any]:
        """Make the reply while the records of the quantum are still there."""
        metadata: Any | None = None
        extra: Mapping[str, Any] = {}
        found: dict[uuid.UUID, list[dict[str, Any]]]
        if skipped:
            found = self._store.found_rows(built.output_refs)
            metadata = self._existing_metadata(built, butler)
        else:
            found = {
                i: self._store.written_rows(i)
                for i in butler.actual_outputs
                if i not in butler.texts
            }
            metadata = butler.kept.get(built.metadata_ref.id)
            if (
                built.log_ref is not None
                and (logs := butler.kept.get(built.log_ref.id)) is not None
            ):
                extra = logs.extra or {}
        status = "skipped_existing" if skipped else "succeeded"
        if failure is not None:
            status = "failed"
        return {
            "ok": True,
            "quantum_id": built.quantum_id,
            "status": status,
            "caveats": _caveats(metadata) if failure is None else None,
            "exception": _exception(failure, extra) if failure is not None else None,
            "exit_code": _exit_code(failure) if failure is not None else None,
            "actual_outputs": [
                {"dataset_id": i, "rows": rows} for i, rows in sorted(found.items())
            ],
            "packed": [{"dataset_id": i, "text": text} for i, text in butler.texts.items()],
            "available_inputs": sorted(butler.available_inputs),
            "actual_inputs": sorted(butler.actual_inputs),
            "resource_usage": _resource_usage(
                metadata if metadata is not None else extra.get("metadata")
            ),
        }

    def _existing_metadata(self, built: BuiltQuantum, butler: Any) -> Any | None:
        """Read the metadata of a skipped quantum for its caveats.

        Nothing depends on them, so unreadable metadata is only logged: that
        the dataset exists is what counts as success.
        """
        try:
            return butler.get(built.metadata_ref)
        except Exception as exc:
            _LOG.warning("Cannot read existing metadata %s: %s", built.metadata_ref, exc)
            return None


def _caveats(metadata: Any | None) -> int | None:
    """Return the caveats in the metadata of a quantum that succeeded."""
    try:
        return int(metadata["quantum"]["caveats"]) if metadata is not None else None
    except (KeyError, TypeError, ValueError):
        # Metadata written by middleware older than caveats.
        return None


def _exception(failure: BaseException, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an exception the way the log dataset does."""
    described = {"type_name": type_name(failure), "message": str(failure), "metadata": {}}
    logged = extra.get("exception")
    if logged is not None:
        described["metadata"] = logged.get("metadata") or {}
    return described


def _exit_code(failure: BaseException) -> int:
    """Return the code with which a process should exit for an exception."""
    if isinstance(failure, SystemExit):
        return failure.code if isinstance(failure.code, int) and failure.code else 1
    code = getattr(failure, "EXIT_CODE", 1)
    return code if isinstance(code, int) else 1


def _resource_usage(metadata: Any | None) -> dict[str, Any] | None:
    """Extract resource usage from metadata, of failed quanta also."""
    from lsst.pipe.base import TaskMetadata
    from lsst.pipe.base.resource_usage import QuantumResourceUsage

    if metadata is None:
        return None
    try:
        if not isinstance(metadata, TaskMetadata):
            metadata = TaskMetadata.model_validate(metadata)
        usage = QuantumResourceUsage.from_task_metadata(metadata)
    except (KeyError, ValueError):
        return None
    if usage is None:
        return None
    tree = usage.model_dump(mode="json")
    tree["memory"] = int(usage.memory)
    return tree
