"""What all dashboards have in common: names and addresses, variables, annotations, links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.dashboard import Dashboard as DashboardBuilder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from monitoring.dashboards.queries import RUN, Moments, Variable, Where, moments
from monitoring.dashboards.target import (
    SOURCE_NAME,
    SOURCE_UID,
    SOURCE_VARIABLE,
    EventTarget,
    source,
)

ALL = "$__all"


@dataclass(frozen=True)
class Page:
    """A dashboard's name and address. runs: how many runs it shows at once: none, one or many."""

    name: str
    title: str
    question: str
    runs: str = "none"

    @property
    def uid(self) -> str:
        """Return the stable part of its address."""
        return f"fedbed-{self.name}"


FLEET = Page("fleet", "Fleet", "Who is there, who idles, and who is at its limit?")
NODE = Page("node", "Node", "How is this one node, and what does it do?")
RUN_PAGE = Page("run", "Run", "How well does this run learn, and where does its time go?", "one")
COMPARE = Page("compare", "Compare", "Which run learns better, faster or cheaper?", "many")
COMMUNICATION = Page(
    "communication", "Communication", "What does learning cost on the network?", "many"
)
CONTAINERS = Page("containers", "Containers", "What does each container take on this machine?")
PAGES = (FLEET, NODE, RUN_PAGE, COMPARE, COMMUNICATION, CONTAINERS)

_SAME_DATA = f"${{{SOURCE_VARIABLE}:queryparam}}"
_SAME = f"${{__url_time_range}}&{_SAME_DATA}"
TO_NODE = (
    "Open this node",
    f"/d/{NODE.uid}?var-node=${{__value.text:percentencode}}&{_SAME}",
)
TO_NODE_OF_SERIES = (
    "Open this node",
    f"/d/{NODE.uid}?var-node=${{__field.labels.node:percentencode}}&{_SAME}",
)
TO_RUN = (
    "Open this run",
    f"/d/{RUN_PAGE.uid}?var-run=${{__value.text:percentencode}}&{_SAME}",
)
TO_RUN_IN_ITS_TIME = (
    "Open this run, from its beginning to its end",
    f"/d/{RUN_PAGE.uid}?var-run=${{__value.text:percentencode}}"
    f"&from=${{__data.fields.begun.numeric}}&to=${{__data.fields.ended.numeric}}&{_SAME_DATA}",
)


def assemble(
    page: Page,
    *,
    since: str,
    variables: Sequence[QueryVariable],
    annotations: Sequence[AnnotationQuery],
    sections: Sequence[tuple[str, Sequence[Builder[Panel]]]],
    refresh: str = "10s",
) -> Dashboard:
    """Return a whole dashboard. sections: headings and what stands below; the first needs none."""
    board = DashboardBuilder(page.title).uid(page.uid).description(page.question)
    board = board.tags(["fedbed"]).time(since, "now").refresh(refresh).timezone("browser")
    board = board.readonly().tooltip(DashboardCursorSync.CROSSHAIR)
    board = board.links([_link(page, other) for other in PAGES if other is not page])
    board = board.variables([_sources(), *variables]).annotations(list(annotations))
    for heading, panels in sections:
        if heading:
            board = board.with_row(Row(heading))
        for panel in panels:
            board = board.with_panel(panel)
    made = board.build()
    for variable in made.templating.list_val or []:
        # The SDK gives all kinds of variables what only Grafana's intervals have.
        variable.auto = variable.auto_min = variable.auto_count = None
    for number, each in enumerate(made.panels or [], 1):
        each.id_val = number
    return made


def choice(
    variable: Variable,
    label: str,
    query: str,
    *,
    many: bool = False,
    newest_first: bool = False,
) -> QueryVariable:
    """Return a variable whose values the database lists; of many, all are chosen at first."""
    made = QueryVariable(variable.name).label(label).query(query).datasource(source())
    made = made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    # A run's id begins with its date, so that the alphabet's last is the newest.
    made = made.sort(VariableSort.ALPHABETICAL_DESC if newest_first else VariableSort.NATURAL_ASC)
    made = made.multi(many).include_all(many)
    if not many:
        return made
    chosen = VariableOption(selected=True, text=["All"], value=[ALL])
    return made.all_value(".*").current(chosen)


def happenings(*, of_run: bool = False, of_node: bool = False) -> Sequence[AnnotationQuery]:
    """Return the annotations: what went wrong, when rounds ended, who came and went.

    Those that fill a page with lines are off at first where it isn't about one run or one node.
    """
    run: Where = {"run": RUN} if of_run else {}
    node: Where = {"node": Variable("node")} if of_node else {}
    faults = moments("fedbed_event", "text", "kind", where={**run, **node, "kind": "fault"})
    rounds = moments("fedbed_round", "round", "run", where=run)
    nodes = moments("fedbed_event", "text", "kind", where={**node, "kind": "node"})
    return [
        _annotation("Faults", "red", faults, enabled=True),
        _annotation("Rounds", "blue", rounds, enabled=of_run),
        _annotation("Nodes", "orange", nodes, enabled=of_node),
    ]


def _sources() -> DatasourceVariable:
    """Return the choice between all points and means of minutes."""
    chosen = VariableOption(selected=True, text=SOURCE_NAME, value=SOURCE_UID)
    made = DatasourceVariable(SOURCE_VARIABLE).label("Data").type("influxdb").current(chosen)
    return made.regex(f"/^{SOURCE_NAME}/")


def _annotation(name: str, colour: str, query: Moments, *, enabled: bool) -> AnnotationQuery:
    made = AnnotationQuery().name(name).datasource(source()).enable(enabled).icon_color(colour)
    return made.target(EventTarget(name, query))


def _link(page: Page, other: Page) -> DashboardLink:
    address = f"/d/{other.uid}?{_SAME_DATA}"
    if page.runs != "none" and (other.runs == "many" or other.runs == page.runs):
        address += f"&${{{RUN.name}:queryparam}}"
    made = DashboardLink(other.title).type(DashboardLinkType.LINK).url(address).keep_time(True)
    return made.icon("dashboard").tooltip(other.question).target_blank(False)
