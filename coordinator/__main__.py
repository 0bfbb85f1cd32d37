"""`python -m coordinator`: what `fedbed coordinator` runs."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from coordinator import server, settings
    from fedbed.errors import FedbedError

    try:
        sys.exit(server.serve(settings.parse(sys.argv[1:])))
    except FedbedError as error:
        sys.stderr.write(f"fedbed coordinator: {error}\n")
        sys.exit(error.exit_code)
