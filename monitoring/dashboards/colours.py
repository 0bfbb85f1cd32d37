"""How states are called and coloured: the same everywhere."""

from __future__ import annotations

FLEET_STATES = {
    "join": ("joining", "light-blue"),
    "ready": ("ready", "blue"),
    "training": ("training", "green"),
    "update": ("uploading", "purple"),
    "finish": ("done for this round", "dark-green"),
    "drained": ("drained", "orange"),
    "offline": ("offline", "red"),
}
"""Of a node, as the coordinator derives them."""

NODE_STATES = {
    "idle": ("idle", "blue"),
    "downloading": ("downloading", "light-blue"),
    "training": ("training", "green"),
    "uploading": ("uploading", "purple"),
    "draining": ("draining", "orange"),
    "offline": ("offline", "red"),
}
"""Of a node, as it says itself."""

PHASES = {
    "wait": ("waiting", "#808080"),
    "download": ("downloading", "light-blue"),
    "train": ("training", "green"),
    "test": ("testing", "yellow"),
    "upload": ("uploading", "purple"),
    "idle": ("idle", "transparent"),
}
"""Of a node's part of a round."""

RUN_STATES = {
    "waiting": ("waiting", "orange"),
    "running": ("running", "green"),
    "finished": ("finished", "blue"),
    "failed": ("failed", "red"),
    "stopped": ("stopped", "purple"),
}

FLAG = {"true": ("yes", "red"), "false": ("no", "green")}
"""Of what should not be: throttled, undervoltage."""
