"""Processes whom permissions concern, even if the administrator starts them."""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path

PR_CAPBSET_DROP = 24
OVERRIDES = (1, 2)
"""Capabilities of those whom permissions do not concern."""


def give_up_overrides() -> None:
    """Let permissions concern this process, even if it is the administrator's."""
    if os.geteuid() == 0:
        for capability in OVERRIDES:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def permissions_matter() -> bool:
    """Tell whether permissions concern what we start."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "locked")
        place.mkdir(mode=0o555)
        child = os.fork()
        if child == 0:
            give_up_overrides()
            try:
                os.execvp("test", ["test", "!", "-w", str(place)])
            finally:
                os._exit(127)
        return os.waitpid(child, 0)[1] == 0
