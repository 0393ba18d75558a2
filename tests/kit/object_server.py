#!/usr/bin/env python3
"""Run a private object store that speaks S3, until standard input ends.

The server is moto's, in an environment of its own beside the middleware's, so
that nothing is added to what judges. It keeps everything in memory and takes
any credentials. The first line of output is JSON that says where it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

KIT = Path(__file__).resolve().parent
REQUIREMENTS = KIT / "object_server.txt"
ENVIRONMENT = KIT.parents[1] / "target" / "object-server"
BUCKET = "qbb"


def serve() -> int:
    """Serve until standard input ends."""
    # Only in the environment of the server.
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="kit",
        aws_secret_access_key="kit",
    )
    client.create_bucket(Bucket=BUCKET)
    print(json.dumps({"endpoint": endpoint, "bucket": BUCKET}), flush=True)
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.stop()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the script: with the interpreter of the server's environment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args(argv).serve:
        return serve()
    setup = [sys.executable, str(KIT / "setup_environment.py"), str(ENVIRONMENT)]
    setup += ["--requirements", str(REQUIREMENTS), "--import", "moto.server"]
    done = subprocess.run(setup, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return 1
    python = done.stdout.splitlines()[-1]
    os.execv(python, [python, str(Path(__file__)), "--serve"])


if __name__ == "__main__":
    sys.exit(main())
