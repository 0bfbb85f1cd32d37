"""Report and drawing of a campaign, made up here."""

from __future__ import annotations

import re
from dataclasses import replace

from fedbed.chaos import drawing, report
from fedbed.chaos.campaign import UNDISTURBED, Campaign
from fedbed.chaos.invariants import Broken, Facts, Holdings
from fedbed.chaos.plan import Yardstick, plan
from fedbed.chaos.strikes import Struck
from fedbed.chaos.trial import Outcome
from tests.fedbed.chaos.files import scenario

MARKS = [(0.1, "starting"), (1.0, "round 1"), (2.0, "round 2"), (3.0, "report")]
GOOD = Facts("finished", "", 2, 3, "abc", 0.9)


def campaign() -> Campaign:
    """One outage that cost two seconds, a point of accuracy and an update, and one failed run."""
    wanted = scenario("{do: outage, at: 1s, lasts: 1s}", "{do: kill, whom: run, at: 1s, name: x}")
    outage, kill = plan(wanted, 1, Yardstick(1.0, 3.0, 4.0))
    undisturbed = Outcome(UNDISTURBED, "r0", 4.0, MARKS, [], GOOD)
    struck = Struck(outage.strikes[0], 1.0, 2.0, 2.5, {"a": "1", "b": "2"})
    first = Outcome(outage, "r1", 6.0, MARKS, [(1.0, "<gone>")], replace(GOOD, accuracy=0.89))
    first.struck, first.holdings = [struck], Holdings(done={"a": "1", "b": "3"})
    second = Outcome(kill, "r2", 5.0, MARKS, [], Facts("failed", "no more"))
    second.struck = [Struck(kill.strikes[0])]
    second.broken = [Broken("the run finishes", "it failed: <no> more")]
    return Campaign(wanted, 1, undisturbed, [first, second], wall_s=20.0)


def test_the_figures_are_against_the_undisturbed_run() -> None:
    found = report.data(campaign())
    assert found["summary"] == {
        "runs": 2,
        "finished": 1,
        "same_model": 1,
        "updates_carried": 2,
        "updates_lost": 1,
        "mean_seconds": 5.5,
    }
    first, second = found["trials"]
    assert (first["cost_s"], first["cost_points"], first["same_model"]) == (2.0, 1.0, True)
    (fault,) = first["faults"]
    assert (fault["back_after_s"], fault["updates_lost"]) == (0.5, ["b"])
    assert (second["cost_s"], second["same_model"]) == (None, False)
    assert found["broken"][0]["trial"] == "x"
    assert "1 of 2 trained updates lost" in report.headline(campaign())


def test_the_page_needs_no_network_and_escapes_what_it_quotes() -> None:
    page = drawing.page(campaign())
    assert not re.search(r"(src|href)=|https?://", page)
    assert "it failed: &lt;no&gt; more" in page
    assert "<no>" not in page
    assert "outage coordinator for 1 s at 1 s" in page
    assert page.count("did not finish") == 1
    assert page.count("<rect") == 3 * len(MARKS) + 1


def test_a_campaign_that_has_hardly_begun_can_be_drawn() -> None:
    wanted = scenario("{do: outage}")
    assert "0 runs with faults" in drawing.page(Campaign(wanted, 1))
    assert report.data(Campaign(wanted, 1))["undisturbed"] is None
