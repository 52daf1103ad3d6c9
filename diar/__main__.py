"""`python -m diar` is the `diar` command."""

import sys

from diar.cli import main

if __name__ == "__main__":
    sys.exit(main())
