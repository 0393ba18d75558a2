#!/usr/bin/env python3
"""Run a private PostgreSQL server for tests, for as long as somebody listens.

Prints one line of JSON when the server takes connections, then waits for the
end of standard input and removes everything: a process that holds the other
end of that pipe need not clean up, however it ends.

The server is looked for on PATH and where distributions put it.  On systems
with apt it is fetched and unpacked below ``target/`` if there is none, which
takes no privileges.  PostgreSQL refuses to run as root; as root, it runs as
the user ``postgres`` or ``nobody``.

Accounts, all on the same database: ``butler`` owns it, ``reader`` may only
read what ``butler`` makes and needs the password that is printed.  TCP
connections may be encrypted, with a certificate for ``localhost``.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import glob
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KIT = Path(__file__).resolve().parent
UNPACKED = KIT.parents[1] / "target" / "postgresql"
CERTIFICATES = KIT / "certificates"
DATABASE = OWNER = "butler"
READER = "reader"
PLACES = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/pgsql/bin",
]
WAIT_SECONDS = 120.0
PR_SET_PDEATHSIG = 1


class ServerError(Exception):
    """A failure whose message is all that the user needs."""


def is_complete(binaries: Path) -> bool:
    """Tell whether a folder holds what makes and runs a server with what Butler needs."""
    extension = "extension/btree_gist.control"
    candidates = []
    if (binaries / "pg_config").exists():
        share = subprocess.run(
            [binaries / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
        )
        candidates += [Path(share.stdout.strip())] if share.returncode == 0 else []
    # Where a server looks that was moved as a whole, as Debian and PostgreSQL itself lay it out.
    root = binaries.parent
    candidates += [root / "share", root / "share/postgresql"]
    candidates.append(root.parents[2] / "share/postgresql" / root.name)
    tools = all((binaries / name).exists() for name in ("initdb", "postgres"))
    return tools and any((folder / extension).exists() for folder in candidates)


def version_of(binaries: Path) -> int:
    """Return the number in a folder's name, for choosing the newest."""
    numbers = re.findall(r"\d+", str(binaries))
    return int(numbers[-1]) if numbers else 0


def installed() -> Path | None:
    """Find the folder of an installed server's programs."""
    found = []
    if initdb := shutil.which("initdb"):
        found.append(Path(initdb).resolve().parent)
    places = [Path(path) for place in PLACES for path in glob.glob(place)]
    found += sorted(places, key=version_of, reverse=True)
    return next((binaries for binaries in found if is_complete(binaries)), None)


def run(command: list[str], **options: object) -> str:
    """Run a command and raise with the end of its output if it fails."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise ServerError(f"`{' '.join(map(str, command))}` exited with {done.returncode}:\n{tail}")
    return done.stdout


def unpacked() -> Path:
    """Fetch the distribution's packages and unpack them; nothing is installed."""
    complete = sorted(UNPACKED.glob("usr/lib/postgresql/*/bin"), key=version_of)
    if complete and (UNPACKED / "complete").exists():
        return complete[-1]
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ServerError(
            "no PostgreSQL server was found (initdb and postgres on PATH, or in "
            f"{', '.join(PLACES)}); install PostgreSQL 13 or newer with its contrib extensions"
        )
    print(f"unpacking PostgreSQL into {UNPACKED}", file=sys.stderr, flush=True)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="postgresql.", dir=UNPACKED.parent))
    try:
        fetch(fresh)
        # Whoever comes first wins; the others' work is as good.
        with contextlib.suppress(OSError):
            fresh.rename(UNPACKED)
            UNPACKED.chmod(0o755)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return max(UNPACKED.glob("usr/lib/postgresql/*/bin"), key=version_of)


def fetch(fresh: Path) -> None:
    """Fetch and unpack the packages into an empty folder."""
    for folder in ("lists/partial", "cache/archives/partial", "packages"):
        (fresh / folder).mkdir(parents=True)
    # Lists and cache of our own: the system's may be empty, and are not ours to write.
    apt = ["apt-get", "-q", "-o", f"Dir::State::Lists={fresh}/lists", "-o", "Debug::NoLocking=1"]
    apt += ["-o", f"Dir::Cache={fresh}/cache", "-o", "APT::Sandbox::User=root"]
    # What is installed of PostgreSQL was not good enough.
    known = Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n")
    others = [about for about in known if not about.startswith("Package: postgresql")]
    (fresh / "status").write_text("\n\n".join(others), encoding="utf-8")
    apt += ["-o", f"Dir::State::Status={fresh}/status"]
    run([*apt, "update"])
    uris = run([*apt, "install", "--print-uris", "--no-install-recommends", "-y", "postgresql"])
    names = re.findall(r"^'[^']*' ([^_\s]+)_\S+\.deb ", uris, flags=re.MULTILINE)
    if not any(re.fullmatch(r"postgresql-\d+", name) for name in names):
        raise ServerError("apt offers no package postgresql; install PostgreSQL by hand")
    run([*apt, "download", *names], cwd=fresh / "packages")
    for package in sorted((fresh / "packages").glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(fresh)])
    (fresh / "status").unlink()
    for folder in ("packages", "lists", "cache"):
        shutil.rmtree(fresh / folder)
    (fresh / "complete").touch()


def reachable(path: Path, uid: int) -> bool:
    """Tell whether a user without any group may go into a folder."""
    folders = [path, *path.parents]
    return all(
        folder.stat().st_mode & stat.S_IXOTH or folder.stat().st_uid == uid for folder in folders
    )


def server_user() -> pwd.struct_passwd | None:
    """Return whom to run the server as, if not as oneself."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise ServerError("PostgreSQL does not run as root, and there is no user postgres or nobody")


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent() -> None:
    """Let the server stop at once if this process is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


class Server:
    """A server in a folder of its own.

    Parameters
    ----------
    binaries : `Path`
        Folder of the server's programs.
    folder : `Path`
        Empty folder for everything it writes.
    """

    def __init__(self, binaries: Path, folder: Path):
        user = server_user()
        self.folder = folder
        self.identity: dict[str, object] = {}
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            if not reachable(binaries, user.pw_uid):
                # Somebody's home, most likely; the server moves as a whole.
                root = binaries.parents[3]
                shutil.copytree(root, folder / "server", symlinks=True)
                binaries = folder / "server" / binaries.relative_to(root)
        self.binaries = binaries
        self.password = secrets.token_urlsafe()
        self.environment = {"PATH": f"{binaries}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        installed = binaries.parents[3]
        libraries = sorted({str(file.parent) for file in installed.glob("lib/*/libpq.so.5")})
        if libraries and installed != Path("/usr"):
            self.environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def command(self, *words: object) -> list[str]:
        """Complete the path of one of the server's programs."""
        return [str(self.binaries / str(words[0])), *map(str, words[1:])]

    def make(self) -> None:
        """Make an empty cluster with its accounts."""
        data = self.folder / "data"
        options = {"env": self.environment, "cwd": self.folder, **self.identity}
        run(
            self.command(
                "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"
            ),
            **options,
        )
        for name in ("server.crt", "server.key"):
            shutil.copy(CERTIFICATES / name, data / name)
            os.chmod(data / name, 0o600)
            if uid := self.identity.get("user"):
                os.chown(data / name, uid, self.identity["group"])  # type: ignore[arg-type]
        (data / "pg_hba.conf").write_text(
            f"local all {OWNER} trust\n"
            f"host all {OWNER} 127.0.0.1/32 trust\n"
            f"local all {READER} scram-sha-256\n"
            f"host all {READER} 127.0.0.1/32 scram-sha-256\n"
        )
        settings = f"""
            create extension btree_gist;
            create role {READER} login password '{self.password}';
            revoke all on database {DATABASE} from public;
            grant connect on database {DATABASE} to {READER};
            alter default privileges for role {OWNER} grant usage on schemas to {READER};
            alter default privileges for role {OWNER} grant select on tables to {READER};
        """
        # Alone, so that nobody sees the cluster half-made; an empty line ends a statement.
        single = self.command("postgres", "--single", "-j", "-D", data, "-c", "ssl=off")
        for database, statements in (
            ("postgres", f"create database {DATABASE};\n"),
            (DATABASE, settings),
        ):
            said = run([*single, database], input=statements.replace(";\n", ";\n\n"), **options)
            if "ERROR" in said or "FATAL" in said:
                raise ServerError(f"the cluster cannot be made:\n{said}")

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        data = self.folder / "data"
        for _ in range(5):
            self.port = free_port()
            options = {
                "listen_addresses": "127.0.0.1",
                "port": self.port,
                "unix_socket_directories": self.folder,
                "ssl": "on",
                "fsync": "off",
                "full_page_writes": "off",
                "synchronous_commit": "off",
                "max_connections": 60,
                "autovacuum_naptime": "5s",
            }
            words = [f"--{name}={value}" for name, value in options.items()]
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(
                    self.command("postgres", "-D", data, *words),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=self.environment,
                    preexec_fn=die_with_parent,
                    **self.identity,  # type: ignore[call-overload]
                )
            if self.is_ready(data / "postmaster.pid"):
                return
        tail = (self.folder / "log").read_text(errors="replace").splitlines()[-10:]
        raise ServerError("the PostgreSQL server does not start:\n" + "\n".join(tail))

    def is_ready(self, status: Path) -> bool:
        """Wait for the server; false if it has ended."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.process and self.process.poll() is None:
            try:
                if status.read_text().splitlines()[7].strip() == "ready":
                    return True
            except (OSError, IndexError):
                pass
            time.sleep(0.05)
        self.stop()
        return False

    def stop(self) -> None:
        """Stop the server without ceremony; what it has is thrown away."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def report(self) -> str:
        """Return where the server is, as JSON."""
        place = f"127.0.0.1:{self.port}/{DATABASE}"
        return json.dumps(
            {
                "url": f"postgresql://{OWNER}@{place}",
                "port": self.port,
                "socket_folder": str(self.folder),
                "database": DATABASE,
                "owner": OWNER,
                "reader": READER,
                "reader_password": self.password,
                "authority": str(CERTIFICATES / "authority.crt"),
            }
        )


def main(argv: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--unpack",
        action="store_true",
        help="do not use an installed server, but unpack the distribution's packages",
    )
    args = parser.parse_args(argv)
    # An interrupt at the terminal reaches whoever uses the server as well, and ends our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="qbb-postgres-"))
    server = None
    try:
        binaries = None if args.unpack else installed()
        server = Server(binaries or unpacked(), folder)
        server.make()
        server.start()
        print(server.report(), flush=True)
        while os.read(sys.stdin.fileno(), 4096):
            pass
    except ServerError as err:
        print(f"{Path(__file__).name}: {err}", file=sys.stderr)
        return 1
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
