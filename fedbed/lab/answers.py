"""Whether the coordinator answers, for Docker's health check: standard library only, so cheap.

python -m fedbed.lab.answers        # asks $FEDBED_COORDINATOR, trusting $FEDBED_CA
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.request

_ASK_S = 4.0


def main() -> int:
    """Return 0 if it answers, else 1, with what was wrong on standard error."""
    url = f"{os.environ['FEDBED_COORDINATOR']}/api/v1/health"
    context = ssl.create_default_context(cafile=os.environ["FEDBED_CA"])
    try:
        with urllib.request.urlopen(url, timeout=_ASK_S, context=context) as reply:  # nosec B310 # ours
            return 0 if reply.status == 200 else 1
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
