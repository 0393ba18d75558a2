"""Storage classes and formatters, as far as files and compatibility go."""

from __future__ import annotations

__all__ = ("define_storage_classes", "describe_storage_classes")

import sys
from collections.abc import Iterable, Mapping
from typing import Any


def define_storage_classes(definitions: Mapping[str, Any]) -> None:
    """Make known the storage classes that a repository defines.

    The middleware does so when it opens the repository, for the whole process.

    Parameters
    ----------
    definitions : `~collections.abc.Mapping` [ `str`, `dict` ]
        The ``storageClasses`` section of the repository's configuration.

    Raises
    ------
    WorkerError
        Raised if one contradicts a definition of the middleware, or another.
    """
    from lsst.daf.butler import ButlerConfig, Config, StorageClassConfig, StorageClassFactory

    from .errors import WorkerError

    factory = StorageClassFactory()
    factory.addFromConfig(ButlerConfig())
    if not definitions:
        return
    try:
        factory.addFromConfig(StorageClassConfig(Config({"storageClasses": dict(definitions)})))
    except (KeyError, ValueError) as exc:
        raise WorkerError(
            "pipeline",
            f"Storage classes of the repository cannot be used: {exc}",
            hint="Correct `storageClasses` in the repository's butler.yaml.",
        ) from exc


def describe_storage_classes(
    names: Iterable[str],
    definitions: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Describe storage classes and how the default configuration stores them.

    Parameters
    ----------
    names : `~collections.abc.Iterable` [ `str` ]
        Storage classes; those of their components are added.
    definitions : `~collections.abc.Mapping` [ `str`, `dict` ], optional
        Storage classes that a repository defines, which are known already.

    Returns
    -------
    storage_classes : `dict` [ `str`, `dict` ]
        Python type, components, and the other storage classes from which
        conversion is possible, by name.  All that the default configuration
        knows are there, since a repository may have registered any of them;
        ``unexamined`` is true where examining conversions would take importing
        a type that no connection mentions.
    formatters : `dict` [ `str`, `dict` ]
        Formatter class and extension of files by storage class name.
    """
    from lsst.daf.butler import ButlerConfig, StorageClassFactory

    config = ButlerConfig()
    factory = StorageClassFactory()
    factory.addFromConfig(config)
    known = _with_components(factory, names)
    tree = config["storageClasses"].toDict() | dict(definitions or {})
    everything = {name: factory.getStorageClass(name) for name in tree if name in factory} | known
    examined = {
        name: storage_class
        for name, storage_class in everything.items()
        if name in known or _is_imported(storage_class, tree)
    }
    storage_classes = {
        name: {
            "pytype": _python_type(storage_class, tree, importing=name in known),
            "components": sorted(storage_class.components),
            "derived_components": sorted(storage_class.derivedComponents),
            "component_storage_classes": {
                component: part.name
                for component, part in sorted(storage_class.allComponents().items())
            },
            "convertible_from": sorted(
                other.name
                for other in examined.values()
                if other is not storage_class
                and name in examined
                and _can_convert(storage_class, other)
            ),
            "unexamined": name not in examined,
        }
        for name, storage_class in sorted(everything.items())
    }
    return storage_classes, _describe_formatters(config, known)


def _with_components(factory: Any, names: Iterable[str]) -> dict[str, Any]:
    """Look up storage classes, and those of their components recursively."""
    from .errors import WorkerError

    known: dict[str, Any] = {}
    pending = sorted(names)
    while pending:
        name = pending.pop()
        if name in known:
            continue
        try:
            known[name] = factory.getStorageClass(name)
        except KeyError as exc:
            raise WorkerError(
                "pipeline",
                f"Storage class {name!r} is not defined.",
                hint="Define it below `storageClasses` in the release's butler.yaml, or set "
                "DAF_BUTLER_CONFIG_PATH to a folder with a storageClasses.yaml that does.",
            ) from exc
        pending.extend(part.name for part in known[name].allComponents().values())
    return known


def _is_imported(storage_class: Any, tree: Mapping[str, Any]) -> bool:
    """Tell whether looking at the Python type would import nothing."""
    name = _python_type(storage_class, tree, importing=False)
    if name is None:
        return False
    module = name.rpartition(".")[0]
    return not module or module in sys.modules


def _python_type(storage_class: Any, tree: Mapping[str, Any], importing: bool) -> str | None:
    """Return the name of the Python type, even if it cannot be imported."""
    from lsst.utils.introspection import get_full_type_name

    if importing:
        try:
            return str(get_full_type_name(storage_class.pytype))
        except ImportError:
            pass
    # Reading data is not planned, so the name in the configuration will do.
    name: str | None = storage_class.name
    while name is not None and (definition := tree.get(name)) is not None:
        if (pytype := definition.get("pytype")) is not None:
            return str(pytype)
        name = definition.get("inheritsFrom")
    return None


def _can_convert(target: Any, source: Any) -> bool:
    """Tell whether objects of one storage class can be given as another.

    If a Python type cannot be imported here, nothing can be converted here.
    """
    try:
        return bool(target.can_convert(source))
    except ImportError:
        return False


def _describe_formatters(config: Any, storage_classes: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the default datastore configuration how it would write each."""
    from lsst.daf.butler import DimensionUniverse, FormatterFactory

    universe = DimensionUniverse()
    factory = FormatterFactory()
    factory.registerFormatters(config["datastore", "formatters"], universe=universe)
    tree = config["datastore", "formatters"].toDict()
    return {
        name: _describe_formatter(factory, universe, storage_class, tree)
        for name, storage_class in sorted(storage_classes.items())
    }


def _describe_formatter(
    factory: Any, universe: Any, storage_class: Any, tree: Mapping[str, Any]
) -> dict[str, str | None]:
    """Make a formatter, because only an instance knows its extension."""
    from lsst.daf.butler import (
        DataCoordinate,
        DatasetRef,
        DatasetType,
        FileDescriptor,
        Formatter,
        Location,
    )

    data_id = DataCoordinate.make_empty(universe)
    ref = DatasetRef(DatasetType("x", universe.empty, storage_class), data_id, run="x")
    descriptor = FileDescriptor(Location("/", "x"), storageClass=storage_class)
    try:
        formatter = factory.getFormatter(ref, descriptor, dataId=data_id, ref=ref)
    except KeyError:
        # Such datasets cannot be written with the default configuration.
        return {"formatter": None, "extension": None}
    except Exception:
        # Its module is not installed or does not work here; another
        # environment may well have it.
        entry = tree.get(storage_class.name)
        written = entry.get("formatter") if isinstance(entry, Mapping) else entry
        return {"formatter": written if isinstance(written, str) else None, "extension": None}
    if isinstance(formatter, Formatter):
        extension = formatter.extension
    else:
        extension = formatter.get_write_extension()
    return {"formatter": formatter.name(), "extension": extension or None}
