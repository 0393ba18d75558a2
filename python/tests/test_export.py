"""The pipeline exporter, run as a program."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from .release import PIPELINE, PYTHON_FOLDER, environment, interpreter

OWN_TASKS = """
import lsst.pipe.base.connectionTypes as cT
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections

class OwnConnections(PipelineTaskConnections, dimensions=()):
    own = cT.Output(doc="Own.", name="own", storageClass="OwnNumbers")

class OwnConfig(PipelineTaskConfig, pipelineConnections=OwnConnections):
    pass

class OwnTask(PipelineTask):
    ConfigClass = OwnConfig
    _DefaultName = "own"
"""
"""A module of tasks with a storage class that only some repository defines."""


class ExportTest(unittest.TestCase):
    """Documents and errors."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.pipeline = self.write("pipeline.yaml", PIPELINE)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def run_export(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [interpreter(), "-m", "qbb_worker.export", *arguments],
            env=environment(
                FOLDER=str(self.folder), PYTHONPATH=f"{PYTHON_FOLDER}:{self.folder}"
            ),
            capture_output=True,
            text=True,
            check=False,
        )

    def export(self, *arguments: str) -> dict[str, Any]:
        done = self.run_export(*arguments, "-o", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def fail(self, *arguments: str) -> dict[str, Any]:  # type: ignore[override]
        done = self.run_export(*arguments, "-o", str(self.folder / "out.json"))
        self.assertEqual(done.returncode, 2, done.stderr)
        (line,) = done.stderr.splitlines()
        self.assertEqual(list(self.folder.glob("out.json*")), [])
        error: dict[str, Any] = json.loads(line)["error"]
        self.assertEqual(set(error), {"kind", "message", "task", "hint"})
        return error

    def test_document(self) -> None:
        document = self.export(self.pipeline)
        self.assertEqual((document["format"], document["version"]), ("qbb-pipeline-export", 1))
        self.assertIsNone(document["pipeline_graph"]["dimensions"])
        consume = document["tasks"]["consume"]
        self.assertEqual(consume["overridden_hooks"], ["adjustQuantum"])
        self.assertEqual(document["tasks"]["produce"]["overridden_hooks"], [])
        self.assertFalse(consume["can_multiprocess"])
        self.assertTrue(document["tasks"]["produce"]["can_multiprocess"])
        connections = consume["connections"]
        self.assertEqual(
            {name: c["kind"] for name, c in connections.items()},
            {
                "schema": "init_input",
                "extra": "input",
                "aside": "prerequisite_input",
                "final": "output",
            },
        )
        self.assertTrue(connections["extra"]["defer_load"])
        aside = connections["aside"]
        self.assertEqual(
            (aside["minimum"], aside["multiple"], aside["lookup_function"]), (0, True, True)
        )
        self.assertFalse(connections["extra"]["lookup_function"])

    def test_the_middleware_can_load_the_graph(self) -> None:
        from lsst.pipe.base.pipeline_graph import TaskImportMode
        from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph

        document = self.export(self.pipeline, "-c", "produce:factor=3.5")
        graph = SerializedPipelineGraph.model_validate(document["pipeline_graph"]).deserialize(
            TaskImportMode.REQUIRE_CONSISTENT_EDGES
        )
        self.assertEqual(graph.tasks["produce"].config.factor, 3.5)

    def test_storage_classes_of_a_repository(self) -> None:
        self.write("own_tasks.py", OWN_TASKS)
        pipeline = self.write(
            "own.yaml", "description: Own.\ntasks: {own: {class: own_tasks.OwnTask}}\n"
        )
        error = self.fail(pipeline)
        self.assertIn("'OwnNumbers' is not defined", error["message"])
        self.assertIn("storageClasses", error["hint"])
        definitions = {"OwnNumbers": {"inheritsFrom": "StructuredDataDict"}}
        document = self.export(pipeline, f"--storage-classes={json.dumps(definitions)}")
        self.assertEqual(document["storage_classes"]["OwnNumbers"]["pytype"], "dict")
        contradiction = {"StructuredDataDict": {"pytype": "list"}}
        error = self.fail(pipeline, f"--storage-classes={json.dumps(contradiction)}")
        self.assertIn("StructuredDataDict", error["message"])

    def test_storage_classes_and_formatters(self) -> None:
        document = self.export(self.pipeline)
        classes, formatters = document["storage_classes"], document["formatters"]
        self.assertLessEqual(set(formatters), set(classes))
        # A repository may have registered what no connection mentions.
        self.assertEqual(classes["ArrowAstropy"]["component_storage_classes"]["rowcount"], "int")
        self.assertNotIn("int", classes["ArrowColumnList"]["convertible_from"])
        for name in ("Config", "TaskMetadata", "ButlerLogRecords", "Packages"):
            self.assertIn(name, classes)
        self.assertEqual(classes["StructuredDataDict"]["pytype"], "dict")
        self.assertIn("TaskMetadata", classes["StructuredDataDict"]["convertible_from"])
        self.assertNotIn("Config", classes["StructuredDataDict"]["convertible_from"])
        self.assertEqual(formatters["Config"]["extension"], ".py")
        self.assertEqual(formatters["TaskMetadata"]["extension"], ".json")

    def test_all_files_that_took_part_are_listed(self) -> None:
        self.write("sub.py", "config.factor = 7.0\n")
        self.write("override.py", "import os\nconfig.load(os.environ['FOLDER'] + '/sub.py')\n")
        main = self.write(
            "main.yaml",
            "description: Imports.\nimports:\n  - $FOLDER/pipeline.yaml\n"
            "tasks:\n  produce:\n    class: tests.tasks.ProduceTask\n"
            "    config:\n      file: $FOLDER/override.py\n",
        )
        document = self.export(main)
        files = {Path(f["path"]).name: f["sha256"] for f in document["source"]["files"]}
        self.assertEqual(set(files), {"main.yaml", "pipeline.yaml", "override.py", "sub.py"})
        self.assertEqual(
            files["sub.py"], hashlib.sha256((self.folder / "sub.py").read_bytes()).hexdigest()
        )
        self.assertIn("lsst.pipe.base", document["source"]["packages"])

    def test_overrides_apply_in_the_order_of_the_command_line(self) -> None:
        override = self.write("override.py", "config.factor = 7.0\n")
        value, file = ("-c", "produce:factor=9.0"), ("-C", f"produce:{override}")
        for arguments, expected in (((*value, *file), "7.0"), ((*file, *value), "9.0")):
            document = self.export(self.pipeline, *arguments)
            text = document["pipeline_graph"]["tasks"]["produce"]["config_str"]
            self.assertIn(f"config.factor={expected}", text)
            self.assertEqual(len(document["source"]["overrides"]), 2)

    def test_selection_of_tasks(self) -> None:
        self.assertEqual(set(self.export(self.pipeline + "#produce")["tasks"]), {"produce"})
        document = self.export(self.pipeline, "--select-tasks", "<= produce")
        self.assertEqual(set(document["tasks"]), {"produce"})

    def test_output_file_appears_whole(self) -> None:
        done = self.run_export(self.pipeline, "-o", str(self.folder / "out.json"))
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        json.loads((self.folder / "out.json").read_text())
        self.assertEqual([p.name for p in self.folder.glob("out.json*")], ["out.json"])

    def test_wrong_usage(self) -> None:
        self.assertEqual(self.fail("--nonsense")["kind"], "usage")
        self.assertEqual(self.fail(self.pipeline, "-c", "produce")["kind"], "usage")
        self.assertEqual(self.fail(self.pipeline, "--select-tasks", "(((")["kind"], "usage")

    def test_missing_and_broken_pipeline(self) -> None:
        self.assertEqual(self.fail(str(self.folder / "none.yaml"))["kind"], "pipeline")
        self.assertEqual(self.fail(self.write("b.yaml", "description: [x"))["kind"], "pipeline")
        self.assertEqual(self.fail(self.pipeline + "#nothing")["kind"], "pipeline")

    def test_errors_name_the_task(self) -> None:
        missing = PIPELINE.replace("tests.tasks.ConsumeTask", "nowhere.NoTask")
        error = self.fail(self.write("missing.yaml", missing))
        self.assertEqual((error["kind"], error["task"]), ("import", "consume"))
        self.assertIn("nowhere", error["message"])
        for override in ("produce:nonsense=1", "produce:factor='text'"):
            error = self.fail(self.pipeline, "-c", override)
            self.assertEqual((error["kind"], error["task"]), ("config", "produce"), override)
        error = self.fail(self.pipeline, "-c", "nobody:factor=1")
        self.assertEqual((error["kind"], error["task"]), ("config", "nobody"))
        self.assertIn("consume, produce", error["hint"])
        error = self.fail(self.pipeline, "-C", "produce:/nowhere.py")
        self.assertEqual((error["kind"], error["task"]), ("config", "produce"))

    def test_violated_contract(self) -> None:
        text = PIPELINE + "contracts:\n  - produce.factor > 5\n"
        error = self.fail(self.write("contract.yaml", text))
        self.assertEqual(error["kind"], "config")
        self.assertIn("produce.factor > 5", error["message"])


if __name__ == "__main__":
    unittest.main()
