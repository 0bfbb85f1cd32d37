"""The MQTT topics: what nodes and the centre say to each other through the broker.

| topic | who | retained | what |
|---|---|---|---|
| fedbed/1/nodes/NODE/presence | node; as last will the broker | yes | JSON `{"online": ...}` |
| fedbed/1/nodes/NODE/state | node | yes | JSON: state, run, round |
| fedbed/1/nodes/NODE/samples | node | no | line protocol, points of several seconds |
| fedbed/1/nodes/NODE/command | operator | no | JSON: a command for the node |
| fedbed/1/nodes/NODE/answer | node | no | JSON: what became of a command |

The broker's user of a node has the node's name, and its access list lets it write and read under
its own name alone (`pattern` lines in monitoring/mosquitto/acl).
"""

from __future__ import annotations

ROOT = "fedbed/1/nodes"
"""With the interface's version: what changes its meaning gets another number."""
PRESENCE, STATE, SAMPLES, COMMAND, ANSWER = "presence", "state", "samples", "command", "answer"
KINDS = (PRESENCE, STATE, SAMPLES, COMMAND, ANSWER)


def topic(node: str, kind: str) -> str:
    """Return the topic of a node; ValueError if the name or the kind has no place in one."""
    if not node or any(c in node for c in "/+#\0") or kind not in KINDS:
        raise ValueError(f"'{node}', '{kind}' make no topic")
    return f"{ROOT}/{node}/{kind}"


def everybody(kind: str) -> str:
    """Return the filter for a kind of all nodes."""
    return f"{ROOT}/+/{kind}"
