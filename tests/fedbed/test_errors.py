from __future__ import annotations

import re

from fedbed import errors

# Written out, not computed: scripts depend on these numbers.
EXIT_CODES = {
    "FedbedError": 1,
    "UsageError": 2,
    "ExperimentError": 3,
    "DataError": 4,
    "CoordinatorAway": 5,
    "PortInUse": 6,
    "NameTaken": 7,
    "NodesMissing": 8,
    "RunFailed": 9,
    "RequirementMissing": 10,
    "PayloadError": 11,
    "Refused": 12,
    "NotFound": 13,
    "NotAdmitted": 14,
    "StorageFull": 15,
    "TooBusy": 16,
    "Untrusted": 17,
    "Unhealthy": 18,
    "Interrupted": 130,
}


def _own() -> dict[str, type[errors.FedbedError]]:
    """The module's own classes: other test modules may have made subclasses."""
    return {n: cls for n, cls in errors.by_code().items() if cls.__module__ == errors.__name__}


def test_exit_codes_are_stable() -> None:
    assert {name: cls.exit_code for name, cls in _own().items()} == EXIT_CODES


def test_exit_codes_are_unique() -> None:
    codes = [cls.exit_code for cls in _own().values()]
    assert len(set(codes)) == len(codes)


def test_the_tree_in_the_docstring_is_complete() -> None:
    rows = re.findall(r"^\W*([A-Z]\w+) +(\d+) +(\d+)? ", errors.__doc__ or "", re.MULTILINE)
    drawn = {name: (int(code), int(status)) for name, code, status in rows if status}
    classes = {name: (cls.exit_code, cls.http_status) for name, cls in _own().items()}
    assert {name for name, _, _ in rows} == set(classes)
    assert drawn.items() <= classes.items()


def test_a_class_goes_by_its_own_name() -> None:
    assert errors.NotFound("x").code == "NotFound"
    assert errors.by_code()["NotFound"] is errors.NotFound
