"""The command line, as ``python -m pkmodels``."""

import sys

from pkmodels.clinic.command_line import main

if __name__ == "__main__":
    sys.exit(main())
