"""Tests of the Python side, against the real middleware.

Run from the folder ``python`` with ``python -m unittest discover -s tests -t .``
in an environment that has ``lsst.pipe.base``.
"""
