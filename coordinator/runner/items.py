"""From Flower messages to work items: records, and their arrays as blobs."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import ArrayRecord, Message

from coordinator.runner.exchanges import Participant
from coordinator.runner.policy import APP_MAX_BYTES, Policy, max_bytes
from coordinator.store.blobs import BlobStore
from fedbed import codec, flower
from fedbed.link import records
from fedbed.link.messages import AppRef, BlobRef, DataRef, Record, WorkItem


class ItemMaker:
    """Makes one run's work items. Each distinct content is encoded once per exchange."""

    def __init__(
        self, run_id: str, partitions: int, policy: Policy, app: AppRef, blobs: BlobStore
    ) -> None:
        self.run_id = run_id
        self.partitions = partitions
        self._policy = policy
        self._app = app
        self._blobs = blobs
        self._compressor = "zlib"
        self._encoded: dict[int, BlobRef] = {}
        self._models: list[str] = []
        self.data: dict[int, DataRef] = {}
        """Native tasks: each partition's samples."""
        self.expect: list[codec.ArraySpec] | None = None
        """Native tasks: the arrays that a training reply must hold."""

    def choose_compressor(self, participants: Iterable[Participant]) -> None:
        """Take the best compressor that everybody has: a blob is encoded once for all."""
        everybody = list(participants)
        for name in codec.compressors():
            if all(name in participant.compressors for participant in everybody):
                self._compressor = name
                return

    def begin(self) -> None:
        """Begin an exchange: what an earlier one held in memory may be gone."""
        self._encoded.clear()

    def make(self, item_id: str, server_round: int, message: Message) -> WorkItem:
        """Return the work item that carries `message`."""
        arrays, metrics, config = flower.split_records(message.content)
        parts = [Record(name, "arrays", blob=self._blob(record)) for name, record in arrays.items()]
        parts += [Record(n, "metrics", values=records.pack(v)) for n, v in metrics.items()]
        parts += [Record(n, "config", values=records.pack(v)) for n, v in config.items()]
        metadata = message.metadata
        partition = metadata.dst_node_id - 1
        return WorkItem(
            id=item_id,
            run=self.run_id,
            round=server_round,
            kind=metadata.message_type,
            app=self._app,
            partition=partition,
            partitions=self.partitions,
            records=parts,
            codec=self._policy.up,
            compressor="zlib",
            max_bytes=APP_MAX_BYTES if self.expect is None else max_bytes(self.expect),
            data=self.data.get(partition),
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

    def forget_models(self) -> None:
        """Remove the models that no node will ask for again: all but the newest."""
        for sha256 in self._models[:-1]:
            self._blobs.remove(sha256)
        del self._models[:-1]

    def _blob(self, record: ArrayRecord) -> BlobRef:
        known = self._encoded.get(id(record))
        if known is None:
            arrays = flower.ndarrays_of(record)
            known = self._blobs.put(codec.encode(arrays, self._policy.down, self._compressor))
            self._encoded[id(record)] = known
            if known.sha256 in self._models:
                self._models.remove(known.sha256)
            self._models.append(known.sha256)
        return known
