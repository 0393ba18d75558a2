"""Print a command that README.md promises, so that CI runs just what a reader would.

A promised command is a line in a shell block whose comment names it: `COMMAND  # tests`.
"""

import pathlib
import re
import sys


def main() -> None:
    name = sys.argv[1]
    readme = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
    first_screen = "\n".join(readme.splitlines()[:40])
    found = re.findall(rf"^(\S.*?)\s+# {re.escape(name)}$", first_screen, flags=re.MULTILINE)
    if len(found) != 1:
        sys.exit(
            f"README.md: expected one command marked '# {name}' in the first screen, found {found}"
        )
    print(found[0])


main()
