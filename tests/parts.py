"""Small helpers that all tests share."""

from __future__ import annotations

import os

import pytest


def need(condition: bool, reason: str) -> None:
    """Skip this test unless `condition` holds; fail instead where FEDBED_TESTS_NO_SKIP=1.

    A machine that must run everything (CI) sets the variable, so that nothing is skipped unseen.
    """
    if condition:
        return
    if os.environ.get("FEDBED_TESTS_NO_SKIP") == "1":
        pytest.fail(f"FEDBED_TESTS_NO_SKIP=1, but {reason}")
    pytest.skip(reason)
