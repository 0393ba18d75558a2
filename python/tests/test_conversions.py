"""Tests of which storage classes convert into each other."""

from __future__ import annotations

import unittest

from qbb_worker.conversions import conversions


class ConversionsTestCase(unittest.TestCase):
    """Questions about pairs of storage classes."""

    def test_both_directions_are_told(self) -> None:
        """What the middleware converts, in the direction in which it does."""
        pairs = [
            ("ArrowAstropy", "ArrowTable"),
            ("TaskMetadata", "StructuredDataDict"),
            ("ArrowTable", "StructuredDataDict"),
            ("StructuredDataDict", "StructuredDataDict"),
        ]
        answers = [(a["forth"], a["back"]) for a in conversions({}, pairs)]
        self.assertEqual(answers, [(True, True), (True, False), (False, True), (True, True)])

    def test_a_repository_has_storage_classes_of_its_own(self) -> None:
        """They count as the middleware's do; what nobody knows does not convert."""
        own = {"Mine": {"pytype": "dict"}, "Lost": {"pytype": "no.such.Type"}}
        pairs = [("Mine", "StructuredDataDict"), ("Lost", "Mine"), ("Mine", "Unknown")]
        answers = [(a["forth"], a["back"]) for a in conversions(own, pairs)]
        self.assertEqual(answers, [(True, True), (False, False), (False, False)])


if __name__ == "__main__":
    unittest.main()
