"""Writes the OLM bundle of the chart: `make bundle`.

python -m tests.tools.olm DIRECTORY [--digest sha256:...]
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tests.tools.olm.bundle import write


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.olm", description="Write the OLM bundle of the chart.")
    parser.add_argument("directory", type=Path, help="directory to write; what is in it is removed")
    parser.add_argument("--digest", default="", help="digest of the published image, instead of its tag")
    options = parser.parse_args()
    shutil.rmtree(options.directory, ignore_errors=True)
    write(options.directory, options.digest)
    print(options.directory)


if __name__ == "__main__":
    main()
