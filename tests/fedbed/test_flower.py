"""Everything that `fedbed.flower` takes from flwr's inside, run against the installed release.

flwr's identity and strategies are global to a process, so each test gets a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

PRELUDE = """
import sys
from pathlib import Path
import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from fedbed import flower
from fedbed.errors import ExperimentError

def content():
    return RecordDict({
        "model": ArrayRecord({"w": flower.array_of({"w": np.arange(6.0).reshape(2, 3)})["w"]}),
        "metrics": MetricRecord({"loss": 0.5, "n": 3, "list": [1, 2]}),
        "config": ConfigRecord({"lr": 0.1, "name": "x", "on": True, "raw": b"\\x00"}),
    })

def raises(kind, text, call):
    try:
        call()
    except kind as error:
        assert text in str(error), error
    else:
        raise AssertionError("nothing was raised")
"""


def check(code: str, folder: Path) -> None:
    script = PRELUDE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_centre_s_messages_carry_identity_and_number_and_get_their_replies(
    tmp_path: Path,
) -> None:
    code = """
        flower.become(5, flower.SERVER_NODE_ID)
        message = Message(content(), dst_node_id=3, message_type="train")
        assert message.metadata.run_id == 5
        assert message.metadata.src_node_id == flower.SERVER_NODE_ID
        flower.assign_message_id(message, "r.1.2")
        assert message.metadata.message_id == "r.1.2"

        answer = flower.reply(message, RecordDict())
        assert answer.metadata.reply_to_message_id == "r.1.2"
        assert answer.metadata.src_node_id == 3
        assert answer.metadata.message_type == "train"
        assert not answer.has_error()

        failed = flower.error_reply(message, "pi-07 is lost")
        assert failed.metadata.reply_to_message_id == "r.1.2"
        assert failed.has_error()
        assert failed.error.reason == "pi-07 is lost"
        assert not failed.has_content()

        assert flower.empty_run(5).run_id == 5
        """
    check(code, tmp_path)


def test_a_node_rebuilds_the_message_and_its_reply_names_it(tmp_path: Path) -> None:
    code = """
        sent = {"run_id": 5, "message_id": "r.1.2", "dst_node_id": 3, "group_id": "1",
                "created_at": 1.5e9, "ttl": 60.0, "message_type": "train.custom"}
        flower.become(5, 3)
        message = flower.instruction(content(), sent)
        for name, value in sent.items():
            assert getattr(message.metadata, name) == value, name
        assert message.metadata.src_node_id == flower.SERVER_NODE_ID
        assert message.content["metrics"]["loss"] == 0.5
        answer = Message(RecordDict(), reply_to=message)
        assert answer.metadata.reply_to_message_id == "r.1.2"
        assert answer.metadata.src_node_id == 3
        assert answer.metadata.dst_node_id == flower.SERVER_NODE_ID
        """
    check(code, tmp_path)


def test_records_split_and_join(tmp_path: Path) -> None:
    code = """
        arrays, metrics, config = flower.split_records(content())
        assert metrics == {"metrics": {"loss": 0.5, "n": 3, "list": [1, 2]}}
        assert config == {"config": {"lr": 0.1, "name": "x", "on": True, "raw": b"\\x00"}}
        plain = flower.ndarrays_of(arrays["model"])
        assert list(plain) == ["w"] and plain["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
        record = flower.array_of(plain)
        plain["w"] += 1
        joined = flower.join_records({"model": record}, metrics, config)
        assert flower.ndarrays_of(joined["model"])["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert dict(joined["metrics"]) == metrics["metrics"]
        assert dict(joined["config"]) == config["config"]
        assert isinstance(joined["metrics"], MetricRecord)
        assert isinstance(joined["config"], ConfigRecord)
        empty = flower.split_records(flower.join_records({}, {}, {}))
        assert empty == ({}, {}, {})
        """
    check(code, tmp_path)


def test_arrays_keep_dtype_shape_and_order(tmp_path: Path) -> None:
    code = """
        given = {
            "f16": np.ones((2, 2), "f2"), "i8": np.arange(3, dtype="i8"),
            "scalar": np.float32(1.5), "empty": np.zeros((0, 4), "f4"),
            "turned": np.arange(6.0).reshape(2, 3).T,
        }
        back = flower.ndarrays_of(flower.array_of(given))
        assert list(back) == list(given)
        for name, array in back.items():
            assert array.dtype == given[name].dtype and array.shape == given[name].shape, name
            assert np.array_equal(array, given[name])
        """
    check(code, tmp_path)


def test_strategies_run_by_our_start(tmp_path: Path) -> None:
    code = """
        from flwr.serverapp.strategy import FedAdam, FedAvg, Strategy
        flower.replace_start(lambda *args, **more: (args, more))
        strategy = FedAvg()
        assert strategy.start("grid", num_rounds=3) == ((strategy, "grid"), {"num_rounds": 3})
        adam = FedAdam()
        assert adam.start("grid")[0] == (adam, "grid")

        class Own(FedAvg):
            def start(self, grid, **more):
                return "its own"

        assert Own().start("grid") == "its own"
        """
    check(code, tmp_path)


def test_strategies_average_by_our_function(tmp_path: Path) -> None:
    code = """
        from flwr.serverapp import strategy as strategies
        from flwr.serverapp.strategy import strategy_utils
        own = strategy_utils.aggregate_arrayrecords
        asked = []

        def average(records, weighted_by):
            asked.append((len(records), weighted_by))
            return own(records, weighted_by)

        flower.replace_averaging(average)
        flower.become(5, flower.SERVER_NODE_ID)

        def replies():
            for node, value in enumerate((1.0, 4.0, 2.0), 1):
                message = Message(RecordDict(), dst_node_id=node, message_type="train")
                flower.assign_message_id(message, f"m.{node}")
                yield flower.reply(message, RecordDict({
                    "arrays": flower.array_of({"w": np.full(3, value)}),
                    "metrics": MetricRecord({"num-examples": 5, "n": 1, "train_loss": 0.5}),
                }))

        adam = strategies.FedAdam(weighted_by_key="n")
        adam.current_arrays = {"w": np.zeros(3)}
        for made, averaged in (
            (strategies.FedAvg(weighted_by_key="n"), 3),
            (strategies.FedProx(proximal_mu=0.1, weighted_by_key="n"), 3),
            (adam, 3),
            (strategies.MultiKrum(num_nodes_to_select=2, weighted_by_key="n"), 2),
            (strategies.Krum(weighted_by_key="n"), 1),
        ):
            assert made.aggregate_train(1, list(replies()))[0] is not None, made
            assert asked.pop() == (averaged, "n"), made
            assert not asked
        left = [name for name, module in sys.modules.items() if own in vars(module).values()]
        assert left == ["__main__"], left
        """
    check(code, tmp_path)


def test_loading_an_app(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "client.py").write_text("class Holder:\n    app = 41\napp = 42\n")
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    code = """
        folder = Path(sys.argv[1])
        assert flower.load_attribute("pkg.client:app", folder) == 42
        assert flower.load_attribute("pkg.client:Holder.app", folder) == 41
        raises(ExperimentError, "'no_such_package' is not installed here",
               lambda: flower.load_attribute("broken:app", folder))
        raises(ExperimentError, "missing", lambda: flower.load_attribute("missing:app", folder))
        raises(ExperimentError, "nothing",
               lambda: flower.load_attribute("pkg.client:nothing", folder))
        raises(ExperimentError, "", lambda: flower.load_attribute("no reference", folder))
        """
    check(code, tmp_path)


def test_flwr_stays_quiet_about_itself(tmp_path: Path) -> None:
    code = """
        import os
        assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
        for name, value in vars(flower).items():
            if getattr(value, "__module__", "") == "fedbed.flower" and name[0] != "_":
                assert name in flower.__all__
        """
    check(code, tmp_path)
