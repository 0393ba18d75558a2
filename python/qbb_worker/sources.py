"""Which files and packages an export was made from."""

from __future__ import annotations

__all__ = ("OpenedFiles", "package_versions")

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SUFFIXES = (".yaml", ".yml", ".py")
"""Endings of pipeline files and configuration files."""


class OpenedFiles:
    """Records which pipeline and configuration files are read.

    A pipeline imports other pipelines, they name configuration files, these
    load further ones, and an instrument adds its own.  No object of the
    middleware has the whole list afterwards, so the interpreter is asked to
    tell which files are opened.  Files that are read through a network are
    not seen.
    """

    def __init__(self) -> None:
        self._active = False
        self._paths: dict[str, None] = {}
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        # Called for every audited event of the process: must be quick, must
        # not raise, and must not open files.
        if not self._active or event != "open":
            return
        path, _, flags = args
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str) or not path.endswith(_SUFFIXES):
            return
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            return
        self._paths.setdefault(os.path.abspath(path))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record files that are opened inside the context."""
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def paths(self) -> list[str]:
        """Return the absolute paths of all files recorded."""
        return list(self._paths)

    def digests(self) -> list[dict[str, str]]:
        """Return the files recorded, without Python modules.

        Returns
        -------
        files : `list` [ `dict` ]
            ``path`` and ``sha256`` of each file, in the order in which they
            were first opened.  The defaults of the butler are left out: they
            belong to a package whose version is recorded.
        """
        modules = {
            os.path.abspath(name)
            for module in list(sys.modules.values())
            if isinstance(name := getattr(module, "__file__", None), str)
        }
        result = []
        for path in self._paths:
            if path in modules or _is_butler_default(path):
                continue
            try:
                with open(path, "rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError:
                # It was opened in vain, as when looking for an optional file.
                continue
            result.append({"path": path, "sha256": digest})
        return result


def _is_butler_default(path: str) -> bool:
    """Tell whether a file is part of the middleware's own configuration."""
    import lsst.daf.butler

    folder = os.path.dirname(os.path.abspath(lsst.daf.butler.__file__))
    return path.startswith(folder + os.sep)


def package_versions(namespace: str) -> dict[str, str]:
    """Return the versions of loaded packages.

    Parameters
    ----------
    namespace : `str`
        Top-level package; its subpackages one and two levels down are looked
        at.

    Returns
    -------
    versions : `dict` [ `str`, `str` ]
        Version by module name, of those that have one.
    """
    pattern = re.compile(rf"{re.escape(namespace)}(\.\w+){{1,2}}")
    return {
        name: version
        for name, module in sorted(sys.modules.items())
        if pattern.fullmatch(name)
        and not name.endswith(".version")
        and isinstance(version := getattr(module, "__version__", None), str)
    }
