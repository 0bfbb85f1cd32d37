"""`python -m coordinator`: what `fedbed coordinator` runs."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # Until it runs there is nothing to put in order: Ctrl-C just ends it, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from coordinator import server, settings
    from fedbed.errors import FedbedError

    try:
        sys.exit(server.serve(settings.parse(sys.argv[1:])))
    except FedbedError as error:
        sys.stderr.write(f"fedbed coordinator: {error}\n")
        sys.exit(error.exit_code)
