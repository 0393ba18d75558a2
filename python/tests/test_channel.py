"""Replies are strict JSON, one line each."""

from __future__ import annotations

import io
import json
import unittest
import uuid
from typing import Any

from qbb_worker.channel import Channel
from qbb_worker.errors import WorkerError


class ChannelTest(unittest.TestCase):
    """Framing and encoding."""

    def sent(self, reply: dict[str, Any]) -> bytes:
        stream = io.BytesIO()
        Channel(io.BytesIO(), stream).send(reply)
        return stream.getvalue()

    def test_reply_is_one_line(self) -> None:
        line = self.sent({"text": "two\nlines", "id": uuid.UUID(int=5)})
        self.assertEqual(line.count(b"\n"), 1)
        self.assertEqual(
            json.loads(line),
            {"text": "two\nlines", "id": "00000000-0000-0000-0000-000000000005"},
        )

    def test_what_json_cannot_express_becomes_null(self) -> None:
        line = self.sent({"a": [float("nan"), float("inf"), 1.5], "b": {"c": float("-inf")}})
        self.assertEqual(json.loads(line), {"a": [None, None, 1.5], "b": {"c": None}})

    def test_empty_lines_are_no_requests(self) -> None:
        channel = Channel(io.BytesIO(b"one\n\n  \ntwo"), io.BytesIO())
        self.assertEqual(list(channel.receive()), [b"one\n", b"two"])

    def test_error_messages_are_single_lines(self) -> None:
        error = WorkerError("config", "first\n   second\n", hint="a\nb").to_json()
        self.assertEqual((error["message"], error["hint"]), ("first second", "a b"))


if __name__ == "__main__":
    unittest.main()
