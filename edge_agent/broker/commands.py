"""Commands that operators send to a node, and what is answered. docs/mqtt.md describes both."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from typing import Callable, Mapping

from fedbed.errors import FedbedError
from fedbed.logs import printable

log = logging.getLogger("fedbed.agent")
MAX_BYTES = 64 * 1024
MAX_ID_CHARS = 100
AT_A_TIME = 4
Action = Callable[[], str]
"""Does what a command asks for; returns one line on it, or raises FedbedError."""


@dataclass(frozen=True)
class Command:
    """What is asked for, and the id that the answer repeats; empty if the sender wants none."""

    name: str
    id: str = ""


class BadCommand(Exception):
    """Not a command, `str` says why; `id` if it had one."""

    def __init__(self, reason: str, command_id: str = "") -> None:
        super().__init__(reason)
        self.id = command_id


def read(payload: bytes) -> Command:
    """Read a command; BadCommand for anything else."""
    if len(payload) > MAX_BYTES:
        raise BadCommand(f"{len(payload)} bytes are no command: {MAX_BYTES} at most")
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadCommand("a command is JSON, and this is none") from error
    if not isinstance(found, dict):
        raise BadCommand('a command is a JSON object such as {"id": "1", "command": "identify"}')
    command_id = found.get("id", "")
    if not isinstance(command_id, str) or len(command_id) > MAX_ID_CHARS:
        raise BadCommand(f"the id of a command is a string of {MAX_ID_CHARS} characters at most")
    name = found.get("command")
    if not isinstance(name, str):
        raise BadCommand("the key 'command' with its name is missing", command_id)
    return Command(name, command_id)


class Commands:
    """Obeys commands, each in a thread of its own; `answer` gets the JSON for their sender."""

    def __init__(self, actions: Mapping[str, Action], answer: Callable[[bytes], None]) -> None:
        self.names = sorted(actions)
        self.refused = 0
        """Messages that were no command, or one that couldn't be obeyed, since the start."""
        self._actions = actions
        self._answer = answer
        self._free = threading.Semaphore(AT_A_TIME)
        self._guard = threading.Lock()

    def take(self, payload: bytes) -> None:
        """Obey what has come, or refuse it. Returns at once."""
        try:
            command = read(payload)
        except BadCommand as bad:
            self._refuse(Command("", bad.id), str(bad))
            return
        action = self._actions.get(command.name)
        if action is None:
            known = ", ".join(self.names)
            self._refuse(command, f"there is no command '{command.name[:40]}' (there are: {known})")
        elif not self._free.acquire(blocking=False):
            self._refuse(command, f"{AT_A_TIME} commands are being obeyed already")
        else:
            threading.Thread(
                target=self._obey, args=(command, action), name="command", daemon=True
            ).start()

    def _obey(self, command: Command, action: Action) -> None:
        try:
            text = action()
        except (FedbedError, OSError) as error:
            self._refuse(command, str(error))
        else:
            log.info("command '%s': %s", command.name, text)
            self._tell(command, {"ok": True, "text": text})
        finally:
            self._free.release()

    def _refuse(self, command: Command, reason: str) -> None:
        with self._guard:
            self.refused += 1
        reason = printable(reason)
        log.warning("command refused: %s (%d so far)", reason, self.refused)
        self._tell(command, {"ok": False, "reason": reason, "refused_so_far": self.refused})

    def _tell(self, command: Command, outcome: Mapping[str, object]) -> None:
        said = {"id": command.id, "command": command.name[:40], **outcome}
        self._answer(json.dumps(said).encode())
