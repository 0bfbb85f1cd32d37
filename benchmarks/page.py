"""The block of docs/performance.md with the figures of the last complete call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.results import ROOT, rows_of

PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- figures: written by `make bench` -->"
END = "<!-- end of figures -->"


def block(document: dict[str, Any]) -> str:
    """Return what stands between the markers, for a document of `benchmarks.results`."""
    rows = rows_of(document)
    machine, versions = document["machine"], document["versions"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join(
        [
            f"{table.tally(rows)}. Measured {document['at']} in {document['seconds'] / 60:.0f} "
            f"minutes at commit `{document['commit']}`,",
            f"on {machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']};",
            f"{named}.",
            "",
            table.markdown(rows),
        ]
    )


def with_block(text: str, document: dict[str, Any]) -> str:
    """Return the page's text with the document's block; ValueError if the markers are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no '{BEGIN}' ... '{END}'")
    return f"{before}{BEGIN}\n{block(document)}\n{END}{after}"


def update(document: dict[str, Any], path: Path = PAGE) -> None:
    """Write the block into the page."""
    path.write_text(with_block(path.read_text(), document))
