"""The command `lode`."""

import signal
import sys

from lodedb._lodedb import _command


def main() -> None:
    """Run the command with the process's arguments, and exit with its code."""
    # Python would only note Ctrl-C and wait for the command to end by itself. Stopping at once loses nothing that was
    # acknowledged.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_command(["lode", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
