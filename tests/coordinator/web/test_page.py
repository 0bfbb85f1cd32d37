"""The live page in a real browser, against a stand-in for the coordinator."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.coordinator.web.stub import PAGE, Stub, curve, event, node, picture, run
from tests.parts import need

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FOUR = [f"node-{n}" for n in range(1, 5)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    need(importlib.util.find_spec("playwright") is not None, "playwright is not installed")
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    need(program is not None, f"no browser is installed ({', '.join(BROWSERS)})")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    serving = Stub()
    serving.start()
    yield serving
    serving.stop()


class Complaints(list[str]):
    """What went wrong on the page. `away_expected`: failing to reach the stub is no complaint."""

    away_expected = False


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(browser: Browser, stub: Stub, complaints: Complaints) -> Iterator[Page]:
    """Return an empty tab; at the end nothing external was asked for and nothing was complained."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(5000)
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("pageerror", lambda error: complaints.append(str(error)))

    def heard(kind: str, text: str) -> None:
        expected = complaints.away_expected and "Failed to load resource" in text
        if kind in ("error", "warning") and not expected:
            complaints.append(text)

    tab.on("console", lambda message: heard(message.type, message.text))
    yield tab
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((stub.url, "data:"))] == []


def test_page_is_small_and_whole() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(text.encode()) < 60_000
    assert "innerHTML" not in text
    assert "outerHTML" not in text
    assert "insertAdjacentHTML" not in text


def test_idle_coordinator_tells_how_to_add_a_node(page: Page, stub: Stub) -> None:
    page.goto(stub.url)
    page.get_by_text("No nodes yet").wait_for()
    command = page.locator("#join-command").inner_text()
    assert command == f"fedbed agent --coordinator {stub.url.rstrip('/')}"
    assert page.locator("#link").inner_text() == "live"
    assert "coordinator 0.1.0" in page.locator("#about").inner_text()


def test_running_run_is_shown(page: Page, stub: Stub) -> None:
    nodes = [node(name, "training", run="r1", progress=0.4) for name in FOUR]
    waiting = run("r2", "queued", name="later", wait="waits for run mnist-iid to end", history=[])
    twin = [{"round": 1, "accuracy": 0.81, "wall_s": 2.0}]
    stub.show(picture(nodes, [waiting, run(twin=twin)], [event("older", 9), event("newer", 1)]))
    page.goto(stub.url)
    card = page.locator("[data-run=r1]")
    card.wait_for()
    text = card.inner_text()
    for expected in ("mnist-iid", "running", "Round 3 of 10", "about 48 s left", "mnist", "seed 7"):
        assert expected in text
    assert "76.8 %" in text, "accuracy after the second round"
    assert "3.4 MB" in text
    assert "1.7 MB" in text
    bar = card.get_by_role("progressbar", name="Rounds done")
    assert bar.get_attribute("aria-valuenow") == "20"
    chart = card.get_by_role("img")
    label = chart.get_attribute("aria-label") or ""
    assert "Federated: 76.8 % at round 2; Centralised: 81.0 % at round 1" in label
    assert chart.locator("circle").count() == 2
    assert "waits for run mnist-iid to end" in page.locator("[data-run=r2]").inner_text()
    assert "node-1" in card.locator(".people").inner_text()
    events = page.locator("#events li span").all_inner_texts()
    assert events == ["newer", "older"]
    assert page.title() == "Round 3 of 10 - fedbed"


def test_every_state_is_a_word(page: Page, stub: Stub) -> None:
    states = ["join", "ready", "training", "update", "finish", "offline", "drained"]
    stub.show(picture([node(f"n-{state}", state) for state in states]))
    page.goto(stub.url)
    for state in states:
        tile = page.locator(f"[data-node=n-{state}]")
        tile.wait_for()
        assert tile.locator(".pill").inner_text() == state
    assert "silent for" in page.locator("[data-node=n-offline]").inner_text()


def test_wait_line_follows_and_focus_stays(page: Page, stub: Stub) -> None:
    nodes = [node(name, "training", run="r1") for name in FOUR]
    first = "round 3: 2 of 4 in; waiting for node-2; closes in 30 s at the latest"
    stub.show(picture(nodes, [run(wait=first)]))
    page.goto(stub.url)
    line = page.locator("[data-run=r1] .wait")
    page.get_by_text(first).first.wait_for()
    assert "warn" not in (line.get_attribute("class") or "")
    assert page.locator("#announce").inner_text() == first

    stop = page.get_by_role("button", name="Stop run mnist-iid")
    stop.focus()
    ticked = first.replace("30 s", "29 s")
    stub.show(picture(nodes, [run(wait=ticked)]))
    page.get_by_text(ticked).wait_for()
    assert page.locator("#announce").inner_text() == first, "a clock's tick is not announced"

    nodes[3] = node("node-4", "offline", run="r1", seen_s_ago=41.0)
    second = "round 3: 2 of 4 in; waiting for node-2; node-4 silent for 41 s; closes in 19 s"
    stub.show(picture(nodes, [run(wait=second)]))
    page.locator("[data-run=r1] .wait", has_text=second).wait_for()
    assert "warn" in (line.get_attribute("class") or "")
    assert page.locator("#announce").inner_text() == second
    assert stop.evaluate("button => document.activeElement === button")


def test_stop_asks_first(page: Page, stub: Stub) -> None:
    stub.show(picture([], [run("r/1")]))
    page.goto(stub.url)
    stop = page.get_by_role("button", name="Stop run mnist-iid")
    stop.click()
    page.get_by_role("button", name="Keep it running").click()
    stop.click()
    page.keyboard.press("Escape")
    stop.click()
    assert stub.posts == []
    with page.expect_response("**/stop"):
        page.get_by_role("button", name="Stop the run").click()
    assert stub.posts == ["/api/v1/runs/r%2F1/stop"]
    assert stop.is_disabled()


def test_drain_and_resume(page: Page, stub: Stub, complaints: Complaints) -> None:
    stub.show(picture([node("pi-1", "training")]))
    page.goto(stub.url)
    with page.expect_response("**/drain*"):
        page.get_by_role("button", name="Drain pi-1").click()
    page.get_by_role("button", name="Resume pi-1").wait_for()
    stub.show(picture([node("pi-1", "drained")]))
    page.locator("[data-node=pi-1][data-s=drained]").wait_for()
    complaints.away_expected = True  # Chromium logs the refusal
    stub.refusal = (409, "pi-1 has gone for good")
    with page.expect_response("**/drain*"):
        page.get_by_role("button", name="Resume pi-1").click()
    page.get_by_role("alert").get_by_text("pi-1 has gone for good").wait_for()
    assert [post.split("?")[1] for post in stub.posts] == ["drained=true", "drained=false"]


def test_full_disks_are_seen(page: Page, stub: Stub) -> None:
    shown = picture([node("pi-1", "training", trouble="its disk is full: waiting for room")])
    shown["coordinator"]["trouble"] = "the coordinator's disk is nearly full (3 MB left)"
    stub.show(shown)
    page.goto(stub.url)
    page.get_by_role("alert").get_by_text("The coordinator's disk is nearly full").wait_for()
    assert "disk is full" in page.locator("[data-node=pi-1] .trouble").inner_text()
    stub.show(picture([node("pi-1", "training")]))
    page.locator("#full").wait_for(state="hidden")
    assert page.locator("[data-node=pi-1] .trouble").is_hidden()


def test_who_has_to_sign_in_does(page: Page, stub: Stub, complaints: Complaints) -> None:
    stub.token = "secret"
    stub.session = {"name": "ann", "role": "viewer", "enrolled": True}
    stub.show(picture([node("pi-1", "training")], [run("r1")]))
    complaints.away_expected = True  # Chromium logs the refusals
    page.goto(stub.url)
    field = page.get_by_label("Access token")
    field.fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("this token is wrong").wait_for()
    field.fill(" secret ")
    field.press("Enter")
    page.locator("[data-node=pi-1]").wait_for()
    assert page.locator("#who").inner_text() == "ann, viewer"
    assert page.locator("#login-token").input_value() == ""
    assert page.get_by_role("button", name="Drain pi-1").count() == 0, "a viewer only looks"
    assert page.get_by_role("button", name="Stop run").count() == 0
    stub.token = "another"  # access is taken away
    stub.show(picture([node("pi-2")]))
    page.get_by_text("Your access has ended").wait_for()


def test_offences_and_a_node_set_aside_are_shown_with_the_reason(page: Page, stub: Stub) -> None:
    why = "set aside after 3 offences: refused: array 'w': 7 of 7 values are NaN or infinite"
    aside = node("pi-2", "drained", drained=True, offences=3, set_aside=why)
    few = [node("pi-1"), aside, node("pi-3", offences=1)]
    stub.show(picture(few))
    page.goto(stub.url)
    card = page.locator("[data-node=pi-2]")
    card.wait_for()
    assert why in card.inner_text()
    assert "1 offence" in page.locator("[data-node=pi-3] .mark").inner_text()
    assert not page.locator("[data-node=pi-1] .mark").is_visible()
    resume = page.get_by_role("button", name="Resume pi-2")
    assert resume.get_attribute("title") == "Forgive its offences and give it work again"
    stub.show(picture([*few, *(node(f"more-{n}") for n in range(30))]))
    tile = page.locator("[data-node=pi-2].tile")
    tile.wait_for()
    assert why in (tile.get_attribute("aria-label") or "")
    assert page.locator(".tile[data-mark]").count() == 2


def test_markup_in_names_is_text(page: Page, stub: Stub) -> None:
    bad = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    ended = run("r0", "failed", name=bad, error=bad, error_code=bad, history=[])
    nodes = [node(bad, "training", run="r1", labels={bad: bad})]
    one = run(name=bad, wait=bad, dataset=bad, detail=bad, roster=[bad])
    one["history"][1]["missing"] = {bad: bad}
    stub.show(picture(nodes, [one, ended], [event(bad)]))
    page.goto(stub.url)
    page.locator("#fleet .name").wait_for()
    assert page.locator("#fleet .name").inner_text() == bad
    page.locator("[data-run=r1] summary").click()
    page.locator("[data-run=r1] td", has_text="<script>").wait_for()
    page.get_by_role("button", name=f"Stop run {bad}").click()
    assert bad in page.locator("#ask-title").inner_text()
    assert page.locator("main script, main img, dialog script, dialog img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_comes_back_after_the_server_was_away(
    page: Page, stub: Stub, complaints: Complaints
) -> None:
    complaints.away_expected = True
    stub.show(picture([node("node-1")]))
    page.goto(stub.url)
    page.locator("[data-node=node-1]").wait_for()
    stub.stop()
    page.get_by_text("The coordinator does not answer").wait_for()
    assert page.locator("#link").inner_text() == "reconnecting"
    assert page.locator("[data-node=node-1]").count() == 1, "the last picture stays"
    stub.show(picture([node("node-1"), node("node-2")]))
    stub.start()
    page.locator("[data-node=node-2]").wait_for(timeout=10_000)
    page.locator("#link", has_text="live").wait_for()
    assert page.locator("#stale").is_hidden()


def test_ended_runs(page: Page, stub: Stub) -> None:
    twin = [{"round": r["round"], "accuracy": r["accuracy"] + 0.02} for r in curve(10, 0.6, 0.95)]
    done = run("r1", "finished", round=10, history=curve(10, 0.6, 0.95), twin=twin, roster=[])
    failed = run("r2", "failed", history=[], error_code="DataError", error="mnist is incomplete")
    stub.show(picture([], [done, failed]))
    page.goto(stub.url)
    card = page.locator("[data-run=r1]")
    card.get_by_role("img").wait_for()
    for figure in ("94.84 %", "96.84 %", "+2.00 pts"):
        assert figure in card.inner_text()
    links = [a.get_attribute("href") for a in card.get_by_role("link").all()]
    files = ("report.html", "result.json", "metrics.csv")
    assert links == [f"api/v1/runs/r1/files/{name}" for name in files]
    text = page.locator("[data-run=r2]").inner_text()
    assert "DataError: mnist is incomplete" in text
    assert "Report" not in text


def test_a_run_that_never_began_has_waited(page: Page, stub: Stub) -> None:
    never: dict[str, Any] = {"history": [], "started_at": None, "elapsed_s": 0.0}
    run_2 = run("r2", "failed", submitted_at=100.0, ended_at=105.0, **never)
    stub.show(picture([], [run_2, run("r3", "finished", started_at=100.0, elapsed_s=1.6)]))
    page.goto(stub.url)
    page.locator("[data-run=r2] dt", has_text="Waited").wait_for()
    shown = page.locator("[data-run=r2] dl").inner_text().split("\n")
    assert shown[shown.index("Waited") + 1] == "5 s"
    assert "Took" not in shown
    shown = page.locator("[data-run=r3] dl").inner_text().split("\n")
    assert shown[shown.index("Took") + 1] == "1.6 s"


def test_a_past_app_shows_its_loss_and_no_seed(page: Page, stub: Stub) -> None:
    history = [{"round": n, "loss": 1 / n, "wall_s": 1.0} for n in (1, 2, 4)]
    stub.show(picture([], [run("r1", "finished", kind="app", seed=0, history=history)]))
    page.goto(stub.url)
    card = page.locator("[data-run=r1]")
    card.wait_for()
    text = card.inner_text()
    assert "seed" not in text
    assert "Test loss\n0.2500\nafter round 4" in text
    assert "1.7 MB down" in text


@pytest.mark.parametrize("width", [420, 1280])
def test_a_past_run_s_figures_fill_its_card(page: Page, stub: Stub, width: int) -> None:
    twin = [{"round": r["round"], "accuracy": r["accuracy"] + 0.02} for r in curve(10, 0.6, 0.95)]
    stub.show(picture([], [run("r1", "finished", history=curve(10, 0.6, 0.95), twin=twin)]))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(stub.url)
    figures = page.locator("[data-run=r1] dl > div:visible")
    figures.first.wait_for()
    boxes = [figure.bounding_box() for figure in figures.all()]
    lines: dict[float, int] = {}
    for box in boxes:
        assert box is not None
        lines[box["y"]] = lines.get(box["y"], 0) + 1
    assert len(boxes) == 6
    assert len(set(lines.values())) == 1, "no line of figures is half empty"


def test_two_hundred_nodes(page: Page, stub: Stub) -> None:
    nodes = [node(f"pi-{n}", "offline" if n % 50 == 0 else "ready") for n in range(1, 201)]
    stub.show(picture(nodes))
    page.goto(stub.url)
    tiles = page.locator("#fleet > *")
    page.locator("[data-node=pi-200]").wait_for()
    assert tiles.count() == 200
    assert page.locator("#fleet .name").all_inner_texts()[:3] == ["pi-1", "pi-2", "pi-3"]
    page.get_by_role("button", name="4 offline").click()
    assert tiles.count() == 4
    page.locator("#find").fill("pi-150")
    assert tiles.count() == 1
    tiles.first.click()
    page.get_by_role("button", name="Drain pi-150").click()
    page.get_by_role("button", name="Resume pi-150").wait_for()
    assert stub.posts == ["/api/v1/nodes/pi-150/drain?drained=true"]


@pytest.mark.parametrize("width", [360, 420, 1280])
def test_nothing_is_wider_than_the_window(page: Page, stub: Stub, width: int) -> None:
    long = "a-rather-long-name-of-a-board-in-the-lab-that-nobody-shortened-yet"
    nodes = [node(long, "training", labels={long: long})] + [node(name) for name in FOUR]
    stub.show(picture(nodes, [run(name=long * 2, wait=long * 4)], [event(long * 3)]))
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(stub.url)
    page.locator("#fleet .name").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
