"""Every error that fedbed shows to a person, with its exit code and its HTTP status.

    FedbedError                 1   500   anything below, or a fault of fedbed's own
    ├── UsageError              2   400   a wrong flag or argument
    ├── ExperimentError         3   422   an experiment file or Flower app that can't be run
    ├── DataError               4   424   a data set is missing, incomplete or corrupt
    ├── CoordinatorAway         5   503   the coordinator doesn't answer
    ├── PortInUse               6   409   another process listens there
    ├── NameTaken               7   409   another node holds this name, or this state folder
    ├── NodesMissing            8   409   fewer nodes than the run needs, for longer than it waits
    ├── RunFailed               9   500   the run started and could not finish
    ├── RequirementMissing     10   501   Python too old, or a package that isn't installed
    ├── PayloadError           11   422   bytes that are no valid model payload
    ├── Refused                12   403   the coordinator knows the request and says no
    ├── NotFound               13   404   no such run, node or blob
    ├── NotAdmitted            14   401   a token or key that is missing, wrong, expired or revoked
    ├── Untrusted              17   526   a TLS certificate that can't be trusted
    ├── Unhealthy              18   409   a check-up found what keeps a node from training
    └── CoordinatorAway's own kinds, which pass by themselves, so that nodes try again:
        ├── StorageFull        15   507   a disk is full
        └── TooBusy            16   429   more at a time, or a slower pace, than is allowed
    Interrupted               130         Ctrl-C

A message is one line: what is wrong, where, and what to do about it. Exit codes are stable.
Standard library only and Python 3.8: nodes import this module.
"""

from __future__ import annotations

from typing import Dict, List, Type


class FedbedError(Exception):
    """Base of all errors that a user may see; `str(error)` is one line."""

    exit_code = 1
    http_status = 500

    @property
    def code(self) -> str:
        """Stable name for programs: the class's own name."""
        return type(self).__name__


class UsageError(FedbedError):
    """A wrong flag or argument."""

    exit_code = 2
    http_status = 400


class ExperimentError(FedbedError):
    """The experiment file or the Flower app can't be run as written."""

    exit_code = 3
    http_status = 422


class DataError(FedbedError):
    """A data set is missing, incomplete or corrupt."""

    exit_code = 4
    http_status = 424


class CoordinatorAway(FedbedError):
    """The coordinator doesn't answer."""

    exit_code = 5
    http_status = 503


class PortInUse(FedbedError):
    """Another process listens on the wanted port."""

    exit_code = 6
    http_status = 409


class NameTaken(FedbedError):
    """Another node holds this name, or another process this state folder."""

    exit_code = 7
    http_status = 409


class NodesMissing(FedbedError):
    """Fewer nodes than the run needs, for longer than it waits."""

    exit_code = 8
    http_status = 409


class RunFailed(FedbedError):
    """The run started and could not finish."""

    exit_code = 9


class RequirementMissing(FedbedError):
    """Python is too old, or a package isn't installed."""

    exit_code = 10
    http_status = 501


class PayloadError(FedbedError):
    """Bytes that are no valid model payload: damaged, hostile, or of another format version.

    kind: what is wrong in a word, for the node's record (`coordinator.fleet.offences` lists them).
    """

    exit_code = 11
    http_status = 422

    def __init__(self, text: str, kind: str = "malformed") -> None:
        super().__init__(text)
        self.kind = kind


class Refused(FedbedError):
    """The coordinator understands the request and says no."""

    exit_code = 12
    http_status = 403


class NotFound(FedbedError):
    """No such run, node or blob."""

    exit_code = 13
    http_status = 404


class NotAdmitted(FedbedError):
    """Nobody is known by this token or key: it is missing, wrong, expired, used up or revoked."""

    exit_code = 14
    http_status = 401


class StorageFull(CoordinatorAway):
    """A disk is full; what was to be written is tried again when there is room."""

    exit_code = 15
    http_status = 507


class TooBusy(CoordinatorAway):
    """More at a time, or a slower pace, than is allowed; later it may be."""

    exit_code = 16
    http_status = 429


class Untrusted(FedbedError):
    """The other side's TLS certificate can't be trusted."""

    exit_code = 17
    http_status = 526


class Unhealthy(FedbedError):
    """A check-up found what keeps a node from training."""

    exit_code = 18
    http_status = 409


class Interrupted(FedbedError):
    """The user pressed Ctrl-C."""

    exit_code = 130
    http_status = 499


def _tree(cls: Type[FedbedError]) -> List[Type[FedbedError]]:
    found = [cls]
    for child in cls.__subclasses__():
        found.extend(_tree(child))
    return found


def by_code() -> Dict[str, Type[FedbedError]]:
    """Map stable names to classes, to raise again on this side what the coordinator answered."""
    return {cls.__name__: cls for cls in _tree(FedbedError)}
