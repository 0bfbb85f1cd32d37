"""Arrays of a model to bytes and back, for the link between node and coordinator.

`fedbed.codec.format` describes the bytes. numpy is all it needs; zstandard is used where present.
"""

from fedbed.codec.compress import compressors
from fedbed.codec.encoder import PROFILES, encode
from fedbed.codec.format import DEFAULT_MAX_BYTES, ArraySpec
from fedbed.codec.payload import Payload, decode

__all__ = [
    "DEFAULT_MAX_BYTES",
    "PROFILES",
    "ArraySpec",
    "Payload",
    "compressors",
    "decode",
    "encode",
]
