"""Filters of the playbooks: what to say of a misspelt variable and of a host that isn't reached.

They run where Ansible does, whose Python need not have fedbed.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Callable, Iterable

import yaml

ROLES = Path(__file__).parents[1] / "roles"
PREFIX = "fedbed_"
_WHY = (
    (
        r"HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key .* changed",
        "its host key is not the one that is known: somebody else may answer there. If its card "
        "was written anew: ssh-keygen -R {address}, and ssh to it once to accept the new key",
    ),
    (
        r"Permission denied",
        "ssh doesn't let this user in: ssh-copy-id to it, or name another with ansible_user",
    ),
    (r"Could not resolve", "its name '{address}' leads nowhere: give it an ansible_host"),
    (
        r"Connection refused",
        "nothing takes ssh connections at {address}: enable ssh there, or correct its address",
    ),
    (
        r"timed out|No route to host|unreachable",
        "no answer from {address}: is it on, in this network, and is the address right?",
    ),
)


def known_variables() -> list[str]:
    """Return all variables that a role reads, from the roles' own descriptions."""
    names: set[str] = set()
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            names.update(entry.get("options", {}))
    return sorted(names)


def unknown(given: Iterable[str]) -> list[str]:
    """Return a complaint for each variable that no role reads, with a near match."""
    known = known_variables()
    complaints = []
    for name in sorted(set(given) - set(known)):
        # What all have in common would make them all near.
        ends = [each[len(PREFIX) :] for each in known]
        near = difflib.get_close_matches(name[len(PREFIX) :], ends, n=1, cutoff=0.6)
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        complaints.append(f"no role reads the variable {name}{hint}")
    return complaints


def unreachable(said: str, address: str) -> str:
    """Return why a host can't be reached and what to do, from what ssh said."""
    for pattern, why in _WHY:
        if re.search(pattern, said, re.IGNORECASE):
            return why.format(address=address)
    return f"ssh to {address} fails: {said.strip().splitlines()[-1]}"


def reason(result: dict[str, Any]) -> str:
    """Return the line of a failed task's result that says why."""
    # Of a command that failed, `msg` says no more than that.
    keys = ("stderr", "module_stderr", "stdout", "msg")
    texts = [str(result[key]).splitlines() for key in keys if str(result.get(key) or "").strip()]
    lines = [line.strip() for text in texts for line in text if line.strip()]
    if any(re.search("No space left on device|Disk quota exceeded", line) for line in lines):
        return "no space left on its disk"
    decisive = [line for line in lines if re.match("(ERROR|E):", line)]
    if decisive:
        return decisive[0][:300]
    return texts[0][-1].strip()[:300] if texts else "it gave no reason"


def text(path: str) -> str:
    """Return what a file here holds."""
    return Path(path).read_text()


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "fedbed_reason": reason,
            "fedbed_text": text,
            "fedbed_unknown": unknown,
            "fedbed_unreachable": unreachable,
        }
