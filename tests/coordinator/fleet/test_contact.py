from __future__ import annotations

import pytest

from coordinator.fleet.contact import CUT_GRACE_S, POLL_S, SILENCE_S, Contact, busy_poll_s


def test_silence_is_noticed_within_the_promised_15_s() -> None:
    assert POLL_S + SILENCE_S < 15
    contact = Contact()
    contact.poll_opened(0.0)
    contact.poll_closed(POLL_S, cut=False)
    assert not contact.is_live(15.0)


def test_an_open_poll_keeps_a_node_in_contact_however_long() -> None:
    contact = Contact()
    assert not contact.is_live(0.0)
    contact.poll_opened(0.0)
    assert contact.is_live(1e6)
    assert contact.lost_at is None


def test_a_cut_connection_counts_after_a_short_grace() -> None:
    contact = Contact()
    contact.poll_opened(0.0)
    contact.poll_closed(10.0, cut=True)
    assert contact.is_live(10.0 + CUT_GRACE_S - 0.01)
    assert not contact.is_live(10.0 + CUT_GRACE_S)


def test_an_answered_poll_leaves_time_for_the_next() -> None:
    contact = Contact()
    contact.poll_opened(0.0)
    contact.poll_closed(10.0, cut=False)
    assert contact.is_live(10.0 + SILENCE_S - 0.01)
    assert not contact.is_live(10.0 + SILENCE_S)
    contact.poll_opened(30.0)
    assert contact.is_live(31.0)


def test_of_overlapping_polls_the_last_one_decides() -> None:
    contact = Contact()
    contact.poll_opened(0.0)
    contact.poll_opened(1.0)
    contact.poll_closed(2.0, cut=True)
    assert contact.is_live(100.0)
    contact.poll_closed(100.0, cut=True)
    assert contact.is_live(100.5)
    assert not contact.is_live(101.0)


def test_who_leaves_is_gone_at_once_and_may_come_back() -> None:
    contact = Contact()
    contact.poll_opened(0.0)
    contact.leave(1.0)
    assert not contact.is_live(1.0)
    contact.poll_closed(1.1, cut=False)
    assert not contact.is_live(1.2)
    contact.heard(2.0)
    assert contact.is_live(2.0)
    assert not contact.is_live(2.0 + SILENCE_S)
    contact.leave(3.0)
    contact.poll_opened(4.0)
    assert contact.is_live(4.0)


def test_a_sign_of_life_does_not_put_a_limit_on_an_open_poll() -> None:
    contact = Contact()
    contact.poll_opened(0.0)
    contact.heard(1.0)
    assert contact.is_live(1.0 + 2 * SILENCE_S)


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 1.0), (200, 1.0), (1000, 5.0), (10_000, 8.0)])
def test_a_large_fleet_reports_progress_less_often(nodes: int, seconds: float) -> None:
    assert busy_poll_s(nodes) == seconds
