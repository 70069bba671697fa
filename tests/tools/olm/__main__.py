"""Writes the OLM bundle of the chart, and has OLM's own libraries look at it: `make bundle`.

python -m tests.tools.olm DIRECTORY [--digest sha256:...]
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests.support.harness.olm import findings
from tests.support.harness.tools import ToolError
from tests.tools.olm.bundle import write


def main() -> None:
    """Do what the command line says. Ends with status 1 if OLM's libraries find anything in the bundle."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.olm", description="Write the OLM bundle of the chart.")
    parser.add_argument("directory", type=Path, help="directory to write; what is in it is removed")
    parser.add_argument("--digest", default="", help="digest of the published image, instead of its tag")
    options = parser.parse_args()
    shutil.rmtree(options.directory, ignore_errors=True)
    write(options.directory, options.digest)
    try:
        found = findings(options.directory)
    except ToolError as error:
        sys.exit(f"error: {error}")
    if found:
        sys.exit("\n".join(f"{each.level}: {each.check}: {each.text}" for each in found))
    print(options.directory)


if __name__ == "__main__":
    main()
