#!/usr/bin/env python3
"""Have `qbb transfer` fail in every way that we can think of.

It is killed or interrupted, the disk is full from some moment on or does not keep what it
was given, nothing may be written, something else has the name of a
collection, and a server loses the connection or cannot be reached any more.
Somebody else inserts what it inserts in another order, which ends in a
deadlock that only a second attempt gets out of.
Afterwards registry and files must be as before or as after; an error must say
what it is about; the transfer must succeed when it is begun again, and then
change nothing more.  Exit code 1 if something is otherwise.
"""

from __future__ import annotations

import contextlib
import random
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from faulty_commands import Commands, Repository, chosen, differing
from kit_support import CAMERA, KitError, make_parser, script_main
from unprivileged import give_up_overrides, permissions_matter

APPLICATION = "qbb-fault"
"""Name by which the server knows our connections."""


class Transfers:
    """Transfers of one run that fail."""

    def __init__(self, args: Any, folder: Path) -> None:
        self.commands = Commands(args.qbb, folder)
        self.repository = Repository(Path(args.personal), args.database, args.schema)
        self.root = self.repository.root
        self.words = ["transfer", args.submit, "--inputs", "copy"]
        self.chain = args.chain
        self.choice = random.Random(args.seed)
        self.most = args.faults
        self.problems: list[str] = []
        self.faults = 0
        self.repository.save()
        self.before = self.repository.state()
        self.findings = self.commands.findings(self.root)
        self.calls = self.commands.calls(self.words)
        self.after = self.repository.state()
        self.findings_after = self.commands.findings(self.root)

    def places(self, sorts: str = "crs") -> Iterator[tuple[int, str]]:
        """Choose calls; give them with words for messages, and put the repository back."""
        for call in chosen(self.choice, self.calls, self.most, sorts):
            self.repository.restore()
            yield call, f"at call {call} of {len(self.calls)}"

    def judge(
        self, where: str, code: int, said: str, expected: list[str], before: Any = None
    ) -> None:
        """Judge what a transfer has left.

        Parameters
        ----------
        where : `str`
            For messages.
        code : `int`
            How it ended; below 0 by a signal.
        said : `str`
            What it printed.
        expected : `list` [`str`]
            Parts of the error's message, if it ended with an error.
        before : `tuple`, optional
            State from which it began.
        """
        self.faults += 1
        before = before or self.before
        # Lines are broken to fit the terminal.
        said = re.sub(r"[\s│]+", "", said)
        told = []
        tables, files = self.repository.state()
        if tables not in (before[0], self.after[0]):
            told.append(f"in between: {differing(tables, before[0])}")
        if code == 0 and (tables, files) != self.after:
            told.append(f"it succeeded, and did not: {differing(tables, self.after[0])}")
        if code > 0 and tables == before[0] and files != before[1]:
            told.append(f"files {sorted({*files} ^ {*before[1]})}")
        if code > 0:
            told += [
                f"`{part}` is not in: {said}"
                for part in expected
                if re.sub(r"\s+", "", part) not in said
            ]
        if code > 4:
            told.append(f"it ended with {code}")
        found = self.commands.findings(self.root)
        allowed = self.findings_after if tables == self.after[0] else self.findings
        # Whoever is killed leaves copies of inputs.
        if found.keys() != allowed.keys() or (code >= 0 and found != allowed):
            told.append(f"verify finds {found}")
        self.problems += [f"{where}: {text}" for text in told]

    def complete(self, where: str) -> None:
        """Do it again, and once more."""
        for turn in ("again", "a third time"):
            code, out, err = self.commands.run([*self.words, "--format", "json"])
            if code != 0:
                self.problems.append(f"{where}: {turn} it ended with {code}: {err}")
                continue
            tables, files = self.repository.state()
            if tables != self.after[0]:
                self.problems.append(f"{where}: {turn}: {differing(tables, self.after[0])}")
            if files != self.after[1]:
                differ = sorted({*files} ^ {*self.after[1]})
                self.problems.append(f"{where}: {turn}: files {differ}")
        if '"datasets_inserted":0' not in out.replace(" ", "").replace("\n", ""):
            self.problems.append(f"{where}: a third time it inserts: {out}")

    def interposed(self, fault: str, sorts: str, expected: list[str]) -> None:
        """Have something happen at some calls."""
        for call, place in self.places(sorts):
            where = f"{fault} {place}"
            code, out, err = self.commands.run(self.words, f"{fault}:{call}")
            if fault == "kill" and code != -signal.SIGKILL:
                self.problems.append(f"{where}: it was to be killed and ended with {code}: {err}")
            self.judge(where, code, out + err, expected if code > 0 else [])
            self.complete(where)

    def interrupted(self) -> None:
        """Let somebody press Ctrl-C; what was placed must go then."""
        for call, place in self.places():
            where = f"interrupted {place}"
            with self.commands.stopped(self.words, call) as process:
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=240)
            if process.returncode not in (0, 128 + signal.SIGINT):
                self.problems.append(f"{where}: it ended with {process.returncode}: {out}{err}")
            self.judge(where, min(process.returncode, 1), out + err, [])
            self.complete(where)

    def limited(self) -> None:
        """Let no file become larger than the database is now."""
        self.repository.restore()
        size = (self.root / "gen3.sqlite3").stat().st_size

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        code, out, err = self.commands.run(self.words, None, limit)
        self.judge("a limit of sizes", code, out + err, [str(self.root)])
        self.complete("a limit of sizes")

    def forbidden(self) -> None:
        """Let nothing be written, as if nobody were allowed to everything."""
        places = [self.root]
        if self.repository.server is None:
            places.append(self.root / "gen3.sqlite3")
        for place in places:
            self.repository.restore()
            where = f"{place.name} is read-only"
            mode = place.stat().st_mode
            # The registry lets everything in; then the run has folders, and inputs have none.
            place.chmod(mode & ~0o222)
            try:
                code, out, err = self.commands.run(self.words, None, give_up_overrides)
            finally:
                place.chmod(mode)
            if code == 0:
                self.problems.append(f"{where}: it succeeded")
            self.judge(where, code, out + err, [str(place)])
            self.complete(where)

    def occupied(self) -> None:
        """Let the name of the output chain be that of another collection."""
        self.repository.restore()
        register = ["collections", "register", str(self.root), self.chain, "--type", "tagged"]
        self.commands.succeed(register)
        before = self.repository.state()
        code, out, err = self.commands.run(self.words)
        if code != 3:
            self.problems.append(f"occupied: it ended with {code}")
        self.judge("occupied", code, out + err, [self.chain, "TAGGED"], before)
        self.commands.succeed(["collections", "remove", str(self.root), self.chain, "--yes"])
        self.complete("occupied")

    def terminated(self) -> None:
        """Have the server end our connections."""
        server = self.repository.server
        for call, place in self.places():
            where = f"connection ended {place}"
            with self.commands.stopped(self.words, call) as process:
                server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    [APPLICATION],
                )
            out, err = process.communicate(timeout=240)
            self.judge(where, process.returncode, out + err, ["try again", "postgresql://"])
            self.complete(where)

    def unreachable(self, port: int) -> None:
        """Have the server vanish."""
        for call, place in self.places():
            where = f"no server {place}"
            config = self.root / "butler.yaml"
            text = config.read_text()
            with proxy(port) as (other, cut):
                config.write_text(text.replace(f":{port}/", f":{other}/"))
                with self.commands.stopped(self.words, call) as process:
                    cut()
                out, err = process.communicate(timeout=240)
            config.write_text(text)
            self.judge(where, process.returncode, out + err, ["postgresql://"])
            self.complete(where)

    def locks(self, table: str) -> bool:
        """Tell whether one of our connections has written to a table."""
        busy = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            " AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'"
        )
        # Whoever is stopped has asked for something that the server is still about.
        while self.repository.server.execute(busy, [APPLICATION]).fetchone()[0]:
            time.sleep(0.01)
        query = (
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity USING (pid)"
            " WHERE application_name = %s AND relation = %s::regclass AND granted"
            " AND l.mode = 'RowExclusiveLock'"
        )
        place = f'"{self.repository.schema}"."{table}"'
        return self.repository.server.execute(query, [APPLICATION, place]).fetchone()[0] > 0

    def call_after(self, table: str, words: list[str]) -> int:
        """Find the first call of a transfer that has written to a table."""
        least, most = 1, len(self.commands.calls(words))
        while least < most:
            call = (least + most) // 2
            self.repository.restore()
            with self.commands.stopped(words, call) as process:
                written = self.locks(table)
                process.kill()
            process.communicate()
            least, most = (least, call) if written else (call + 1, most)
        return least

    @contextlib.contextmanager
    def stopped_between(
        self, words: list[str], call: int, written: str, untouched: str
    ) -> Iterator[subprocess.Popen[str]]:
        """Stop a transfer at about a call, when it has written to one table, and not to another."""
        for near in range(max(call - 3, 1), call + 40):
            with self.commands.stopped(words, near) as process:
                if self.locks(written) and not self.locks(untouched):
                    yield process
                    return
                process.kill()
            process.communicate()
            self.repository.restore()
        raise KitError(f"a transfer never has written to {written} and not to {untouched}")

    def deadlocked(self, database: str) -> None:
        """Have somebody insert what the transfer inserts, in the opposite order.

        Whoever waits last finds out; the other one is told not to look.
        """
        words = self.words[:2]
        self.repository.restore()
        call = self.call_after("instrument", words)
        self.repository.restore()
        self.commands.succeed(words)
        expected = self.repository.state()
        self.repository.restore()
        schema = sql.Identifier(self.repository.schema)
        count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        server = self.repository.server
        before = server.execute(count).fetchone()[0]
        with psycopg.connect(database) as rival:
            rival.execute("SET deadlock_timeout = '1h'")
            insert = sql.SQL("INSERT INTO {}.collection VALUES (1000000, %s, 3)")
            rival.execute(insert.format(schema), [self.chain])
            insert = sql.SQL("INSERT INTO {}.instrument (name) VALUES (%s) ON CONFLICT DO NOTHING")
            insertion = threading.Thread(
                target=rival.execute, args=(insert.format(schema), [CAMERA])
            )
            with self.stopped_between(words, call, "instrument", "collection") as process:
                insertion.start()
                waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
                waits += " AND wait_event_type = 'Lock'"
                while insertion.is_alive():
                    if server.execute(waits, [rival.info.backend_pid]).fetchone()[0]:
                        break
                    time.sleep(0.01)
            insertion.join()
            rival.rollback()
        out, err = process.communicate(timeout=240)
        self.judge_equal("deadlock", process.returncode, out + err, expected)
        for _ in range(300):
            if server.execute(count).fetchone()[0] > before:
                break
            time.sleep(0.02)
        else:
            self.problems.append(f"deadlock: there was none at call {call}")

    def judge_equal(self, where: str, code: int, said: str, expected: Any) -> None:
        """Judge a transfer that must have succeeded in spite of all."""
        self.faults += 1
        tables, files = self.repository.state()
        if code != 0:
            self.problems.append(f"{where}: it ended with {code}: {said}")
        if tables != expected[0] or files != expected[1]:
            self.problems.append(f"{where}: {differing(tables, expected[0])}")


@contextlib.contextmanager
def proxy(port: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Give another port that leads to the server, and what cuts it off."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = []

    def hand_on(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = socket.create_connection(("127.0.0.1", port))
                sockets.extend((ours, theirs))
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=hand_on, args=pair, daemon=True).start()

    def cut() -> None:
        for end in (listener, *sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], cut
    finally:
        cut()


def main(args: Any) -> int:
    with tempfile.TemporaryDirectory() as name:
        transfers = Transfers(args, Path(name))
        root = str(transfers.root)
        transfers.interposed("kill", "crs", [])
        transfers.interposed("full", "r", [root])
        transfers.interposed("sync", "s", [root])
        transfers.interrupted()
        transfers.occupied()
        if permissions_matter():
            transfers.forbidden()
        if args.database is None:
            transfers.limited()
        else:
            transfers.terminated()
            transfers.unreachable(args.port)
            transfers.deadlocked(args.database)
        transfers.repository.restore()
        transfers.repository.close()
    print("\n".join(transfers.problems) or f"{transfers.faults} faults leave nothing in between")
    return 1 if transfers.problems else 0


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("submit", help="submit directory of a run that is done")
    parser.add_argument("personal", help="its repository, into which nothing was transferred")
    parser.add_argument("--chain", required=True, help="the output chain")
    parser.add_argument("--qbb", required=True, help="the command")
    parser.add_argument("--database", help="URL of the PostgreSQL database, if it is in one")
    parser.add_argument("--schema", default="", help="its schema")
    parser.add_argument("--port", type=int, default=0, help="of its server")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of calls")
    parser.add_argument("--faults", type=int, default=2, help="of each sort; 0 for each call")
    script_main(main, parser)
