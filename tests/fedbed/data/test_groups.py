from __future__ import annotations

import pytest

from fedbed.data import groups
from fedbed.data.cards import GroupRule
from fedbed.errors import DataError

NAMES = ["s2_b.png", "s1_a.png", "s2_a.png"]


def test_by_a_pattern() -> None:
    found = groups.of(NAMES, GroupRule(pattern="([^_]+)_"), b"")
    assert found == {"s2_b.png": "s2", "s1_a.png": "s1", "s2_a.png": "s2"}
    assert groups.as_array(NAMES, groups.numbers(found)).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "'[(]' is no regular expression"),
        ("s", "'s' has no parentheses"),
        ("(x)", "doesn't match the beginning of 's2_b.png'"),
        ("s(9)?", "doesn't match the beginning of 's2_b.png'"),
    ],
)
def test_patterns_that_will_not_do(pattern: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        groups.by_pattern(NAMES, pattern)


def test_by_an_index() -> None:
    index = b"\xef\xbb\xbffile,site\ns1_a.png,north\n" + b"s2_a.png,south\ns2_b.png,south\nx,y\n"
    found = groups.of(NAMES, GroupRule(index="index.csv", column="site"), index)
    assert found == {"s2_b.png": "south", "s1_a.png": "north", "s2_a.png": "south"}


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (b"", "i.csv: has no column 'file'; its first line names: nothing"),
        (b"file,place\n", "i.csv: has no column 'site'; its first line names: file, place"),
        (b"file,site\ns1_a.png,north\n", "i.csv: names no site for the image 's2_b.png'"),
        (b"file,site\ns2_b.png\n", "i.csv: names no site for the image 's2_b.png'"),
        (b"file,site\ns1_a.png,n\ns1_a.png,s\n", "i.csv, line 3: puts 's1_a.png' into group 's', "),
        (b"file,site\n\xff\n", "i.csv: can't be read as a CSV file in UTF-8"),
    ],
)
def test_indexes_that_will_not_do(index: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        groups.by_index(NAMES, index, "i.csv", "site")
