from __future__ import annotations

from pathlib import Path

import pytest

from fedbed import secret
from fedbed.errors import UsageError


@pytest.mark.parametrize("held", [b"a-token", b"a-token\n", b"  a-token\r\n"])
def test_a_word_on_a_line_is_a_token(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(held)
    assert secret.read(tmp_path / "t", "--f") == "a-token"


@pytest.mark.parametrize(
    "held",
    [b"", b"\n", b"one-secret\ntwo-secret\n", b"a\0b-secret", b"\xff\xfesecret", b"a secret"]
    + ["\ufeffsecret".encode(), b"secret" * 500_000],
)
def test_anything_else_is_none_and_is_not_shown(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(held)
    with pytest.raises(UsageError, match=r"--f: '.*/t' holds no token") as caught:
        secret.read(tmp_path / "t", "--f")
    assert "secret" not in str(caught.value)
