"""fedbed: a federated-learning testbed for edge devices."""

__version__ = "0.1.0"
