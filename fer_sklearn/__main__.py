"""The command: ``python -m fer_sklearn COMMAND ...``, also installed as ``fer-sklearn``."""

from __future__ import annotations

import sys

from ._command import main

if __name__ == "__main__":
    sys.exit(main())
