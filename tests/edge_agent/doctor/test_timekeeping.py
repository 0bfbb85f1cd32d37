from __future__ import annotations

from edge_agent.doctor.timekeeping import error_us, judge_ntp
from fedbed.link.health import OK, SKIPPED, WARN


def test_a_clock_that_nothing_sets_warns() -> None:
    assert judge_ntp(16_000_000).level == WARN
    finding = judge_ntp(25_000)
    assert (finding.level, finding.found) == (OK, "set by NTP, to 25 ms at worst")
    assert judge_ntp(None).level == SKIPPED


def test_the_kernel_is_asked() -> None:
    found = error_us()
    assert found is None or found >= 0
