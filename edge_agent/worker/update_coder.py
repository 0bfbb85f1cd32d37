"""The node's half of the codec: which profile an answer's arrays take, and what they leave out."""

from __future__ import annotations

import logging
from typing import Any, Dict, Mapping, MutableMapping

import numpy as np

from edge_agent.residuals import Residuals
from fedbed import codec
from fedbed.errors import PayloadError
from fedbed.link.messages import WorkItem

log = logging.getLogger("fedbed.worker")
Arrays = Mapping[str, "np.ndarray[Any, Any]"]
Residual = MutableMapping[str, "np.ndarray[Any, np.dtype[np.float32]]"]

RESIDUAL_PROFILE = "bf16"
"""A residual is kept to 2**-9 of its value, which saves the node's flash half of the writing."""


class UpdateCoder:
    """Encodes the arrays of one work item's answer. `encode` each record, then `finish`.

    sent: the records of arrays that came with the item, by name. PayloadError for a profile that
    this version doesn't know.
    """

    def __init__(
        self, item: WorkItem, sent: Mapping[str, codec.Reference], residuals: Residuals
    ) -> None:
        if item.codec not in codec.PROFILES:
            raise PayloadError(f"this node knows no codec profile '{item.codec}': update its agent")
        self._item = item
        self._sent = sent
        self._residuals = residuals
        self._profile = codec.PROFILES[item.codec]
        self._held = self._read() if self._profile.leaves_residual else {}
        self._left: Dict[str, np.ndarray[Any, Any]] = {}

    def encode(self, record: str, arrays: Arrays) -> bytes:
        """Return the payload of a record of the answer.

        A lossy profile stores the difference to the record of the same name that was sent. What
        has no such counterpart, of the same arrays in the same shapes, is no update of a model:
        it travels exactly.
        """
        item = self._item
        reference = self._sent.get(record)
        if not self._profile.lossy:
            return codec.encode(arrays, item.codec, item.compressor)
        if reference is None or not reference.fits(arrays):
            return codec.encode(arrays, codec.LOSSLESS, item.compressor)
        residual = self._residual(record, arrays)
        data = codec.encode(
            arrays, item.codec, item.compressor, reference, residual, item.codec_seed
        )
        self._left.update({f"{record}/{name}": left for name, left in residual.items()})
        return data

    def finish(self) -> None:
        """Keep what the answer leaves out, before anybody sees the answer."""
        if self._left:
            data = codec.encode(self._left, RESIDUAL_PROFILE, self._item.compressor)
            self._residuals.keep(self._item.id, data)

    def _residual(self, record: str, arrays: Arrays) -> Residual:
        prefix = f"{record}/"
        held = {k[len(prefix) :]: v for k, v in self._held.items() if k.startswith(prefix)}
        return {
            name: left
            for name, left in held.items()
            if name in arrays and arrays[name].shape == left.shape
        }

    def _read(self) -> Dict[str, np.ndarray[Any, Any]]:
        path = self._residuals.before(self._item.id)
        if path is None:
            return {}
        try:
            return codec.decode(path.read_bytes())
        except (PayloadError, OSError) as error:
            log.warning("what earlier updates left out is lost: %s", error)
            return {}
