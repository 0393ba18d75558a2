"""Where datasets go, and which formatter writes them.

A file datastore finds the template, the formatter and the constraints of a
dataset anew whenever it is asked anything about it.  They depend on the
dataset type, the storage class and the instrument only, so they are found
once here.  What a dataset's file is called, and what is in it, still comes
from the datastore's own templates and formatters.
"""

from __future__ import annotations

__all__ = ("Place", "Places")

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from lsst.daf.butler import DatasetRef, FileDescriptor, FormatterV2, StorageClass
from lsst.daf.butler.datastores.fileDatastore import FileDatastore
from lsst.utils.introspection import get_full_type_name

_FIXED = ("write_direct", "write_locally_then_move", "make_updated_location")
"""Methods of formatters that decide how files appear (`tuple` [ `str` ]).

They are not meant to be overridden; a formatter that does is left to the
datastore.
"""


class Place:
    """How datasets of one type are written.

    Parameters
    ----------
    datastore : `lsst.daf.butler.datastores.fileDatastore.FileDatastore`
        The datastore.
    template : `lsst.daf.butler.datastore.file_templates.FileTemplate`
        Template of their paths, known to be valid for them.
    formatter_class : `type`
        Their formatter.
    arguments : `~collections.abc.Mapping`
        Arguments for the formatter from the configuration.
    storage_class : `lsst.daf.butler.StorageClass`
        Their storage class in the repository.
    """

    def __init__(
        self,
        datastore: FileDatastore,
        template: Any,
        formatter_class: type[FormatterV2],
        arguments: Mapping[str, Any],
        storage_class: StorageClass,
    ):
        self._locations = datastore.locationFactory
        self._root = datastore.root.ospath
        self._template = template
        self._formatter_class = formatter_class
        self._arguments = arguments
        self.storage_class = storage_class
        self.formatter_name = formatter_class.name()
        extension = formatter_class.default_extension
        # Some formatters decide for each dataset, by recipes for example.
        self._extension = (
            _dotted(extension)
            if _inherits(formatter_class, "get_write_extension")
            and (extension is None or isinstance(extension, str))
            else None
        )
        self._writes_bytes = _inherits(formatter_class, "write_local_file")
        self._adds_provenance = not _inherits(formatter_class, "add_provenance")

    def path(self, ref: DatasetRef) -> str:
        """Predict the path of a dataset's file.

        Parameters
        ----------
        ref : `lsst.daf.butler.DatasetRef`
            Dataset of this type.

        Returns
        -------
        path : `str`
            Path relative to the root, as in datastore records.
        """
        path: str = self._template.format(ref)
        extension = self._extension
        if extension is None:
            extension = _dotted(self._formatter(ref, path, None).get_write_extension())
        return path + extension

    def full_path(self, path: str) -> str:
        """Return where a path of this datastore is in the file system.

        Parameters
        ----------
        path : `str`
            Path relative to the root.

        Returns
        -------
        full_path : `str`
            Absolute path.
        """
        return self._root + path

    def content(self, obj: Any, ref: DatasetRef, path: str, provenance: Any) -> bytes | None:
        """Make what the file of a dataset would hold, without writing it.

        Parameters
        ----------
        obj : `object`
            The dataset.
        ref : `lsst.daf.butler.DatasetRef`
            Its reference, with the storage class of the repository.
        path : `str`
            Where the file would be, as predicted.
        provenance : `lsst.daf.butler.DatasetProvenance` or `None`
            What the formatter may add.

        Returns
        -------
        content : `bytes` or `None`
            The content; `None` if the formatter writes files only.
        """
        if not self._writes_bytes:
            return None
        folder, name = os.path.split(path)
        stem = os.path.join(folder, name.partition(".")[0])
        formatter = self._formatter(ref, stem, provenance)
        if not formatter.can_accept(obj):
            obj = self._coerce(obj)
        if self._adds_provenance:
            obj = formatter.add_provenance(obj, provenance=provenance)
        content: bytes = formatter.to_bytes(obj)
        return content

    def write(self, obj: Any, ref: DatasetRef, path: str, provenance: Any) -> int:
        """Write a dataset; it appears whole or not at all.

        Parameters
        ----------
        obj : `object`
            The dataset.
        ref : `lsst.daf.butler.DatasetRef`
            Its reference, with the storage class of the repository.
        path : `str`
            Where to, as predicted.
        provenance : `lsst.daf.butler.DatasetProvenance` or `None`
            What the formatter may add to the file.

        Returns
        -------
        size : `int`
            Size of the file in bytes.

        Raises
        ------
        TypeError
            Raised if the object does not fit the storage class.
        RuntimeError
            Raised if the formatter fails.
        """
        final = self._root + path
        folder, name = os.path.split(final)
        # The template leaves no period in the name.
        stem, period, extension = name.partition(".")
        extension = period + extension
        # Formatters are told of the path as the template gives it.
        formatter = self._formatter(ref, path.removesuffix(extension), provenance)
        if not formatter.can_accept(obj):
            obj = self._coerce(obj)
        # The middleware looks for names like this when it looks for orphans.
        beginning = os.urandom(8).hex()
        temporary = f"{folder}/{beginning}{stem}.tmp{extension}"
        try:
            if self._adds_provenance:
                obj = formatter.add_provenance(obj, provenance=provenance)
            if self._writes_bytes:
                content = formatter.to_bytes(obj)
                size = len(content)
                _in_folder(folder, lambda: _write(temporary, content))
            else:
                os.makedirs(folder, exist_ok=True)
                beside = formatter.file_descriptor.location.uri.dirname()
                uri = beside.join(os.path.basename(temporary), isTemporary=True)
                formatter.write_local_file(obj, uri)
                size = os.stat(temporary).st_size
            os.rename(temporary, final)
        except BaseException as exc:
            for left in (temporary, final):
                # What was there before belongs to an attempt that is over.
                with contextlib.suppress(OSError):
                    os.unlink(left)
            if not isinstance(exc, Exception):
                raise
            raise RuntimeError(
                f"Failed to serialize dataset {ref} of type {get_full_type_name(obj)} "
                f"using formatter {self.formatter_name}."
            ) from exc
        return size

    def _formatter(self, ref: DatasetRef, path: str, provenance: Any) -> Any:
        location = self._locations.fromPath(path, trusted_path=True)
        return self._formatter_class(
            FileDescriptor(location, storageClass=self.storage_class),
            dataId=ref.dataId,
            ref=ref,
            provenance=provenance,
            **self._arguments,
        )

    def _coerce(self, obj: Any) -> Any:
        """Convert an object to the type of the storage class."""
        wanted = self.storage_class.pytype
        result = self.storage_class.coerce_type(obj)
        if not isinstance(result, wanted):
            raise TypeError(
                f"Inconsistency between supplied object ({type(result)}) "
                f"and storage class type ({wanted})"
            )
        return result


class Places:
    """The places of all dataset types of a datastore, found when asked for.

    Parameters
    ----------
    datastore : `lsst.daf.butler.datastores.fileDatastore.FileDatastore`
        The datastore.
    """

    def __init__(self, datastore: FileDatastore):
        self._datastore = datastore
        self._usable = datastore.root.scheme == "file" and not datastore.useChecksum
        self._known: dict[tuple[Any, ...], Place | None] = {}

    def find(self, ref: DatasetRef) -> Place | None:
        """Find the place of a dataset.

        Parameters
        ----------
        ref : `lsst.daf.butler.DatasetRef`
            Reference with the storage class of the repository.

        Returns
        -------
        place : `Place` or `None`
            The place; `None` if the datastore has to be asked, because the
            dataset is special or cannot be stored at all.
        """
        dataset_type = ref.datasetType
        # Configuration can tell these apart, and nothing else.
        key = (dataset_type.name, dataset_type.storageClass_name, ref.dataId.get("instrument"))
        try:
            return self._known[key]
        except KeyError:
            place = self._known[key] = self._make(ref) if self._usable else None
            return place

    def _make(self, ref: DatasetRef) -> Place | None:
        datastore = self._datastore
        if (
            ref.isComponent()
            or datastore.composites.shouldBeDisassembled(ref)
            or not datastore.constraints.isAcceptable(ref)
        ):
            return None
        try:
            template = datastore.templates.getTemplate(ref)
            _, formatter_class, arguments = datastore.formatterFactory.getFormatterClassWithMatch(
                ref
            )
        except KeyError:
            return None
        if (
            not issubclass(formatter_class, FormatterV2)
            or not all(_inherits(formatter_class, name) for name in _FIXED)
            or {"dataId", "ref", "provenance"} & set(arguments)
        ):
            return None
        template.validateTemplate(ref)
        return Place(datastore, template, formatter_class, arguments, ref.datasetType.storageClass)


def _inherits(formatter_class: type, method: str) -> bool:
    """Tell whether a formatter leaves a method to the base class."""
    return getattr(formatter_class, method) is getattr(FormatterV2, method)


def _dotted(extension: str | None) -> str:
    if not extension:
        return ""
    return extension if extension.startswith(".") else "." + extension


def _in_folder(folder: str, action: Callable[[], None]) -> None:
    """Do something in a folder that nearly always exists."""
    try:
        action()
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        action()


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
