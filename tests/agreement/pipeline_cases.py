"""Cases of prerequisites, of whole pipelines, and of inputs and constraints."""

from __future__ import annotations

from typing import Any

from connection_cases import (
    DETECTOR,
    EXPOSURE,
    IMAGES,
    PATCH,
    RAW,
    RAWS,
    RELEASED,
    TABLE,
    TABLES,
    TRACT,
    VISIT,
    VISIT_DETECTOR,
    case,
    construct,
    look_up,
    read,
    refused,
    task,
    write,
)


def prerequisite_cases() -> list[dict[str, Any]]:
    """Make cases of prerequisites."""
    bias = look_up("bias", DETECTOR, isCalibration=True)
    return [
        case(
            "several calibrations of a quantum",
            {"a": task(["instrument", "exposure"], raws=RAWS, b={**bias, "multiple": True})},
        ),
        case(
            "a calibration without a time",
            {
                "a": task(
                    DETECTOR,
                    raws=RAWS,
                    camera=look_up("camera", ["instrument"], isCalibration=True),
                )
            },
        ),
        case(
            "too many calibrations without a time",
            {"a": task(DETECTOR, raws=RAWS, b=bias)},
            expect="agree",
        ),
        case(
            "calibrations of a night",
            {"a": task(["instrument", "day_obs", "detector"], raws=RAWS, b=bias)},
            expect="agree",
        ),
        case(
            "an unregistered optional prerequisite",
            {"a": task(EXPOSURE, raw=RAW, x=look_up("unknown", DETECTOR, minimum=0))},
            expect="agree",
        ),
        case(
            "an unregistered prerequisite",
            {"a": task(EXPOSURE, raw=RAW, x=look_up("unknown", DETECTOR))},
            expect="agree",
        ),
        case(
            "an unregistered prerequisite of pixels",
            {"a": task(EXPOSURE, raw=RAW, x=look_up("unknown", ["skypix"]))},
            expect="agree",
        ),
        case(
            "shards of a visit",
            {
                "a": task(
                    VISIT, images=IMAGES, r=look_up("star_refcat", ["skypix"], TABLE, multiple=True)
                )
            },
            input=RELEASED,
        ),
        case(
            "shards of a patch and a visit",
            {
                "a": task(
                    [*VISIT, *PATCH],
                    images=IMAGES,
                    r=look_up("star_refcat", ["skypix"], TABLE, multiple=True),
                )
            },
            input=RELEASED,
            expect=refused("ambiguous", "InvalidQueryError"),
        ),
        case(
            "shards of a tract",
            {
                "a": task(
                    TRACT, table=TABLES, r=look_up("star_refcat", ["htm7"], TABLE, multiple=True)
                )
            },
            input=RELEASED,
        ),
        case(
            "a prerequisite with the task's dimensions",
            {"a": task(EXPOSURE, raw=RAW, x=look_up("sparse_extra", EXPOSURE, minimum=0))},
        ),
        case(
            "a required prerequisite that some lack",
            {"a": task(EXPOSURE, raw=RAW, x=look_up("sparse_extra", EXPOSURE))},
            expect=refused("sparse_extra", "FileNotFoundError"),
        ),
        case(
            "a prerequisite with fewer dimensions",
            {"a": task(PATCH, images=IMAGES, s=look_up("skyMap", ["skymap"]))},
            input=RELEASED,
        ),
        case(
            "prerequisite and produced",
            {
                "a": task(VISIT, raws=RAWS, out=write("x", VISIT)),
                "b": task(VISIT, raws=RAWS, x=look_up("x", VISIT)),
            },
            expect="agree",
        ),
        case(
            "prerequisite and regular input",
            {
                "a": task(VISIT, images=IMAGES),
                "b": task(
                    VISIT, raws=RAWS, x=look_up("visit_image", VISIT_DETECTOR, multiple=True)
                ),
            },
            input=RELEASED,
            expect="agree",
        ),
        case(
            "bounds of other connections",
            {
                "a": {
                    **task(
                        ["instrument"],
                        images=IMAGES,
                        r=look_up("star_refcat", ["htm7"], TABLE, multiple=True),
                    ),
                    "spatial_bounds": ["images"],
                }
            },
            input=RELEASED,
        ),
        case(
            "times of other connections",
            {
                "a": {
                    **task(DETECTOR, images=IMAGES, b={**bias, "multiple": True}),
                    "temporal_bounds": ["images"],
                }
            },
            input=RELEASED,
            expect="agree",
        ),
    ]


def pipeline_cases() -> list[dict[str, Any]]:
    """Make cases of whole pipelines."""
    a = task(VISIT, raws=RAWS, out=write("first", VISIT), schema=construct("Output", "schema"))
    b = task(
        VISIT,
        before=read("first", VISIT),
        out=write("second", VISIT),
        schema=construct("Input", "schema"),
    )
    c = task(
        ["instrument"],
        befores=read("second", VISIT, multiple=True),
        config_of_a=construct("Input", "a_config", "Config"),
    )
    chain = {"a": a, "b": b, "c": c}
    steps = {
        "steps": [{"label": "one", "dimensions": ["visit"]}, {"label": "two", "dimensions": []}]
    }
    subsets = {
        "subsets": {
            "one": ["a", "b"],
            "two": {"subset": ["c"], "description": "The rest.", "dimensions": []},
        }
    }
    return [
        case("a chain with init-inputs", chain),
        case(
            "a chain with subsets and steps",
            chain,
            **subsets
            | {
                "steps": [
                    {**steps["steps"][0], "dimensions": ["instrument", "visit"]},
                    {**steps["steps"][1], "dimensions": ["instrument"]},
                ]
            },
            expect="agree",
        ),
        case("subsets", chain, **subsets),
        case("part of a chain, selected after the export", chain, select="a,b"),
        case("a subset, selected after the export", chain, **subsets, select="one"),
        case("selected by an expression", chain, select_tasks="<= b"),
        case("the end of a chain alone", chain, select="c", expect="agree"),
        case(
            "tasks connected by construction only",
            {"a": a, "b": task(DETECTOR, raws=RAWS, schema=construct("Input", "schema"))},
        ),
        case(
            "an init-input that nothing makes",
            {"b": task(DETECTOR, raws=RAWS, schema=construct("Input", "schema"))},
            expect=refused("schema", "InitInputMissingError"),
        ),
        case(
            "a pruned task makes no init-outputs",
            {
                "a": {**a, "connections": {**a["connections"], "raws": {**RAWS, "minimum": 99}}},
                "b": task(DETECTOR, raws=RAWS, schema=construct("Input", "schema")),
            },
            expect="agree",
        ),
        case(
            "two producers",
            {"a": a, "b": task(VISIT, raws=RAWS, out=write("first", VISIT))},
            expect="agree",
        ),
        case(
            "a cycle",
            {
                "a": task(VISIT, x=read("two", VISIT), out=write("one", VISIT)),
                "b": task(VISIT, x=read("one", VISIT), out=write("two", VISIT)),
            },
            expect="agree",
        ),
        case(
            "other dimensions than registered",
            {"a": task(VISIT, raws=read("raw", ["instrument", "exposure"], multiple=True))},
            expect="agree",
        ),
        case(
            "a calibration as output",
            {"a": task(DETECTOR, raws=RAWS, out=write("bias", DETECTOR, isCalibration=True))},
        ),
        case(
            "a calibration as output, not declared so",
            {"a": task(DETECTOR, raws=RAWS, out=write("bias", DETECTOR))},
            expect="agree",
        ),
        case("no logs", chain, config=["a:saveLogOutput=False"]),
        case("the instrument's data ID", chain, instrument="described.KitCamera", where=None),
        case(
            "the instrument's data ID against the restriction",
            chain,
            instrument="described.KitCamera",
            where="instrument='Other'",
            expect="agree",
        ),
    ]


def collection_cases() -> list[dict[str, Any]]:
    """Make cases of input collections and query constraints."""
    tasks = {
        "a": task(
            VISIT_DETECTOR,
            raws=RAWS,
            image={**IMAGES, "multiple": False},
            extra=read(
                "sparse_extra", EXPOSURE, multiple=True, minimum=0, deferGraphConstraint=True
            ),
        )
    }
    inputs = {
        "a chain of chains": ["releases/QR1"],
        "runs in this order": ["releases/QR1/run/1", "releases/QR1/run/2=redone", "QbbCam/raw/all"],
        "runs in the other order": [
            "releases/QR1/run/2=redone",
            "releases/QR1/run/1",
            "QbbCam/raw/retaken 2nd+3rd~v1.1",
            "QbbCam/raw/all",
        ],
        "a tagged collection first": ["QbbCam/raw/good", "releases/QR1"],
        "a collection twice": ["QbbCam/raw/all", "QbbCam/raw/all", "releases/QR1"],
        "a run without what is needed": ["QbbCam/raw/all"],
        "a collection that is not there": ["releases/QR1", "nowhere"],
        "a pattern": ["releases/QR1/run/*", "QbbCam/raw/*"],
        "a pattern that matches nothing": ["nowhere/*"],
    }
    found = [case(name, tasks, input=own, expect="agree") for name, own in inputs.items()]
    found += [
        case(
            f"constraint {constraint}", tasks, input=RELEASED, constraint=constraint, expect="agree"
        )
        for constraint in (
            "off",
            "all",
            "raw",
            "visit_image",
            "raw,visit_image",
            "sparse_extra",
            "skyMap",
            "raw,no_such_type",
            "raw, visit_image",
            "",
        )
    ]
    return found


def cases() -> list[dict[str, Any]]:
    """Make all cases."""
    return [*prerequisite_cases(), *pipeline_cases(), *collection_cases()]
