from __future__ import annotations

import pytest

from coordinator.doorkeeper import (
    TELL_EVERY_S,
    Crowd,
    Full,
    Greeting,
    Limits,
    Sparing,
    greeting,
    https_address,
    plain_address,
)

HERE, PI, NANO = "127.0.0.1", "192.0.2.1", "192.0.2.2"


def test_limits_of_all_and_of_one_address() -> None:
    crowd = Crowd(Limits(most=5, most_per_address=2))
    assert [crowd.enter(PI) for _ in range(3)] == [None, None, Full.ADDRESS]
    assert crowd.enter(NANO) is None
    assert [crowd.enter(HERE) for _ in range(3)] == [None, None, Full.ALL]
    assert crowd.enter(PI) is Full.ALL
    crowd.leave(PI)
    assert crowd.enter(PI) is None
    crowd.leave(NANO)
    assert crowd.enter(HERE) is None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "::1", plain_address("::ffff:127.0.0.1")]
)
def test_this_machine_has_no_limit_of_its_own(address: str) -> None:
    crowd = Crowd(Limits(most_per_address=1))
    assert [crowd.enter(address) for _ in range(3)] == [None] * 3


def test_addresses_of_a_socket_for_both_families() -> None:
    assert plain_address("::ffff:192.0.2.1") == PI
    for other in ("192.0.2.1", "::1", "fe80::1", "::ffff:0:1"):
        assert plain_address(other) == other


def test_the_same_word_once_a_minute() -> None:
    sparing = Sparing()
    assert sparing.due(0.0, "slow", PI)
    assert not sparing.due(TELL_EVERY_S - 1, "slow", PI)
    assert sparing.due(1.0, "slow", NANO)
    assert sparing.due(1.0, "full", PI)
    assert sparing.due(TELL_EVERY_S, "slow", PI)


def test_no_number_of_addresses_fills_log_or_memory() -> None:
    sparing = Sparing()
    told = [sparing.due(0.0, "slow", str(n)) for n in range(5000)]
    assert told.count(True) == 1000
    assert sparing.due(TELL_EVERY_S, "slow", "5000")


@pytest.mark.parametrize(
    ("first", "tls", "spoken"),
    [
        (b"GET / HTTP/1.1\r\n", False, Greeting.OURS),
        (b"\x00\x01", False, Greeting.OURS),
        (b"\x16", False, Greeting.TLS_TO_HTTP),
        (b"\x16\x03\x01", True, Greeting.OURS),
        (b"P", True, Greeting.HTTP_TO_TLS),
        (b"get", True, Greeting.HTTP_TO_TLS),
        (b"\x00", True, Greeting.NOISE),
        (b"\xff", True, Greeting.NOISE),
    ],
)
def test_what_a_peer_speaks(first: bytes, tls: bool, spoken: Greeting) -> None:
    assert greeting(first, tls) is spoken


@pytest.mark.parametrize(
    ("head", "address"),
    [
        (b"GET / HTTP/1.1\r\nHost: pc.local:8470\r\n\r\n", "https://pc.local:8470"),
        (b"POST / HTTP/1.1\r\nA: b\r\nhost:[::1]:1\r\nC: d", "https://[::1]:1"),
        (b"GET / HTTP/1.1\r\nHost: pc.lo", "https://192.0.2.1:8470"),
        (b'GET / HTTP/1.1\r\nHost: "><script>\r\n\r\n', "https://192.0.2.1:8470"),
        (b"", "https://192.0.2.1:8470"),
    ],
)  # fmt: skip
def test_where_to_go_instead(head: bytes, address: str) -> None:
    assert https_address(head, PI, 8470) == address


def test_where_to_go_instead_by_ipv6() -> None:
    assert https_address(b"", "::1", 8470) == "https://[::1]:8470"
