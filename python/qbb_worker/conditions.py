"""What must not have changed for an export to be used again.

An export is made by running other people's programs, so nobody can tell from
the pipeline's text alone what it depends on.  The interpreter is watched
instead: which modules it loaded, which files it opened, which environment
variables were asked for, and where a module of the same name could have been
found earlier.
"""

from __future__ import annotations

__all__ = ("Watch",)

import hashlib
import os
import sys
import sysconfig
import time
from collections.abc import Iterable
from typing import Any

_PASSING = frozenset(
    {"_", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "OLDPWD", "PWD", "SHLVL", "TERM"}
)
"""Environment variables that describe a terminal or a shell, not a stack."""


class Watch:
    """Records what the interpreter depends on, from its creation on.

    There is one watch for each process: it cannot be ended.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._absent: set[str] = set()
        asked = self._asked
        kind = type(os.environ)
        original = kind.__getitem__

        def recording(self: Any, key: str) -> str:
            # Somebody who goes through all variables looks for none of them.
            if sys._getframe(1).f_code.co_name != "__iter__":
                asked.add(key)
            return original(self, key)

        kind.__getitem__ = recording  # type: ignore[method-assign]
        absent, exists = self._absent, os.path.exists

        def noticing(path: Any) -> bool:
            there = exists(path)
            if not there and isinstance(path, str) and path.endswith((".py", ".yaml", ".yml")):
                absent.add(os.path.abspath(path))
            return there

        # Instruments look for optional files of configuration overrides.
        os.path.exists = noticing

    def describe(self, opened: Iterable[str]) -> dict[str, Any]:
        """Describe what an export made now depends on.

        Parameters
        ----------
        opened : `~collections.abc.Iterable` [ `str` ]
            Absolute paths of pipeline and configuration files.

        Returns
        -------
        conditions : `dict`
            ``recorded``: the present, in nanoseconds since 1970.
            ``files``: path, size, modification time in nanoseconds, and
            digest where the file is not part of an installed package.
            ``absent``: pipeline and configuration files that were looked for
            in vain.
            ``environment``: digest of the value, or null, by variable.
            ``search_path``: folders in which modules are looked for, with the
            names of imported top-level modules that each holds.
            ``modules``: all of those names.
        """
        own = os.path.dirname(os.path.abspath(__file__))
        loaded = {
            os.path.abspath(name)
            for module in list(sys.modules.values())
            if isinstance(name := getattr(module, "__file__", None), str)
        }
        paths = loaded.union(opened)
        files = [
            entry
            for path in sorted(paths)
            if not path.startswith(own) and not _is_standard_library(path)
            if (entry := _describe_file(path)) is not None
        ]
        modules = sorted({name.partition(".")[0] for name in sys.modules} - {"__main__"})
        wanted = set(modules)
        return {
            "recorded": time.time_ns(),
            "files": files,
            "absent": sorted(self._absent),
            "environment": {
                name: None if (value := os.environ.get(name)) is None else _digest(value.encode())
                for name in sorted(self._asked - _PASSING)
            },
            "search_path": [
                {"path": folder, "holds": _modules_in(folder, wanted)}
                for folder in map(os.path.abspath, sys.path)
                if folder != os.path.dirname(own) and not _is_standard_library(folder)
            ],
            "modules": modules,
        }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_installed(path: str) -> bool:
    return "/site-packages/" in path or "/dist-packages/" in path


def _is_standard_library(path: str) -> bool:
    """Tell whether a file came with the interpreter, which is a condition by
    itself.
    """
    library = sysconfig.get_path("stdlib")
    folder, name = os.path.split(library)
    zipped = os.path.join(folder, name.replace(".", "") + ".zip")
    if path == zipped:
        return True
    installed = _is_installed(path + "/")
    return (path == library or path.startswith(library + os.sep)) and not installed


def _describe_file(path: str) -> dict[str, Any] | None:
    try:
        status = os.stat(path)
        digest = None
        if not _is_installed(path):
            with open(path, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        # It was opened in vain, as when looking for an optional file.
        return None
    return {
        "path": path,
        "size": status.st_size,
        "modified": status.st_mtime_ns,
        "changed": status.st_ctime_ns,
        "sha256": digest,
    }


def _modules_in(folder: str, wanted: set[str]) -> list[str]:
    """Names of wanted modules and packages that a folder offers."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(wanted.intersection(name.partition(".")[0] for name in names))
