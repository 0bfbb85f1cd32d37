from __future__ import annotations

from dataclasses import dataclass, field

from coordinator.runs.board import Board, Open
from coordinator.runs.window import Rules, Verdict, Window
from fedbed.link.messages import AppRef, WorkItem


@dataclass
class Desk:
    """A board with a clock that is set by hand, and a record of what it reports."""

    now: float = 0.0
    closed: list[tuple[str, Verdict]] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    checks: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def on_closed(window: Window, verdict: Verdict) -> None:
            self.closed.append((window.id, verdict))

        self.board = Board(
            clock=lambda: self.now,
            on_closed=on_closed,
            on_wake=self.woken.append,
            on_wait=lambda window, until: self.checks.append((window, until)),
        )

    def put_out(
        self, nodes: list[str], quorum: int = 1, grace_s: float = 0.0, tries: int = 0
    ) -> None:
        opens = [
            Open(f"w.{i}", "run", node, work(f"w.{i}"), tries_left=tries)
            for i, node in enumerate(nodes)
        ]
        rules = Rules(quorum, len(nodes), 100.0, grace_s)
        self.board.open_window("w", "run", "training", rules, opens, {n: n for n in nodes})


def work(item: str) -> WorkItem:
    return WorkItem(item, "run", 1, "train", AppRef("task", "t"), 0, 1, [], "exact", "zlib", 1000)


def offered(desk: Desk, node: str, holding: tuple[str, ...] = ()) -> str | None:
    item = desk.board.item_for(node, holding)
    return None if item is None else item.id


def test_a_node_with_many_parts_is_offered_them_in_order_and_loses_them_together() -> None:
    desk = Desk()
    desk.put_out(["a"] * 25 + ["b"] * 5, quorum=10)
    holding: list[str] = []
    while (item := offered(desk, "a", tuple(holding))) is not None:
        holding.append(item)
    assert holding == [f"w.{i}" for i in range(25)]
    desk.now = 40.0
    for i in range(3):
        desk.board.done(f"w.{i}")
    assert offered(desk, "a", tuple(holding[3:])) is None, "what is in isn't offered again"
    assert offered(desk, "a", ()) == "w.3", "a restarted agent gets the oldest that is open"
    text = desk.board.windows["w"].explain(desk.now)
    assert "waiting for a (22), b (5)" in text
    desk.board.node_lost("a")
    text = desk.board.windows["w"].explain(desk.now + 2)
    assert text.count("a silent for 2 s") == 1
    assert not desk.closed, "b is still there"
    desk.board.node_back("a")
    for i in range(3, 30):
        desk.board.done(f"w.{i}")
    assert desk.closed[0][1].reason == "all in"


def test_parts_of_a_node_that_fail_alike_are_told_once() -> None:
    desk = Desk()
    desk.put_out(["a", "a", "a", "b"])
    desk.board.failed("w.0", "no memory")
    desk.board.failed("w.1", "no memory")
    text = desk.board.windows["w"].explain(desk.now)
    assert "waiting for a, b; a failed 2 times (no memory)" in text


def test_what_waits_behind_its_deadline_is_dropped() -> None:
    desk = Desk()
    desk.put_out(["a"] * 25)
    desk.board.done("w.0")
    desk.now = 101.0
    desk.board.check("w")
    assert desk.closed[0][1].reason == "deadline"
    waiting = [f"w.{i}" for i in range(1, 25)]
    assert desk.board.stale("a", waiting) == waiting
    assert not desk.board.is_working("a")


def test_an_answer_that_got_lost_is_given_again() -> None:
    desk = Desk()
    desk.put_out(["a", "b"])
    assert desk.woken == ["a", "b"]
    assert offered(desk, "a") == "w.0"
    assert offered(desk, "a") == "w.0"
    assert offered(desk, "a", ("w.0",)) is None
    assert offered(desk, "c") is None
    assert desk.board.is_working("a")
    assert not desk.board.is_working("b")


def test_an_item_says_how_long_its_round_stays_open() -> None:
    desk = Desk()
    desk.put_out(["a"])
    desk.now = 60.0
    item = desk.board.item_for("a", ())
    assert item is not None
    assert item.seconds_left == 40.0


def test_who_holds_an_item_works_on_it_even_if_we_forgot_to_have_sent_it() -> None:
    desk = Desk()
    desk.put_out(["a"])
    assert offered(desk, "a", ("w.0",)) is None
    assert desk.board.is_working("a")


def test_closed_and_foreign_items_are_stale() -> None:
    desk = Desk()
    desk.put_out(["a", "b"])
    assert desk.board.stale("a", ["w.0", "w.1", "old"]) == ["w.1", "old"]
    desk.board.done("w.0")
    assert desk.board.stale("a", ["w.0"]) == ["w.0"]
    assert desk.board.has_delivered("run", "a")
    assert not desk.board.has_delivered("run", "b")


def test_a_window_closes_when_all_are_in_and_the_late_are_told() -> None:
    desk = Desk()
    desk.put_out(["a", "b"])
    desk.board.done("w.0")
    assert not desk.closed
    desk.board.done("w.1")
    ((window, verdict),) = desk.closed
    assert (window, verdict.reason) == ("w", "all in")
    assert not desk.board.windows
    assert desk.board.check("w") is None


def test_the_deadline_closes_and_wakes_who_is_late() -> None:
    desk = Desk()
    desk.put_out(["a", "b"])
    desk.board.done("w.0")
    desk.now = 100.0
    desk.woken.clear()
    desk.board.check("w")
    assert desk.closed[0][1].reason == "deadline"
    assert desk.woken == ["b"]
    assert desk.board.stale("b", ["w.1"]) == ["w.1"]


def test_a_failure_is_tried_again_then_counts() -> None:
    desk = Desk()
    desk.put_out(["a"], tries=1)
    assert offered(desk, "a") == "w.0"
    desk.woken.clear()
    assert desk.board.failed("w.0", "crash")
    assert desk.woken == ["a"]
    assert not desk.board.is_working("a")
    assert offered(desk, "a") == "w.0"
    assert not desk.board.failed("w.0", "crash again")
    assert desk.closed[0][1].quorum_met is False
    assert offered(desk, "a") is None


def test_a_lost_node_has_its_grace_and_may_come_back() -> None:
    desk = Desk()
    desk.put_out(["a", "b"], grace_s=10.0)
    desk.board.done("w.0")
    desk.now = 5.0
    desk.board.node_lost("b")
    assert desk.checks[-1] == ("w", 15.0)
    desk.board.node_back("b")
    desk.now = 16.0
    assert desk.board.check("w") is not None
    assert not desk.closed
    desk.board.node_lost("b")
    desk.now = 26.0
    desk.board.check("w")
    assert desk.closed[0][1].reason == "the others were lost"


def test_a_result_that_meets_the_quorum_sets_the_time_for_the_lost() -> None:
    desk = Desk()
    desk.put_out(["a", "b"], grace_s=10.0)
    desk.board.node_lost("b")
    assert desk.checks[-1] == ("w", 100.0)
    desk.now = 4.0
    desk.board.done("w.0")
    assert desk.checks[-1] == ("w", 10.0)


def test_cancel_takes_a_run_off_the_board_without_a_verdict() -> None:
    desk = Desk()
    desk.put_out(["a"])
    desk.board.remember([Open("other.0", "other", "a", None)])
    desk.board.cancel("run")
    assert not desk.closed
    assert desk.board.stale("a", ["w.0", "other.0"]) == ["w.0"]


def test_a_run_without_process_offers_nothing_but_welcomes_results() -> None:
    desk = Desk()
    desk.put_out(["a", "b"])
    offered(desk, "a")
    desk.board.suspend("run")
    assert offered(desk, "b") is None
    assert desk.board.stale("a", ["w.0"]) == []
    desk.board.done("w.0")
    assert not desk.closed
    desk.put_out(["a", "b"])
    assert offered(desk, "b") == "w.1"
    desk.board.done("w.0")
    desk.board.done("w.1")
    assert desk.closed[0][1].reason == "all in"


def test_remembered_items_are_welcome_but_not_offered() -> None:
    desk = Desk()
    desk.board.remember([Open("w.0", "run", "a", None)])
    assert offered(desk, "a") is None
    assert desk.board.stale("a", ["w.0"]) == []
    desk.board.done("w.0")
    assert desk.board.stale("a", ["w.0"]) == ["w.0"]


def test_a_partition_that_changed_hands_leaves_nothing_with_the_old_node() -> None:
    desk = Desk()
    desk.board.remember([Open("w.0", "run", "a", None)])
    desk.put_out(["b"])
    assert offered(desk, "a") is None
    assert desk.board.stale("a", ["w.0"]) == ["w.0"]
    assert offered(desk, "b") == "w.0"
    desk.board.done("w.0")
    assert offered(desk, "a") is None
    assert not desk.board.is_working("a")


def test_time_stands_still_while_nothing_can_be_taken_in() -> None:
    desk = Desk()
    desk.put_out(["a", "b"], quorum=2)
    desk.now = 90.0
    desk.board.hold("no room")
    desk.board.hold("still no room")
    desk.now = 500.0
    desk.checks.clear()
    desk.board.check("w")
    assert desk.closed == []
    assert desk.checks == [], "looking again by the clock would never end"
    desk.board.release()
    assert desk.checks == [("w", 510.0)]
    desk.now = 510.0
    desk.board.check("w")
    ((_, verdict),) = desk.closed
    assert verdict.reason == "deadline"


def test_what_comes_in_closes_a_window_even_then() -> None:
    desk = Desk()
    desk.put_out(["a"])
    desk.board.hold("no room")
    desk.board.done("w.0")
    assert [verdict.reason for _, verdict in desk.closed] == ["all in"]


def test_a_window_that_is_withdrawn_closes_and_its_items_are_stale() -> None:
    desk = Desk()
    desk.put_out(["a", "b"])
    desk.board.done("w.0")
    desk.board.withdraw("w")
    desk.board.withdraw("w")
    desk.board.withdraw("unknown")
    assert [(window, verdict.reason) for window, verdict in desk.closed] == [("w", "withdrawn")]
    assert desk.board.stale("b", ["w.1"]) == ["w.1"]
    assert offered(desk, "b") is None


def test_a_window_that_needs_nothing_closes_when_its_node_is_lost() -> None:
    desk = Desk()
    desk.put_out(["a"], quorum=0, grace_s=5.0)
    desk.board.node_lost("a")
    assert desk.checks[-1] == ("w", 5.0)
    desk.now = 3.0
    desk.board.node_back("a")
    desk.now = 50.0
    desk.board.node_lost("a")
    assert not desk.closed
    desk.now = 55.0
    desk.board.check("w")
    assert desk.closed[0][1].reason == "the others were lost"
