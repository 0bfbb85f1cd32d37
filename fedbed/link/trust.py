"""Which coordinator a client trusts, and what to say where it can't.

Standard library only, Python 3.8: nodes use this.
"""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

from fedbed.errors import CoordinatorAway, FedbedError, Untrusted, UsageError

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL (from 1.1.0), which Python's `ssl` doesn't name."""
_NOT_YET_VALID, _EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 9, 10, 62, 64
"""X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH."""
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""What OpenSSL's versions say when the answer to their greeting is plain HTTP."""


@dataclass(frozen=True)
class Peer:
    """How errors name the other side, its protocol without and with TLS, and the flags for it."""

    name: str
    plain: str
    secure: str
    address_flag: str
    ca_flag: str


COORDINATOR = Peer("coordinator", "http", "https", "--coordinator", "--ca")
BROKER = Peer("broker", "mqtt", "mqtts", "--broker", "--broker-ca")


def context(
    ca: Optional[Path] = None, dates: bool = True, peer: Peer = COORDINATOR
) -> ssl.SSLContext:
    """Return a context that trusts the CAs of the file `ca` alone, or else the system's.

    Host names are checked in either case; dates unless `dates` is False, for machines without a
    clock of their own (docs/decisions/007). UsageError if the file holds no certificate.
    """
    if ca is None:
        return ssl.create_default_context()
    try:
        trusting = ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError as error:
        raise UsageError(
            f"{peer.ca_flag}: '{ca}' holds no certificate: give the ca.pem that `fedbed ca make` "
            "made"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{peer.ca_flag}: '{ca}' can't be read ({reason})") from error
    if not dates:
        trusting.verify_flags |= NO_CHECK_TIME
    return trusting


def pinned(flag: Optional[Path], url: str) -> Optional[Path]:
    """Return the file of the CA to trust at `url`: what --ca names, or else $FEDBED_CA.

    UsageError if it holds no certificate, or if --ca is given for an address without TLS.
    """
    given = flag or (Path(os.environ["FEDBED_CA"]) if os.environ.get("FEDBED_CA") else None)
    if given is None:
        return None
    if urlsplit(url).scheme != "https":
        if flag is not None:
            raise UsageError(
                f"--ca: is for https:// addresses, and {url} is none: nobody is checked there"
            )
        return None
    context(given)
    return given.absolute()


def refusal(
    error: BaseException,
    url: str,
    ca: Optional[Path],
    now: Optional[float] = None,
    peer: Peer = COORDINATOR,
) -> Optional[FedbedError]:
    """Return what to tell of a TLS connection that failed; None if TLS wasn't the reason.

    Untrusted for a certificate that no retry can mend. CoordinatorAway for dates, because a clock
    may be set later, and for a port that speaks plain HTTP. now: seconds since 1970.
    """
    cause: Optional[BaseException] = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _distrust(cause, url, ca, time.time() if now is None else now, peer)
    if getattr(cause, "reason", None) in _PLAIN:
        return CoordinatorAway(
            f"what listens at {url} speaks {peer.plain}, not {peer.secure}: change that in "
            f"{peer.address_flag}."
        )
    return None


def _distrust(
    error: ssl.SSLCertVerificationError, url: str, ca: Optional[Path], now: float, peer: Peer
) -> FedbedError:
    code = error.verify_code
    if code in (_NOT_YET_VALID, _EXPIRED):
        how = "is not valid yet" if code == _NOT_YET_VALID else "has expired"
        today = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now))
        return CoordinatorAway(
            f"the certificate of {url} {how}, by this machine's clock, which says {today} UTC: "
            f"if that is wrong, set the clock, or pin the CA with {peer.ca_flag}."
        )
    if code in (_WRONG_HOST, _WRONG_ADDRESS):
        return Untrusted(
            f"the certificate of {url} is for other names: connect by one of its names, or have "
            "one issued for this (`fedbed ca issue`)."
        )
    if ca is not None:
        return Untrusted(
            f"the certificate of {url} was not issued by the CA in '{ca}' ({error.verify_message}):"
            f" is that the ca.pem of this {peer.name}?"
        )
    return Untrusted(
        f"the certificate of {url} was issued by nobody whom this machine trusts "
        f"({error.verify_message}): give the {peer.name}'s ca.pem with {peer.ca_flag}."
    )
