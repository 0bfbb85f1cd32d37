"""What a campaign has shown: as data for programs, and the figures that people read in tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fedbed.chaos import invariants
from fedbed.chaos.campaign import Campaign
from fedbed.chaos.strikes import Struck
from fedbed.chaos.trial import Outcome
from fedbed.units import format_duration

SAID_AT_MOST = 20


def data(campaign: Campaign) -> dict[str, Any]:
    """Return everything as plain data: the content of chaos.json."""
    undisturbed = campaign.undisturbed
    return {
        "scenario": campaign.scenario.name,
        "description": campaign.scenario.description,
        "seed": campaign.seed,
        "wall_s": round(campaign.wall_s, 3),
        "summary": summary(campaign),
        "undisturbed": None if undisturbed is None else _run(undisturbed, campaign),
        "trials": [_run(outcome, campaign) for outcome in campaign.outcomes],
        "broken": [{"trial": name, **asdict(broken)} for name, broken in campaign.broken()],
    }


def summary(campaign: Campaign) -> dict[str, Any]:
    """Return the figures of the whole: how many runs finished, and how many as undisturbed."""
    outcomes = campaign.outcomes
    carried = [item for outcome in outcomes for item in outcome.carried()]
    gone = [i for outcome in outcomes for i in invariants.lost(outcome.holdings, outcome.carried())]
    seconds = [outcome.seconds for outcome in outcomes]
    return {
        "runs": len(outcomes),
        "finished": sum(outcome.facts.state == "finished" for outcome in outcomes),
        "same_model": sum(is_same_model(outcome, campaign) for outcome in outcomes),
        "updates_carried": len(carried),
        "updates_lost": len(gone),
        "mean_seconds": round(sum(seconds) / len(seconds), 3) if seconds else None,
    }


def is_same_model(outcome: Outcome, campaign: Campaign) -> bool:
    """Whether a run's model is the undisturbed run's, bit for bit."""
    undisturbed = campaign.undisturbed
    sha256 = outcome.facts.model_sha256
    return bool(undisturbed and sha256 and sha256 == undisturbed.facts.model_sha256)


def cost_s(outcome: Outcome, campaign: Campaign) -> float | None:
    """Return how many seconds longer than the undisturbed run it took."""
    if campaign.undisturbed is None or outcome.facts.state != "finished":
        return None
    return outcome.seconds - campaign.undisturbed.seconds


def cost_points(outcome: Outcome, campaign: Campaign) -> float | None:
    """Return how many percentage points of accuracy it is behind the undisturbed run."""
    undisturbed = campaign.undisturbed
    if undisturbed is None or undisturbed.facts.accuracy is None or outcome.facts.accuracy is None:
        return None
    return 100 * (undisturbed.facts.accuracy - outcome.facts.accuracy)


def headline(campaign: Campaign) -> str:
    """Say in a line how it went."""
    figures = summary(campaign)
    words = [
        f"{figures['runs']} runs with faults",
        f"{figures['finished']} finished",
        f"{figures['same_model']} with the undisturbed run's model, bit for bit",
    ]
    if figures["updates_carried"]:
        words.append(
            f"{figures['updates_lost']} of {figures['updates_carried']} trained updates lost that "
            "waited on nodes"
        )
    if figures["mean_seconds"] is not None:
        words.append(f"{format_duration(figures['mean_seconds'])} each")
    return ", ".join(words)


def _run(outcome: Outcome, campaign: Campaign) -> dict[str, Any]:
    cost, points = cost_s(outcome, campaign), cost_points(outcome, campaign)
    return {
        "name": outcome.trial.name,
        "run": outcome.run_id,
        "state": outcome.facts.state,
        "error": outcome.facts.error,
        "seconds": round(outcome.seconds, 3),
        "cost_s": None if cost is None else round(cost, 3),
        "accuracy": outcome.facts.accuracy,
        "cost_points": None if points is None else round(points, 4),
        "model_sha256": outcome.facts.model_sha256,
        "same_model": is_same_model(outcome, campaign),
        "participants": outcome.facts.participants(),
        "faults": [_fault(struck, outcome) for struck in outcome.struck],
        "phases": [[round(at, 3), phase] for at, phase in outcome.marks],
        "said": [[round(at, 3), text] for at, text in outcome.said[-SAID_AT_MOST:]],
        "broken": [str(broken) for broken in outcome.broken],
    }


def _fault(struck: Struck, outcome: Outcome) -> Mapping[str, Any]:
    strike = struck.strike
    return {
        "name": strike.name,
        "what": strike.kind,
        "whom": str(strike.victim),
        "moment": str(strike.moment),
        "lasts_s": strike.lasts_s,
        "struck_s": _rounded(struck.struck_s),
        "undone_s": _rounded(struck.undone_s),
        "back_s": _rounded(struck.back_s),
        "back_after_s": _rounded(struck.back_after_s),
        "told": struck.told,
        "updates_carried": len(struck.carried),
        "updates_lost": invariants.lost(outcome.holdings, struck.carried),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
