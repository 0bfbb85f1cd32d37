from __future__ import annotations

from fedbed.link.health import FAIL, LONGEST, OK, SKIPPED, WARN, Finding, bounded, counts, worst


def findings(*levels: str) -> list[Finding]:
    return [Finding("disk", level, "found") for level in levels]


def test_the_worst_level_counts() -> None:
    assert worst([]) == SKIPPED
    assert worst(findings(SKIPPED, OK)) == OK
    assert worst(findings(OK, WARN, SKIPPED)) == WARN
    assert worst(findings(WARN, FAIL, OK)) == FAIL
    assert list(counts(findings(OK, FAIL, OK)).items()) == [
        (FAIL, 1),
        (WARN, 0),
        (OK, 2),
        (SKIPPED, 0),
    ]


def test_texts_are_bounded_and_move_no_terminal() -> None:
    (found,) = bounded([Finding("a\x1b[2J", WARN, "x" * 5000, "\n" * 5000, "é")])
    assert found.check == "a\\x1b[2J"
    assert len(found.found) == len(found.why) == LONGEST
    assert found.why.isprintable()
    assert (found.level, found.mend) == (WARN, "é")
