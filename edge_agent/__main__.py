"""`python -m edge_agent`: what `fedbed agent` runs, and what a service unit starts."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # Until it runs there is nothing to put in order: Ctrl-C just ends it, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from edge_agent import config, daemon
    from fedbed import logs
    from fedbed.errors import FedbedError

    try:
        sys.exit(daemon.run(config.parse(sys.argv[1:])))
    except FedbedError as error:
        logs.last_words(f"fedbed agent: {error}")
        sys.exit(error.exit_code)
