"""From Flower messages to work items: records, and their arrays as blobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from flwr.app import ArrayRecord, Message

from coordinator.runner.adversaries import Adversaries
from coordinator.runner.exchanges import Participant
from coordinator.runner.policy import APP_MAX_BYTES, Policy, max_bytes
from coordinator.runner.sent import Sent
from coordinator.runner.stragglers import Stragglers
from coordinator.store.blobs import BlobStore
from fedbed import codec, flower
from fedbed.link import records
from fedbed.link.messages import AppRef, DataRef, Record, WorkItem


class ItemMaker:
    """Makes one run's work items. Each distinct content is encoded once per exchange.

    seed: of what the codec rounds by chance.
    """

    def __init__(
        self,
        run_id: str,
        partitions: int,
        policy: Policy,
        app: AppRef,
        blobs: BlobStore,
        seed: int = 0,
    ) -> None:
        self.run_id = run_id
        self.partitions = partitions
        self._policy = policy
        self._app = app
        self._blobs = blobs
        self._seed = seed
        self._compressor = "zlib"
        self._down = codec.LOSSLESS
        self._exchange = 0
        self._version: int | None = None
        self._encoded: dict[int, tuple[ArrayRecord, Sent]] = {}
        """By the record's `id`; with the record, so that no other comes to have that."""
        self._models: list[str] = []
        self.data: dict[int, DataRef] = {}
        """Native tasks: each partition's samples."""
        self.expect: list[codec.ArraySpec] | None = None
        """Native tasks: the arrays that a training reply must hold."""
        self.adversaries: Adversaries | None = None
        """Native tasks: who falsifies updates, if anybody."""
        self.stragglers: Stragglers | None = None
        """Native tasks: who is slowed down, if anybody."""

    def agree(self, participants: Iterable[Participant]) -> list[str]:
        """Settle on what all participants can read, as a blob is encoded once for all.

        Takes the best compressor that everybody has, and the profile that the policy wants if
        everybody knows it. Returns a sentence for each wish that can't be met.
        """
        everybody = list(participants)
        for name in codec.compressors():
            if all(name in participant.compressors for participant in everybody):
                self._compressor = name
                break
        up, down = self._policy.up, self._policy.down
        unread = sorted({p.host or p.name for p in everybody if down not in p.codecs})
        unwritten = sorted({p.host or p.name for p in everybody if up not in p.codecs})
        self._down = codec.LOSSLESS if unread else down
        said = []
        if unread:
            said.append(f"models go down as '{codec.LOSSLESS}': {_knows_no(unread, down)}")
        if unwritten:
            said.append(f"{_knows_no(unwritten, up)}: updates of theirs come as '{codec.LOSSLESS}'")
        return said

    def begin(self, exchange: int, version: int | None = None) -> None:
        """Begin the run's `exchange`-th exchange: what earlier ones sent is let go of.

        version: number of the model that it sends, where exchanges overlap: one that the exchange
        before sent too isn't encoded again, and is rounded alike whichever exchange sends it.
        """
        if version is None or version != self._version:
            self._encoded = {}
        self._exchange, self._version = exchange, version

    def make(
        self, item_id: str, server_round: int, message: Message
    ) -> tuple[WorkItem, dict[str, Sent]]:
        """Return the work item that carries `message`, and its records of arrays by name."""
        arrays, metrics, config = flower.split_records(message.content)
        sent = {name: self._send(record) for name, record in arrays.items()}
        parts = [Record(name, "arrays", blob=going.blob) for name, going in sent.items()]
        parts += [Record(n, "metrics", values=records.pack(v)) for n, v in metrics.items()]
        parts += [Record(n, "config", values=records.pack(v)) for n, v in config.items()]
        metadata = message.metadata
        partition = metadata.dst_node_id - 1
        drawn = rounding_seed(self._seed, self._exchange, partition)
        poison = None
        if self.adversaries is not None and metadata.message_type == "train":
            poison = self.adversaries.poison(partition, drawn)
        slowed = None
        if self.stragglers is not None and metadata.message_type == "train":
            slowed = self.stragglers.factor(partition)
        item = WorkItem(
            id=item_id,
            run=self.run_id,
            round=server_round,
            kind=metadata.message_type,
            app=self._app,
            partition=partition,
            partitions=self.partitions,
            records=parts,
            codec=self._policy.up,
            codec_seed=drawn,
            compressor="zlib",
            max_bytes=APP_MAX_BYTES if self.expect is None else max_bytes(self.expect),
            data=self.data.get(partition),
            poison=poison,
            slowed=slowed,
            message={
                "run_id": metadata.run_id,
                "message_id": metadata.message_id,
                "dst_node_id": metadata.dst_node_id,
                "group_id": metadata.group_id,
                "created_at": metadata.created_at,
                "ttl": metadata.ttl,
                "message_type": metadata.message_type,
            },
        )
        return item, sent

    def forget_models(self, needed: Collection[str] = ()) -> None:
        """Remove the models that no node will ask for again: all but the newest.

        needed: hashes of those that nodes are still asked to train on.
        """
        kept = {*self._models[-1:], *needed}
        for sha256 in self._models:
            if sha256 not in kept:
                self._blobs.remove(sha256)
        self._models = [sha256 for sha256 in self._models if sha256 in kept]

    def _send(self, record: ArrayRecord) -> Sent:
        known = self._encoded.get(id(record))
        if known is None:
            arrays = flower.views_of(record)
            drawn_by = self._exchange if self._version is None else self._version
            rounding = rounding_seed(self._seed, drawn_by, self.partitions)
            data = codec.encode(arrays, self._down, self._compressor, seed=rounding)
            blob = self._blobs.put(data)
            got = codec.decode(data) if codec.PROFILES[self._down].lossy else arrays
            known = self._encoded[id(record)] = record, Sent.of(blob, arrays, got)
            if blob.sha256 in self._models:
                self._models.remove(blob.sha256)
            self._models.append(blob.sha256)
        return known[1]


def rounding_seed(seed: int, exchange: int, partition: int) -> int:
    """Return the codec's seed for a node's answer, below 2**63: the same in a repeated run.

    The number of partitions stands for the coordinator.
    """
    state = np.random.SeedSequence((seed, exchange, partition)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _knows_no(names: list[str], profile: str) -> str:
    who = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{who} {'knows' if len(names) == 1 else 'know'} no codec profile '{profile}'"
