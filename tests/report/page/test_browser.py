"""The page in a browser: it draws, answers, stays quiet, and runs nothing of what the corpus holds.

Needs Debian's Chromium and the packages of the extra `browser`; run by `make test-browser`. Pages are opened as files,
as a person would open them.
"""

from __future__ import annotations

import io
import json
import shutil

import pytest

from curation.job_file import load_job
from curation.page_again import renew_page
from curation.pipeline import run_job
from curation.progress import Reporter
from curation.report.page.render import page_html
from curation.storage.store import Store
from tests.corpus import ONE_WORKER, build
from tests.report.page.made import PLANTED, debt, made_page, probe_results

pytestmark = pytest.mark.browser

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
#: Charts of a page with a probe, and of its section.
CHARTS, PROBED = 9, 4
#: Milliseconds in which a page is there, on a machine that others use too.
LOADED = 2000


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "these tests need Chromium: on Debian, `apt-get install chromium`"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def run_page(tmp_path_factory, ray_session):
    """The page of a run over texts of which some are HTML."""
    folder = tmp_path_factory.mktemp("run")
    sources = build(folder)
    planted = [f"{text} markup hidden tag element number{number}" for number in range(30) for text in PLANTED]
    (folder / "planted.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in planted))
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {folder}/run\nsources:{sources}  - {{domain: '<b>planted</b>', path: {folder}/planted.jsonl}}\n"
        "embedding: {model: lexical, dimensions: 16}\nclustering: {clusters: [12, 4]}\n"
    )
    run_job(load_job(str(path), ONE_WORKER), Reporter(io.StringIO()))
    store = Store.open(str(folder / "run"))
    store.write_json("probe/made/results.json", probe_results(["web", "news", "<b>planted</b>"]))
    store.write_json("probe/latest.json", {"key": "made"})
    store.write_json("probe/debt/debt.json", debt())
    store.write_json("probe/debt.json", {"key": "debt"})
    assert renew_page(store)
    return folder / "run/report/index.html"


@pytest.fixture(scope="module")
def large_page(tmp_path_factory):
    """A page of 2,000 clusters and 50 domains, with a probe."""
    path = tmp_path_factory.mktemp("large") / "index.html"
    path.write_text(page_html(made_page()))
    return path


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory):
    """A page of a run that was not probed."""
    path = tmp_path_factory.mktemp("plain") / "index.html"
    path.write_text(page_html(made_page(clusters=60, domains=4, groups=0, probed=False)))
    return path


@pytest.fixture(params=["run", "large"])
def file(request):
    return request.getfixturevalue(f"{request.param}_page")


@pytest.fixture
def view(browser):
    """Opens a page; afterwards nothing may have been asked for, printed or run."""
    contexts, heard = [], []

    def show(path, scheme="light", width=1280):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: heard.append(request.url) if request.url != path.as_uri() else None)
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield show
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.planted") is None
            assert "Curation report" in page.title()
            page.close()
        context.close()
    assert heard == []


def drawn(page):
    """Scrolls to the end, so that every chart is drawn; how many there are."""
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("canvas").first.wait_for()
    return page.locator(".chart canvas").count()


def test_it_is_there_within_two_seconds_and_nothing_jumps(view, file):
    page = view(file)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    assert timing["loadEventEnd"] < LOADED
    assert drawn(page) == CHARTS
    shifts = "new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().map(e => e.value)))"
    shifts += ".observe({type: 'layout-shift', buffered: true})) "
    moved = page.evaluate(f"Promise.race([{shifts}, new Promise((done) => setTimeout(() => done([]), 500))])")
    assert sum(moved) < 0.02


def test_what_is_planted_is_shown_as_text(view, run_page):
    page = view(run_page)
    page.get_by_role("searchbox").fill("hidden markup")
    page.get_by_role("status").filter(has_text=" of 12 clusters").wait_for()
    page.locator("#clusters button.open").first.click()
    quoted = " ".join(page.locator("#clusters blockquote").all_text_contents())
    assert any(text.split()[0] in quoted for text in PLANTED)
    assert page.locator("#balance").get_by_text("<b>planted</b>").count() == 1
    assert page.locator("main img, main svg, main script, main b").count() == 0


def test_a_click_on_the_map_shows_a_cluster(view, file):
    page = view(file)
    drawn(page)
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent).clusters")
    name = page.locator("#chosen-title")
    assert name.text_content() == f"Cluster {data['cluster'][0]}"
    page.locator("#map .chart").scroll_into_view_if_needed()
    box = page.locator("#map .chart").bounding_box()
    # The largest circle lies behind smaller ones; one that no other covers is looked for from the smallest on.
    for place in reversed(range(len(data["cluster"]))):
        x, y = (box["width"] * (data["x"][place] + 1.08) / 2.16, box["height"] * (1.08 - data["y"][place]) / 2.16)
        page.locator("#map .chart").click(position={"x": x, "y": y})
        if name.text_content() == f"Cluster {data['cluster'][place]}":
            break
    assert name.text_content() == f"Cluster {data['cluster'][place]}"
    assert place > 0
    texts = page.locator("#map blockquote").all_text_contents()
    assert texts == data["examples"][place]
    page.get_by_role("button", name="the next larger cluster").click()
    assert name.text_content() == f"Cluster {data['cluster'][place - 1]}"
    page.get_by_role("radio", name="domain", exact=True).check()
    assert page.locator("#map .legend li").first.text_content() != "a quarter of its share or less"


def test_the_table_sorts_by_every_column_both_ways(view, file):
    page = view(file)
    for column in ("Cluster", "Documents", "Coherence", "Most from"):
        head = page.locator("#clusters thead th").filter(has=page.get_by_role("button", name=column, exact=True))
        seen = set()
        for _ in range(2):
            head.get_by_role("button").click()
            seen.add(head.get_attribute("aria-sort"))
        assert seen == {"ascending", "descending"}
    page.get_by_role("button", name="Documents", exact=True).click()
    shown = page.locator("#clusters tbody tr td:nth-of-type(2)").all_text_contents()
    numbers = [int(text.replace(",", "")) for text in shown]
    assert numbers == sorted(numbers, reverse=True)


def test_2000_clusters_are_searched_and_sorted_without_a_stall(view, large_page):
    page = view(large_page)
    told = page.get_by_role("status")
    assert told.text_content() == "2,000 clusters; the first 100 are shown"
    took = page.evaluate(
        "(() => { const begun = performance.now();"
        " document.querySelectorAll('#clusters .sort')[2].click(); document.body.offsetHeight;"
        " return performance.now() - begun; })()"
    )
    assert took < 500
    page.get_by_role("searchbox").fill("term1234")
    told.filter(has_text="1 of 2,000 clusters").wait_for()
    assert page.locator("#clusters tbody tr").count() == 1
    page.get_by_role("searchbox").fill("")
    told.filter(has_text="the first 100 are shown").wait_for()
    page.get_by_role("button", name="Show 500 more").click()
    assert page.locator("#clusters tbody tr").count() == 600
    page.get_by_role("radio", name="at the clip").check()
    told.filter(has_text=" of 2,000 clusters").wait_for()
    page.get_by_role("button", name="Show all 50").click()
    assert page.locator("#balance table").first.locator("tbody tr").count() == 50


def test_figures_of_charts_are_there_as_tables(view, file):
    page = view(file)
    for summary in page.get_by_text("The same as a table").all():
        summary.click()
    # A browser tells a fold that it was opened a moment after the click.
    page.wait_for_function("document.querySelectorAll('figure details table').length === 8")
    stretches = page.evaluate("JSON.parse(document.getElementById('data').textContent).mixture.stretches.length")
    assert page.locator("#mixture details").first.locator("tbody tr").count() == stretches


def test_a_probe_is_shown_with_every_figure_and_loss(view, file):
    page = view(file)
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent).probe")
    assert page.locator("#probe .findings p").text_content() == data["sentence"]
    assert page.locator("#probe .findings .verdict").text_content() == data["verdict"]
    rows = page.locator("#probe table.probe").first.locator("tbody tr")
    assert rows.count() == len(data["strategies"])
    assert rows.first.locator("th").text_content() == data["best"]
    assert page.locator("#probe .chart").count() == PROBED
    drawn(page)
    for metric in page.locator("#probe .choice label").all():
        metric.click()
    assert page.locator("#probe .choice label").count() == len(data["metrics"])
    assert page.locator("#probe").get_by_text("rank correlation of 0.83").count() == 1
    others = page.get_by_text("The same by the small GPT")
    others.click()
    page.wait_for_function("document.querySelectorAll('#probe details table.probe').length === 1")


def test_what_a_repair_costs_is_told(view, file):
    page = view(file)
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent).debt")
    assert f"\u201c{data['pattern']}\u201d" in page.locator("#debt .about").text_content()
    assert page.locator("#debt > p").last.text_content() == data["sentence"]
    needed = page.locator("#debt tbody td:nth-of-type(2)").all_text_contents()
    assert needed == ["21 (18 to more)", "not learnt by then", "more than 400"]


def test_a_run_that_was_not_probed_has_no_such_section(view, plain_page):
    page = view(plain_page)
    assert drawn(page) == CHARTS - PROBED
    assert page.locator("#probe, #debt").count() == 0
    assert page.get_by_role("link", name="Does it help?").count() == 0


#: The first place, from the upper left, at which the cursor becomes a pointer: a point is there.
FIND_POINT = """chart => {
  const area = chart.firstElementChild, box = area.getBoundingClientRect();
  for (let y = 20; y < box.height - 60; y += 4)
    for (let x = 150; x < box.width; x += 4) {
      area.dispatchEvent(new MouseEvent("mousemove", {clientX: box.left + x, clientY: box.top + y, bubbles: true}));
      if (area.style.cursor === "pointer") return {x: box.left + x, y: box.top + y};
    }
  return null;
}"""


def test_a_point_of_a_probe_tells_its_figures(view, large_page):
    page = view(large_page)
    chart = page.locator("#probe .chart").first
    chart.scroll_into_view_if_needed()
    chart.locator("canvas").first.wait_for()
    page.mouse.move(1, 1)
    before = chart.screenshot()
    place = chart.evaluate(FIND_POINT)
    assert place is not None
    page.mouse.move(place["x"], place["y"])
    assert chart.screenshot() != before


def test_the_theme_is_switched_and_remembered(view, run_page):
    page = view(run_page)
    drawn(page)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Switch to the dark theme").click()
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    assert page.evaluate(colour) == dark
    page.get_by_role("button", name="Switch to the light theme").click()
    assert page.evaluate(colour) == light
    assert view(run_page, scheme="dark").evaluate(colour) == dark


def test_it_is_used_from_the_keyboard(view, run_page):
    page = view(run_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("#clusters button.open").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#clusters tr.more").count() == 1
    page.get_by_role("button", name="Epochs", exact=True).focus()
    page.keyboard.press("Space")
    assert page.locator("#clusters th[aria-sort]").text_content() == "Epochs"
    page.get_by_role("button", name="the next smaller cluster").focus()
    before = page.locator("#chosen-title").text_content()
    page.keyboard.press("Enter")
    assert page.locator("#chosen-title").text_content() != before


def test_a_phone_shows_it_without_sideways_scrolling(view, file):
    page = view(file, width=390)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_prints_every_chart(view, file):
    page = view(file, scheme="dark")
    printed = page.pdf(format="A4")
    assert len(printed) > 50_000
    assert page.locator(".chart canvas").count() == CHARTS
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(view, file, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = view(file, scheme=scheme)
    drawn(page)
    page.locator("#clusters button.open").first.click()
    for summary in page.locator("summary").all():
        summary.click()
    found = Axe().run(page).response["violations"]
    serious = [
        (rule["id"], [node["html"] for node in rule["nodes"]][:3])
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    ]
    assert serious == []
