"""Arrays of a model to bytes and back, for the link between node and coordinator.

`fedbed.codec.format` describes the bytes. numpy is all it needs; zstandard is used where present.
"""

from fedbed.codec.compress import compressors
from fedbed.codec.difference import Reference
from fedbed.codec.encoder import encode
from fedbed.codec.format import DEFAULT_MAX_BYTES
from fedbed.codec.items import fingerprint
from fedbed.codec.payload import Payload, decode
from fedbed.codec.profiles import LOSSLESS, PROFILES, Profile
from fedbed.codec.spec import ArraySpec

__all__ = [
    "DEFAULT_MAX_BYTES",
    "LOSSLESS",
    "PROFILES",
    "ArraySpec",
    "Payload",
    "Profile",
    "Reference",
    "compressors",
    "decode",
    "encode",
    "fingerprint",
]
