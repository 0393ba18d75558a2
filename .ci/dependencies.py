"""Check what the crates link: the walls of the house, and the licences of deny.toml.

`cargo deny check` says the same and more where it is installed; these rules are checked
everywhere because the project's promises rest on them.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parent.parent

DATABASE_DRIVERS = {"rusqlite", "libsqlite3-sys", "postgres", "tokio-postgres", "sqlx", "diesel"}

# Crate: what may not be in its dependency tree.
FORBIDDEN = {
    "qbb-executor": DATABASE_DRIVERS | {"qbb-registry", "qbb-query", "qbb-builder", "qbb-transfer"},
    "qbb-exports": DATABASE_DRIVERS | {"qbb-registry", "qbb-query", "qbb-builder", "qbb-transfer"},
    "qbb": DATABASE_DRIVERS | {"qbb-registry", "qbb-builder", "qbb-executor"},
    "qbb-submit-dirs": DATABASE_DRIVERS,
    "qbb-graph": DATABASE_DRIVERS | {"qbb-registry", "qbb", "qbb-executor"},
    "qbb-datastore": DATABASE_DRIVERS | {"qbb-registry", "qbb-graph"},
    "qbb-pipeline": DATABASE_DRIVERS | {"qbb-registry", "qbb-graph", "qbb-datastore"},
    "qbb-dimensions": DATABASE_DRIVERS | {"memmap2", "tempfile", "fs-err"},
    "qbb-registry": {"qbb-graph", "qbb", "qbb-executor"},
    "qbb-query": {"qbb-pipeline", "qbb-graph", "qbb", "qbb-executor"},
    "qbb-builder": {"qbb", "qbb-executor", "qbb-transfer", "qbb-hooks"},
    "qbb-hooks": {"qbb-transfer", "qbb-submit-dirs"},
    "qbb-upkeep": {"qbb-graph", "qbb", "qbb-executor", "qbb-builder", "qbb-transfer"},
    "qbb-transfer": {"qbb-executor", "qbb-builder"},
    "qbb-personal": {"qbb-executor", "qbb-builder"},
}


def tree(crate: str) -> set[str]:
    """Names of all crates that a crate links, without those only its tests use."""
    command = ["cargo", "tree", "--locked", "-p", crate, "-e", "normal", "--prefix", "none"]
    listing = subprocess.run(
        [*command, "--format", "{p}"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return {line.split()[0] for line in listing.splitlines() if line}


def check_walls() -> list[str]:
    problems = []
    for crate, forbidden in FORBIDDEN.items():
        for name in sorted(tree(crate) & forbidden):
            problems.append(f"{crate} links {name}, which it must not know")
    return problems


def check_licences() -> list[str]:
    config = tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]
    allowed = set(config["allow"])
    exceptions = {e["crate"]: set(e["allow"]) for e in config.get("exceptions", [])}
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--locked", "--format-version", "1"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    problems = []
    for package in metadata["packages"]:
        if package["source"] is None:
            continue
        name, licence = package["name"], package["license"] or ""
        accepted = allowed | exceptions.get(name, set())
        # `A OR B` needs one of them, `A AND B` both; parentheses do not nest deeper in practice.
        alternatives = re.split(r"\s+OR\s+|/", licence.replace("(", "").replace(")", ""))
        if not any(
            all(part.strip() in accepted for part in re.split(r"\s+AND\s+", alternative))
            for alternative in alternatives
        ):
            problems.append(f"{name} {package['version']}: licence {licence!r} is not allowed")
    return problems


def main() -> None:
    problems = check_walls() + check_licences()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"{len(FORBIDDEN)} crates link only what they may; all licences are allowed")


main()
