"""EdgeGrid: Flower's Grid over our link. Messages go out as work items, replies come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from coordinator.runner.channel import Channel, Inbox
from coordinator.runner.exchanges import Exchanged, Outgoing, Participant
from coordinator.runner.items import ItemMaker
from coordinator.runner.kept import KeptArrays
from coordinator.runner.policy import Policy
from coordinator.runner.replies import Reply, materialise, misfits
from coordinator.runner.screen import Complaint
from coordinator.runner.screening import Screening
from fedbed import flower
from fedbed.errors import NodesMissing, PayloadError, RunFailed, by_code
from fedbed.link.messages import unparse


class EdgeGrid(Grid):
    """One run's Grid. A participant's Flower id is its partition plus one."""

    def __init__(self, channel: Channel, number: int, policy: Policy, items: ItemMaker) -> None:
        self._channel = channel
        self._run = flower.empty_run(number)
        self._partitions = items.partitions
        self._policy = policy
        self._items = items
        self._guard = threading.Lock()
        self._short_since: float | None = None
        self._away = ""
        """Who was missing when it was last asked who is there."""
        self._pushed: dict[str, Outgoing] = {}
        self._said: set[str] = set()
        """Compromises with nodes that watchers know of."""
        self.screening: Screening | None = None
        self._kept = KeptArrays()
        """Native tasks: what is believed of what nodes send."""
        self.lazy = False
        """Whether replies may decode lazily: only where they are used up before the next round."""
        self.first_try_s: float | None = None
        """Time limit of the next exchange's first try, where it is shorter than its own."""
        self.exchanges = 0
        """Number of exchanges so far; part of each work item's id, so it is checkpointed."""
        self.round = 0
        self.participants: dict[int, Participant] = {}
        self.offered: Sequence[int] | None = None
        """The partitions that `get_node_ids` offers, where somebody has selected; else all."""
        self.log: list[Exchanged] = []
        """Exchanges since the driver last emptied it."""
        self.bytes_up = 0
        self.bytes_down = 0

    def set_run(self, run: Run) -> None:
        """Take over flwr's description of the run."""
        self._run = run

    @property
    def run(self) -> Run:
        """Flwr's description of the run."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message (flwr has deprecated this in favour of the constructor)."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """Return who can take part, in order, or who was selected; waits as `available` does.

        Raises NodesMissing also when a strategy keeps asking because it wants more than there are:
        flwr itself would wait for ever.
        """
        if self.offered is None:
            nodes = [node.partition for node in self.available()]
            what = f"nodes that are there (missing: {self._away})"
        else:
            nodes, what = list(self.offered), "nodes that were selected"
        now = time.monotonic()
        if self._short_since is None:
            self._short_since = now
        elif now - self._short_since > self._policy.nodes_timeout_s:
            raise NodesMissing(
                f"the strategy wants more than the {len(nodes)} {what}: "
                "lower its min_available_nodes or min_train_nodes, or add nodes"
            )
        return [partition + 1 for partition in nodes]

    def available(self, everybody: bool = False) -> list[Participant]:
        """Return the nodes that can take part, by partition; waits within the policy's limits.

        everybody: wait for all of the run's nodes, not just for a quorum, and do with those that
        came. Raises NodesMissing when fewer than a quorum is there in time.
        """
        policy = self._policy
        answer = self._channel.ask(
            "nodes",
            at_least=self._partitions if everybody else policy.least(self._partitions),
            grace_s=policy.rejoin_grace_s,
            timeout_s=policy.nodes_timeout_s,
        )
        nodes = answer["nodes"]
        self._away = ", ".join(answer["away"]) or "nobody is known to be away"
        if len(nodes) < policy.least(self._partitions):
            raise NodesMissing(
                f"{len(nodes)} of {self._partitions} nodes are there, "
                f"{policy.least(self._partitions)} are needed (missing: {self._away}); "
                f"waited {policy.nodes_timeout_s:.0f} s"
            )
        self._meet(nodes)
        return [self.participants[int(node["partition"])] for node in nodes]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Exchange messages with nodes; replies come in node order, errors for those missing.

        Without a quorum the same items are put out again, `attempts` times in all; after that
        NodesMissing ends the run, whose last checkpoint stays.
        """
        sent = list(messages)
        if not sent:
            return []
        outgoing = self._prepare(sent, timeout)
        deadline_s = outgoing.limit_s
        if self.first_try_s is not None:
            outgoing.limit_s = min(deadline_s, self.first_try_s)
        for attempt in range(1, self._policy.attempts + 1):
            self._send(outgoing)
            quorum_met = self._collect(outgoing)
            if quorum_met:
                break
            if outgoing.all_failed():
                raise RunFailed(
                    f"{outgoing.label}: every node failed: {outgoing.excuses()} (the nodes' "
                    "worker.log tells more)"
                )
            text = (
                f"{outgoing.label}: {len(outgoing.replies)} of {len(sent)} updates came, "
                f"{self._policy.least(len(sent))} are needed"
            )
            if attempt == self._policy.attempts:
                raise NodesMissing(
                    f"{text}, after {attempt} attempts ({outgoing.excuses()}); what earlier "
                    "rounds learned is kept"
                )
            self._channel.publish("event", f"{text}: trying again ({attempt})")
            # What was too short once would be so again.
            outgoing.limit_s = deadline_s
        return self._finish(outgoing)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages without waiting; `pull_messages` gets the replies."""
        sent = list(messages)
        if not sent:
            return []
        outgoing = self._prepare(sent, None)
        self._send(outgoing)
        ids = [message.metadata.message_id for message in sent]
        with self._guard:
            self._pushed.update(dict.fromkeys(ids, outgoing))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies that have come for these ids; each is returned once."""
        found: list[Message] = []
        for message_id in message_ids:
            outgoing = self._pushed.get(message_id)
            if outgoing is None:
                continue
            self._take_in(outgoing, wait=False)
            message = outgoing.by_message[message_id]
            partition = message.metadata.dst_node_id - 1
            reply = outgoing.replies.get(partition)
            if reply is None and not outgoing.closed:
                continue
            found.append(self._answer(outgoing, partition))
            if reply is not None:
                reply.close()
            del self._pushed[message_id]
        return found

    def take_files(self, needed: Collection[str] = ()) -> list[Path]:
        """The round is over: return the files of its results, and remove older models.

        The files are needed no more once the round's checkpoint is on disk. needed: hashes of
        older models that nodes still train on.
        """
        self._kept.clear()
        files = [file for exchanged in self.log for file in exchanged.files]
        self.log.clear()
        self._items.forget_models(needed)
        return files

    def _meet(self, nodes: list[dict[str, Any]]) -> None:
        """Note who the nodes are, and tell watchers what not all of them can do."""
        with self._guard:
            for node in nodes:
                self.participants[int(node["partition"])] = Participant.of(node)
            compromises = self._items.agree(self.participants.values())
        for text in compromises:
            if text not in self._said:
                self._said.add(text)
                self._channel.publish("event", text)

    def _prepare(self, sent: list[Message], timeout: float | None) -> Outgoing:
        with self._guard:
            self._short_since = None
            self.exchanges += 1
            number = self.exchanges
        return self._make(sent, timeout, number)

    def _make(
        self,
        sent: list[Message],
        timeout: float | None,
        number: int,
        version: int | None = None,
    ) -> Outgoing:
        """Make the items of the exchange of that number; see `ItemMaker.begin` for `version`."""
        kind = sent[0].metadata.message_type
        what = "training" if kind.startswith("train") else kind
        label = f"round {self.round}: {what}" if self.round else what
        deadline = self._policy.deadline_s
        if timeout is not None:
            deadline = min(deadline, timeout)
        began = time.monotonic()
        outgoing = Outgoing(f"{self._items.run_id}.{number:06d}", label, kind, deadline, began)
        self._items.begin(number, version)
        for message in sent:
            partition = message.metadata.dst_node_id - 1
            item_id = f"{outgoing.window}.{partition}"
            flower.assign_message_id(message, item_id)
            outgoing.messages[partition] = message
            outgoing.by_message[item_id] = message
            item, outgoing.sent[partition] = self._items.make(item_id, self.round, message)
            outgoing.items.append(item)
        outgoing.encode_s = time.monotonic() - began
        return outgoing

    def _send(
        self, outgoing: Outgoing, inbox: Inbox | None = None, quorum: int | None = None
    ) -> None:
        """Put the items out. inbox: where the answers come; quorum: if not the policy's."""
        asked = len(outgoing.items)
        is_training = outgoing.kind == "train"
        specs = self._items.expect if is_training else None
        self._channel.open_window(outgoing.window, inbox)
        outgoing.closed = False
        outgoing.missing.clear()
        outgoing.replies.clear()
        outgoing.norms.clear()
        self._channel.tell(
            "send",
            window=outgoing.window,
            label=outgoing.label,
            items=[unparse(item) for item in outgoing.items],
            quorum=self._policy.least(asked) if quorum is None else quorum,
            enough=self._policy.enough(asked) if is_training else asked,
            deadline_s=outgoing.limit_s,
            pace=self._policy.paced(asked) if is_training else None,
            rejoin_grace_s=self._policy.rejoin_grace_s,
            retries=self._policy.retries,
            expect=None if specs is None else [[s.name, s.dtype, list(s.shape)] for s in specs],
            finite=specs is not None,
        )

    def _collect(self, outgoing: Outgoing) -> bool:
        """Wait until the exchange has closed; returns whether its quorum was met."""
        self._take_in(outgoing, wait=True)
        return outgoing.quorum_met and bool(outgoing.replies)

    def _take_in(self, outgoing: Outgoing, wait: bool) -> None:
        came = 0
        while not outgoing.closed:
            event = self._channel.receive_now(outgoing.window)
            if event is None:
                # Nothing more is at hand: time to tell those who watch.
                if came:
                    self._tell_traffic()
                    came = 0
                if not wait:
                    return
                event = self._channel.receive(outgoing.window)
            self._take_event(outgoing, event)
            came += event["event"] == "reply"

    def _take_event(self, outgoing: Outgoing, event: dict[str, Any]) -> None:
        """Take in what the coordinator says of an exchange."""
        if event["event"] == "reply":
            self._take_reply(outgoing, event)
        elif event["event"] == "again":
            self._note_retry(outgoing, event)
        elif event["event"] == "closed":
            outgoing.close(event)
            self._channel.close_window(outgoing.window)
            self._tell_traffic()
        else:
            raise by_code()[event["code"]](event["detail"])

    def _take_reply(self, outgoing: Outgoing, event: dict[str, Any]) -> None:
        partition = int(event["item"].rsplit(".", 1)[1])
        reply = Reply(
            partition, Path(event["file"]), event["bytes"], event["upload_s"], kept=self._kept
        )
        reply.open()
        outgoing.arrived(reply)
        if self.screening is not None and outgoing.kind == "train":
            self.screening.measure(outgoing, reply)
        self.bytes_up += reply.size
        self.bytes_down += int(reply.meta["timeline"]["bytes_down"])

    def _note_retry(self, outgoing: Outgoing, event: dict[str, Any]) -> None:
        """A node could not do its part, and tries again."""
        partition = int(event["item"].rsplit(".", 1)[1])
        outgoing.retried.append((partition, str(event["reason"])))
        outgoing.bytes_lost += int(event["bytes_down"])
        self.bytes_down += int(event["bytes_down"])
        name = self.participants[partition].name
        text = f"{outgoing.label}: {name} tries again: {event['reason']}"
        self._channel.publish("fault", text)

    def _tell_traffic(self) -> None:
        self._channel.publish("traffic", {"up": self.bytes_up, "down": self.bytes_down})

    def _finish(self, outgoing: Outgoing) -> list[Message]:
        """Turn what came into messages in node order, and what didn't into error replies."""
        partitions = sorted(outgoing.messages)
        answers = {partition: self._answer(outgoing, partition) for partition in partitions}
        found = misfits(list(answers.values()))
        self._refuse(outgoing, answers, {partitions[at]: why for at, why in found.items()})
        if self.screening is not None:
            findings = self.screening.look(answers, outgoing)
            self._refuse(outgoing, answers, findings.refused)
            outgoing.bounded, outgoing.usual_norm = findings.bounded, findings.usual_norm
        self._say(outgoing)
        self.log.append(outgoing.exchanged(time.monotonic(), self.participants))
        return list(answers.values())

    def _refuse(
        self, outgoing: Outgoing, answers: dict[int, Message], found: dict[int, Complaint]
    ) -> None:
        for partition, complaint in found.items():
            outgoing.refuse(partition, complaint)
            message = outgoing.messages[partition]
            answers[partition] = flower.error_reply(message, outgoing.excuse(message))

    def _say(self, outgoing: Outgoing) -> None:
        """Tell watchers who is missing and who counts for less, and the nodes' records why."""
        said = {**outgoing.missing, **outgoing.bounded_texts()}
        for partition, reason in sorted(said.items()):
            name = self.participants[partition].name
            without = "without " if partition in outgoing.missing else ""
            self._channel.publish("fault", f"{outgoing.label}: {without}{name}: {reason}")
        for note in outgoing.notes(of_task=self.screening is not None):
            self._channel.tell("refused", **note)

    def _answer(self, outgoing: Outgoing, partition: int) -> Message:
        """Return a node's reply, or the error reply that stands for it."""
        message = outgoing.messages[partition]
        reply = outgoing.replies.get(partition)
        if reply is not None:
            wrong = self._complaint(outgoing, reply)
            try:
                if wrong is None:
                    content = reply.content(outgoing.sent[partition])
                    return flower.reply(message, content if self.lazy else materialise(content))
            except PayloadError as error:
                wrong = Complaint(error.kind, str(error))
            outgoing.refuse(partition, wrong)
        outgoing.missing.setdefault(partition, "")
        return flower.error_reply(message, outgoing.excuse(message))

    def _complaint(self, outgoing: Outgoing, reply: Reply) -> Complaint | None:
        if self.screening is None:
            return None
        return self.screening.complaint(reply, outgoing.kind == "train")
