"""For all tests: Ctrl-C works in the processes they start, however they were started themselves."""

from __future__ import annotations

import signal

# A shell that runs us in the background has SIGINT ignored, and child processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
