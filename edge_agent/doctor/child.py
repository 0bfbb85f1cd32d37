"""`python -m edge_agent.doctor.child`: a check-up for the daemon, which must stay light.

Standard input holds what to examine as JSON (`setup.pack`), standard output gets the findings.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict

from edge_agent.doctor import setup
from edge_agent.doctor.examination import examine


def main() -> None:
    """Examine and answer. Ends at once: a thread that hangs must not keep it."""
    # What a probe has to say of itself stands in the findings.
    logging.disable(logging.CRITICAL)
    wanted = setup.unpack(json.loads(sys.stdin.read()))
    json.dump([asdict(finding) for finding in examine(wanted)], sys.stdout)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
