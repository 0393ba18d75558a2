"""The Python side of qbb.

Two programs live here.  Both are started by the ``qbb`` binary and both run
inside the user's own middleware environment:

``python -m qbb_worker.export``
    turns a pipeline YAML file into one JSON document that describes the
    pipeline completely enough to build quantum graphs without Python;

``python -m qbb_worker.serve``
    is a warm worker: it imports the tasks of a graph once and then executes
    quantum after quantum, as asked by requests on its standard input.

Nothing in this package knows about scheduling, registries or releases.  The
modules import ``lsst.*`` only inside functions, so that wrong arguments are
reported at once and not after seconds of imports.  The exceptions are the
modules that subclass middleware classes (`~qbb_worker.records` and
`~qbb_worker.butler`); they are only imported when a graph is opened.
"""

__all__ = ("PROTOCOL_VERSION", "VERSION")

VERSION = "0.1.0"
"""Version of this package (`str`).

Not named ``__version__`` on purpose: the middleware records that attribute of
every loaded module in the ``packages`` dataset and refuses to continue a run
in which one changed.  A newer qbb does not change results, so it must not end
runs that were started with an older one.
"""

PROTOCOL_VERSION = 1
"""Version of the request and reply format of `qbb_worker.serve` (`int`).

It is increased when a change would make an older peer misunderstand.
"""
