"""A testbed where everybody needs a token: it learns, and who is thrown out is out."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.cli.main import main
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import LONG_ROUNDS, await_training, nothing_left, result_of, submit

pytestmark = pytest.mark.e2e


def test_enrolled_nodes_learn_and_a_revoked_one_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with nothing_left(), LocalTestbed(nodes=2, enrolled=True) as testbed:
        state = testbed.state_dir
        monkeypatch.setenv("FEDBED_COORDINATOR", testbed.url)
        with testbed.client() as client:
            run_id = submit(client, *LONG_ROUNDS)
            await_training(client, run_id, 1)
            assert main(["runs", "stop", run_id]) == 14, "nobody knows who asks"
            monkeypatch.setenv("FEDBED_TOKEN_FILE", str(state / "viewer.token"))
            client_token = client.give_access(name="ann", role="viewer")["token"]
            (state / "viewer.token").write_text(client_token)
            assert main(["runs", "stop", run_id]) == 12
            assert "takes an operator, and ann is viewer here" in capsys.readouterr().err
            assert result_of(client, run_id, tmp_path)["rounds"] == 3

            outcast = testbed.process("node-2")
            client.remove("node-2")
            assert outcast.popen.wait(5) == 14
            assert "'node-2' brought" in outcast.last_words() or "used up" in outcast.last_words()
            stranger = testbed.start_node("stranger")
            assert stranger.popen.wait(30) == 14
            assert "is used up by node-" in stranger.last_words()
            assert [n["name"] for n in client.nodes()] == ["node-1"]
        log = (state / "coordinator.log").read_text()
        assert "ann (viewer) at 127.0.0.1 was turned away from POST" in log
        secrets = [(state / name).read_text().strip() for name in ("enrol.token", "viewer.token")]
        secrets.append((state / "coordinator" / "admin.token").read_text().strip())
        written = log + "".join(p.read_text() for p in state.glob("*.log"))
        assert not [secret for secret in secrets if secret in written]
