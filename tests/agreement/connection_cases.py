"""Pipelines for each way in which a regular connection can be declared."""

from __future__ import annotations

from typing import Any

from described import written

DICT, TABLE = "StructuredDataDict", "ArrowAstropy"
EXPOSURE = ["instrument", "exposure", "detector"]
VISIT = ["instrument", "visit"]
VISIT_DETECTOR = ["instrument", "visit", "detector"]
DETECTOR = ["instrument", "detector"]
TRACT = ["skymap", "tract"]
PATCH = [*TRACT, "patch"]
RELEASED = ["releases/QR1"]


def connection(
    kind: str, name: str, dimensions: list[str], storage_class: str = DICT, **more: Any
) -> dict[str, Any]:
    """Return the fields of a connection."""
    return {
        "kind": kind,
        "name": name,
        "storageClass": storage_class,
        "dimensions": dimensions,
        **more,
    }


def read(name: str, dimensions: list[str], storage_class: str = DICT, **more: Any) -> dict:
    """Return an input."""
    return connection("Input", name, dimensions, storage_class, **more)


def look_up(name: str, dimensions: list[str], storage_class: str = DICT, **more: Any) -> dict:
    """Return a prerequisite."""
    return connection("PrerequisiteInput", name, dimensions, storage_class, **more)


def write(name: str, dimensions: list[str], storage_class: str = DICT, **more: Any) -> dict:
    """Return an output."""
    return connection("Output", name, dimensions, storage_class, **more)


def construct(kind: str, name: str, storage_class: str = DICT) -> dict[str, Any]:
    """Return an init-input or init-output."""
    return {"kind": f"Init{kind}", "name": name, "storageClass": storage_class}


def task(dimensions: list[str], **connections: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a task."""
    return {"dimensions": dimensions, "connections": connections}


RAW = read("raw", EXPOSURE)
RAWS = read("raw", EXPOSURE, multiple=True)
IMAGES = read("visit_image", VISIT_DETECTOR, multiple=True)
TABLES = read("release_object", TRACT, TABLE)


def case(name: str, tasks: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return the fields of a case."""
    members = {k: more.pop(k) for k in ("subsets", "steps", "instrument") if k in more}
    return {"name": name, "pipeline": written(f"{name}.", tasks, **members), **more}


def refused(word: str, real: str) -> dict[str, str]:
    """Return the expectation that both refuse."""
    return {"error": word, "real": real}


def dimension_cases() -> list[dict[str, Any]]:
    """Make cases of tasks' dimensions, and of outputs that have others."""
    simple = {
        "band": ["band"],
        "instrument": ["instrument"],
        "physical filter": ["instrument", "physical_filter"],
        "day": ["instrument", "day_obs"],
        "group": ["instrument", "group"],
        "exposure and visit": ["instrument", "exposure", "visit"],
        "visit system": ["instrument", "visit_system"],
        "visit and day": ["instrument", "visit", "day_obs"],
        "detector and filter": ["instrument", "detector", "physical_filter"],
        "none": [],
    }
    found = [
        case(f"raws by {name}", {"a": task(own, raws=RAWS, out=write("result", own))})
        for name, own in simple.items()
    ]
    found += [
        case(
            f"images by {name}",
            {"a": task(own, images=IMAGES, out=write("result", own))},
            input=RELEASED,
        )
        for name, own in {
            "tract": TRACT,
            "patch": PATCH,
            "visit and patch": [*VISIT, *PATCH],
            "patch and band": [*PATCH, "band"],
            "detector and tract": [*DETECTOR, *TRACT],
            "filter and tract": ["instrument", "physical_filter", *TRACT],
            "sky map": ["skymap"],
        }.items()
    ]
    split = write("piece", VISIT_DETECTOR, multiple=True)
    found += [
        case(
            "several outputs of a quantum",
            {
                "a": task(VISIT, images=IMAGES, out=split),
                "b": task(VISIT_DETECTOR, piece=read("piece", VISIT_DETECTOR)),
            },
            input=RELEASED,
        ),
        case(
            "an output too many",
            {"a": task(VISIT, images=IMAGES, out=write("piece", VISIT_DETECTOR))},
            input=RELEASED,
            expect=refused("piece", "ScalarError"),
        ),
        case(
            "an input too many",
            {"a": task(VISIT, image=read("visit_image", VISIT_DETECTOR))},
            input=RELEASED,
            expect=refused("visit_image", "ScalarError"),
        ),
        case("neither inputs nor outputs", {"a": task(DETECTOR)}),
        case(
            "one dataset of several quanta",
            {"a": task(EXPOSURE, raw=RAW, out=write("shared", ["instrument", "exposure"]))},
            expect="agree",
        ),
        case("an element without records", {"a": task(["subfilter", "band"])}, expect="empty"),
    ]
    return found


def input_cases() -> list[dict[str, Any]]:
    """Make cases of regular inputs."""
    out = write("result", VISIT)
    deferred = {**RAWS, "deferGraphConstraint": True}
    absent = read("not_there", EXPOSURE, multiple=True, minimum=0)
    found = [
        case(f"minimum of {n}", {"a": task(VISIT, raws={**RAWS, "minimum": n}, out=out)})
        for n in (0, 1, 3)
    ]
    found += [
        case(
            "a minimum that nothing reaches",
            {"a": task(VISIT, raws={**RAWS, "minimum": 99}, out=out)},
            expect="empty",
        ),
        case(
            "a minimum of an intermediate prunes downstream",
            {
                "a": task(
                    EXPOSURE,
                    raw=RAW,
                    extra=read("sparse_extra", EXPOSURE, deferGraphConstraint=True),
                    out=write("first", EXPOSURE),
                ),
                "b": task(
                    VISIT,
                    firsts=read("first", EXPOSURE, multiple=True, minimum=3),
                    out=write("second", VISIT),
                ),
                "c": task(["instrument"], seconds=read("second", VISIT, multiple=True)),
            },
        ),
        case("only deferred constraints", {"a": task(VISIT, raws=deferred, out=out)}),
        case(
            "deferred by one task of two",
            {
                "a": task(VISIT, raws=deferred, out=out),
                "b": task(EXPOSURE, raw=RAW, before=read("result", VISIT)),
            },
        ),
        case(
            "optional and not registered",
            {"a": task(VISIT, raws=RAWS, absent={**absent, "deferGraphConstraint": True})},
        ),
        case(
            "optional, constraining and not registered",
            {"a": task(VISIT, raws=RAWS, absent=absent)},
        ),
        case(
            "not registered, without constraints",
            {"a": task(VISIT, raws=RAWS, absent=absent)},
            constraint="off",
        ),
        case(
            "deferred binding",
            {"a": task(VISIT, raws=RAWS, later={**IMAGES, "deferBinding": True}, out=out)},
            input=RELEASED,
            python=True,
            expect="empty",
        ),
        case(
            "deferred binding without a minimum",
            {"a": task(VISIT, raws=RAWS, later={**IMAGES, "deferBinding": True, "minimum": 0})},
            python=True,
            input=RELEASED,
        ),
        case(
            "twice the same dataset type",
            {"a": task(VISIT, raws=RAWS, again={**RAWS, "deferLoad": True}, out=out)},
        ),
        case(
            "twice the same dataset type, once with another storage class",
            {"a": task(TRACT, table=TABLES, again={**TABLES, "storageClass": "ArrowTable"})},
            input=RELEASED,
            expect="agree",
        ),
        case(
            "metadata and logs of another task",
            {
                "a": task(EXPOSURE, raw=RAW),
                "b": task(
                    VISIT,
                    metadata=read("a_metadata", EXPOSURE, "TaskMetadata", multiple=True),
                    logs=read("a_log", EXPOSURE, "ButlerLogRecords", multiple=True, minimum=0),
                ),
            },
        ),
        case(
            "tasks connected through overall inputs only",
            {
                "a": task(VISIT, raws=RAWS, out=out),
                "b": task(DETECTOR, raws=RAWS, images=IMAGES),
                "c": task(PATCH, images=IMAGES, out=write("other", PATCH)),
                "d": task(TRACT, others=read("other", PATCH, multiple=True)),
            },
            input=RELEASED,
        ),
        case(
            "one component is empty",
            {"a": task(VISIT, raws=RAWS, out=out), "b": task(TRACT, table=TABLES)},
            input=RELEASED,
            where="instrument='QbbCam' AND skymap='qbb_rings' AND tract < 0",
            expect="agree",
        ),
        case(
            "a calibration as a regular input",
            {"a": task(DETECTOR, bias=read("bias", DETECTOR, isCalibration=True))},
            expect="agree",
        ),
        case(
            "a calibration as a regular input of exposures",
            {"a": task(EXPOSURE, raw=RAW, bias=read("bias", DETECTOR, isCalibration=True))},
            expect="agree",
        ),
    ]
    return found


def storage_class_cases() -> list[dict[str, Any]]:
    """Make cases of storage classes and components."""
    table = write("made", TRACT, TABLE)
    mock = "lsst.pipe.base.tests.mocks.DynamicTestPipelineTask"
    first = (
        "from lsst.pipe.base.tests.mocks import DynamicConnectionConfig as Connection\n"
        "config.dimensions = ['instrument', 'detector']\n"
        "config.inputs['raws'] = Connection(dataset_type_name='raw', multiple=True,\n"
        "    dimensions=['instrument', 'exposure', 'detector'], mock_storage_class=False)\n"
        "config.prerequisite_inputs['bias'] = Connection(dataset_type_name='bias', minimum=0,\n"
        "    dimensions=['instrument', 'detector'], mock_storage_class=False, multiple=True,\n"
        "    is_calibration=True)\n"
        "config.init_outputs['schema'] = Connection(dataset_type_name='mocked_schema')\n"
        "config.outputs['sum'] = Connection(dataset_type_name='mocked_sum',\n"
        "    dimensions=['instrument', 'detector'])\n"
    )
    second = (
        "from lsst.pipe.base.tests.mocks import DynamicConnectionConfig as Connection\n"
        "config.dimensions = ['instrument', 'physical_filter']\n"
        "config.init_inputs['schema'] = Connection(dataset_type_name='mocked_schema')\n"
        "config.inputs['sums'] = Connection(dataset_type_name='mocked_sum', multiple=True,\n"
        "    dimensions=['instrument', 'detector'])\n"
        "config.outputs['all'] = Connection(dataset_type_name='mocked_all',\n"
        "    dimensions=['instrument', 'physical_filter'])\n"
    )
    return [
        case(
            "each consumer has its own storage class",
            {
                "a": task(TRACT, table=TABLES, out=table),
                "b": task(TRACT, table=read("made", TRACT, "ArrowTable")),
                "c": task(TRACT, table=read("made", TRACT, "ArrowNumpy")),
                "d": task(TRACT, table=read("release_object", TRACT, "ArrowNumpyDict")),
                "e": task(TRACT, columns=read("made.columns", TRACT, "ArrowColumnList")),
            },
            input=RELEASED,
        ),
        case(
            "a component read with another storage class",
            {"a": task(TRACT, n=read("release_object.rowcount", TRACT, "ArrowColumnList"))},
            input=RELEASED,
            expect="agree",
        ),
        case(
            "no such component",
            {"a": task(TRACT, n=read("release_object.flavour", TRACT, "int"))},
            input=RELEASED,
            expect="agree",
        ),
        case(
            "not convertible",
            {"a": task(EXPOSURE, raw=read("raw", EXPOSURE, TABLE))},
            expect="agree",
        ),
        case(
            "unregistered and disagreeing consumers",
            {
                "a": task(VISIT, raws=RAWS, x=read("unknown", VISIT, minimum=0)),
                "b": task(VISIT, raws=RAWS, x=read("unknown", VISIT, TABLE, minimum=0)),
            },
            constraint="off",
            expect="agree",
        ),
        case(
            "an output of a registered type with another storage class",
            {
                "a": task(
                    TRACT,
                    sky=read("skyMap", ["skymap"]),
                    out=write("release_object", TRACT, "ArrowTable"),
                )
            },
        ),
        {
            "name": "mocks",
            "pipeline": {
                "description": "Tasks and storage classes of the middleware's own tests.",
                "tasks": {
                    "first": {"class": mock, "config": {"python": first}},
                    "second": {"class": mock, "config": {"python": second}},
                },
            },
        },
    ]


def cases() -> list[dict[str, Any]]:
    """Make all cases."""
    return [*dimension_cases(), *input_cases(), *storage_class_cases()]
