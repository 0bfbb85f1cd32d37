r"""Which samples belong together (a scene, a site, a patient): by an index file, or by their names.

- An index is a CSV file with a header. Its column `file` holds the names of the images, and the
  column that the rule names holds their groups, as free text.
- A pattern is a regular expression that must match the beginning of each image's name; its first
  parentheses hold the group: `([^_]+)_` takes all before the first underscore.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Dict, List, Sequence

import numpy as np

from fedbed.data.cards import GroupRule
from fedbed.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def by_pattern(names: Sequence[str], pattern: str) -> Dict[str, str]:
    """Group of each name; DataError for what is no pattern, or doesn't match one of the names."""
    try:
        rule = re.compile(pattern)
    except re.error as error:
        raise DataError(f"groups: {pattern!r} is no regular expression: {error}") from error
    if rule.groups < 1:
        raise DataError(f"groups: {pattern!r} has no parentheses around what names the group")
    groups = {}
    for name in names:
        match = rule.match(name)
        if match is None or match.group(1) is None:
            raise DataError(f"groups: {pattern!r} doesn't match the beginning of {name!r}")
        groups[name] = match.group(1)
    return groups


def by_index(names: Sequence[str], data: bytes, where: str, column: str) -> Dict[str, str]:
    """Group of each name by the CSV file `data`, called `where` in errors (DataError)."""
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        titles: List[str] = list(rows.fieldnames or ())
        for wanted in ("file", column):
            if wanted not in titles:
                raise DataError(
                    f"{where}: has no column {wanted!r}; its first line names: "
                    f"{', '.join(titles)[:200] or 'nothing'}"
                )
        known: Dict[str, str] = {}
        for row in rows:
            name, group = row["file"], row[column]
            if known.setdefault(name, group) != group:
                raise DataError(
                    f"{where}, line {rows.line_num}: puts {name!r} into group {group!r}, "
                    f"an earlier line into {known[name]!r}"
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where}: can't be read as a CSV file in UTF-8: {error}") from error
    for name in names:
        if not known.get(name):
            raise DataError(f"{where}: names no {column} for the image {name!r}: add its line")
    return {name: known[name] for name in names}


def numbers(groups: Dict[str, str]) -> Dict[str, int]:
    """Number of each name's group: 0, 1, ... in the order of the groups' own names."""
    order = {group: number for number, group in enumerate(sorted(set(groups.values())))}
    return {name: order[group] for name, group in groups.items()}


def of(names: Sequence[str], rule: GroupRule, index: bytes) -> Dict[str, str]:
    """Group of each name as the rule has it; `index`: content of the file that it names, if any."""
    if rule.pattern:
        return by_pattern(names, rule.pattern)
    return by_index(names, index, rule.index, rule.column)


def as_array(names: Sequence[str], numbered: Dict[str, int]) -> NDArray[np.int64]:
    """Group numbers of these names, int64 [n]."""
    return np.array([numbered[name] for name in names], np.int64)
