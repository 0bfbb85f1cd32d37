"""The colour of each class, the same in every picture."""

from __future__ import annotations

# Okabe and Ito's colours, told apart by all kinds of colour vision; the first is for what is
# nothing in particular.
_PALETTE = (
    "#d9d9d9", "#0072b2", "#e69f00", "#cc79a7", "#009e73", "#56b4e9", "#d55e00", "#f0e442",
    "#7f3c8d", "#666666",
)  # fmt: skip


def colour(number: int) -> str:
    """Return the colour of a class, #rrggbb; beyond the palette it begins anew, darker."""
    shade = 0.6 ** (number // len(_PALETTE))
    text = _PALETTE[number % len(_PALETTE)]
    return "#" + "".join(f"{int(int(text[i : i + 2], 16) * shade):02x}" for i in (1, 3, 5))
