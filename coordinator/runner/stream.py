"""The Grid where nodes don't wait for each other: one exchange per node, many under way at once."""

from __future__ import annotations

import queue
from dataclasses import dataclass

from flwr.app import Message

from coordinator.runner.channel import Channel, Inbox
from coordinator.runner.exchanges import Exchanged, Outgoing
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.items import ItemMaker
from coordinator.runner.policy import Policy


@dataclass(frozen=True)
class There:
    """These nodes are there now."""

    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Ended:
    """A node's exchange is over.

    answer: the reply, or the error reply that stands for it; `why` then says the reason. failed:
    whether the node was there and didn't do what it was asked; otherwise it was lost, or removed.
    """

    partition: int
    answer: Message
    exchanged: Exchanged
    why: str
    failed: bool


class StreamGrid(EdgeGrid):
    """An EdgeGrid that sends messages one by one and waits for whichever answer comes first."""

    def __init__(self, channel: Channel, number: int, policy: Policy, items: ItemMaker) -> None:
        super().__init__(channel, number, policy, items)
        self._inbox: Inbox = queue.Queue()
        self._open: dict[str, Outgoing] = {}
        self._watch = f"{items.run_id}.nodes"

    @property
    def partitions(self) -> int:
        """Number of the run's partitions."""
        return self._partitions

    @property
    def attempts(self) -> int:
        """How often what fails on every node is tried before the run fails."""
        return self._policy.attempts

    def watch(self) -> None:
        """Ask who is there: `next` returns it at once, and whenever it changes."""
        self._channel.open_window(self._watch, self._inbox)
        self._channel.tell("watch", window=self._watch)

    def post(self, message: Message, number: int, version: int, timeout: float) -> None:
        """Send a message, whose model is `version`, as the exchange of that number.

        The same message under the same number is answered with what its node has sent already, if
        it has: also after a restart. The exchange ends with the node's answer, when it has failed
        for good, was lost for longer than the policy's grace, or after `timeout` seconds.
        """
        self.round = version + 1
        outgoing = self._make([message], timeout, number, version)
        self._open[outgoing.window] = outgoing
        # With a quorum of none, an exchange doesn't stay open for a lost node.
        self._send(outgoing, self._inbox, quorum=0)

    def next(self) -> There | Ended:
        """Wait for the next thing to happen; RunStopped if the run was stopped."""
        while True:
            event = self._channel.receive_any(self._inbox)
            if event["window"] == self._watch:
                self._meet(event["nodes"])
                return There(tuple(int(node["partition"]) for node in event["nodes"]))
            outgoing = self._open.get(event["window"])
            if outgoing is None:
                continue
            self._take_event(outgoing, event)
            if outgoing.closed:
                del self._open[outgoing.window]
                return self._ended(outgoing)

    def withdraw(self) -> None:
        """End all exchanges that are under way: their answers are wanted no more."""
        self._channel.tell("withdraw", windows=list(self._open))
        for window in self._open:
            self._channel.close_window(window)
        self._open.clear()

    def models_out(self) -> set[str]:
        """Hashes of the models that nodes are at work on."""
        return {
            sent.blob.sha256
            for outgoing in self._open.values()
            for records in outgoing.sent.values()
            for sent in records.values()
        }

    def _ended(self, outgoing: Outgoing) -> Ended:
        (answer,) = self._finish(outgoing)
        (partition,) = outgoing.messages
        why = "" if answer.has_content() else outgoing.excuse(outgoing.messages[partition])
        # What came and was refused is as much a failure as one that the node tells of itself.
        failed = bool(outgoing.failed or outgoing.refused or outgoing.reason == "deadline")
        return Ended(partition, answer, self.log[-1], why, failed and bool(why))
