from __future__ import annotations

from fedbed.selection import Part
from fedbed.selection.timing import Times, expected, measured
from tests.fedbed.selection.nodes import late, node, part


def test_phases_are_medians_of_what_came() -> None:
    parts = [Part(n, True, seconds=s, download_s=1, upload_s=2) for n, s in enumerate((9, 5, 6), 1)]
    assert measured(parts, 3) == Times(1, 3, 2)
    # The first part of all counts only as long as there is no other.
    assert measured(parts, 1) == Times(1, 2.5, 2)
    assert measured(parts[:1], 1) == Times(1, 6, 2)
    assert measured(parts, 4) is None
    assert measured([], 1) is None


def test_who_was_late_takes_longer_than_the_round_until_it_delivers_again() -> None:
    lagging = [part(1, 2.0), late(2, 7.0), Part(3, False)]
    known = measured(lagging, 1)
    assert known is not None
    assert known.total_s == 7.0
    back = measured([*lagging, part(4, 4.0)], 1)
    assert back is not None
    assert back.total_s == 4.0
    assert measured([late(1, 0.5)], 1) == Times(0.0, 0.5, 0.0)
    assert measured([Part(1, False)], 1) is None


def test_who_was_never_measured_is_put_beside_the_others() -> None:
    first = node(0, Part(1, True, seconds=5, download_s=1, upload_s=2), samples=100, cpus=1)
    second = node(1, samples=300, cpus=2)
    found = expected([first, second], 1)
    assert found[0] == Times(1, 2, 2)
    assert found[1] == Times(1, 3.0, 2)
    assert expected([second], 1) == {1: None}
