"""The profiles: what each one does to the arrays that it may lose a part of."""

from __future__ import annotations

from typing import Dict, NamedTuple

from fedbed.codec.spec import ArraySpec

LOSSY_ITEMS = 4096
LOSSLESS = "exact"
"""What every agent can read and write, and what stands in for a profile that doesn't fit."""


class Profile(NamedTuple):
    """What a caller must know of a profile.

    `lossy`: decoded values differ from those given. `wants_reference`: it is made for the
    difference to a model that both sides hold, and does badly on the model itself.
    `leaves_residual`: what it leaves out is for the next encoding to add.
    """

    lossy: bool
    wants_reference: bool
    leaves_residual: bool = False


PROFILES: Dict[str, Profile] = {
    "raw": Profile(lossy=False, wants_reference=False),
    "exact": Profile(lossy=False, wants_reference=False),
    "bf16": Profile(lossy=True, wants_reference=True),
    "int8": Profile(lossy=True, wants_reference=True),
    "small": Profile(lossy=True, wants_reference=True, leaves_residual=True),
}
"""`raw`: the items as they are. `exact`: the same bits, in fewer bytes where that pays. `bf16`,
`int8`, `small`: float32 arrays of `LOSSY_ITEMS` items and more lose precision, others go as in
`exact`; see `docs/payload.md`."""


def loses(profile: str, spec: ArraySpec) -> bool:
    """Return whether `profile` stores such an array inexactly.

    Short arrays go exactly: together they are a small part of a model, and the running
    variances of normalisation are among them, which an error could make negative. float64 goes
    exactly too: training makes float32, and who sends more asks for the precision.
    """
    large = spec.dtype == "float32" and spec.nbytes >= 4 * LOSSY_ITEMS
    return PROFILES[profile].lossy and large
