"""`python -m fedbed`: the same as the command `fedbed`."""

from __future__ import annotations

from fedbed.cli.main import entry

if __name__ == "__main__":
    entry()
