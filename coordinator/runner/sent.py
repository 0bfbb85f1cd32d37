"""Arrays that went out to nodes, and how their answers are read back in terms of the model itself.

What a node learnt is its answer less what it was sent, and that is added to the model that was to
be sent. So what a lossy way down rounds off never builds up in the model, as in training with
half-precision weights and a full-precision master copy (arXiv 1710.03740).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedbed import codec
from fedbed.link.messages import BlobRef

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Sent:
    """One record of arrays in a blob.

    reference: the model itself, under the blob's hash: what differences are added to.
    lost: per array that the way down changed, what the node didn't get: for whole answers.
    """

    blob: BlobRef
    reference: codec.Reference
    lost: Arrays

    @classmethod
    def of(cls, blob: BlobRef, arrays: Arrays, got: Arrays) -> Sent:
        """Describe `arrays` that a node reads from `blob` as `got`."""
        lost = {
            name: array - got[name]
            for name, array in arrays.items()
            if not np.array_equal(array, got[name], equal_nan=array.dtype.kind in "fc")
        }
        return cls(blob, codec.Reference(arrays, blob.sha256), lost)
