"""The page in a browser: it draws, answers, stays quiet, and runs nothing of what the corpus holds.

Needs Debian's Chromium and the packages of the extra `browser`; run by `make test-browser`. Pages are opened as files,
as a person would open them.
"""

from __future__ import annotations

import pytest

from tests.report.page.drawing import CHARTS, drawn
from tests.report.page.made import PLANTED

pytestmark = pytest.mark.browser

#: Milliseconds in which a page is there, on a machine that others use too.
LOADED = 2000


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
    from playwright.sync_api import expect

    page = view(file)
    for summary in page.get_by_text("The same as a table").all():
        summary.click()
    # A browser tells a fold that it was opened a moment after the click.
    expect(page.locator("figure details table")).to_have_count(8)
    stretches = page.evaluate("JSON.parse(document.getElementById('data').textContent).mixture.stretches.length")
    assert page.locator("#mixture details").first.locator("tbody tr").count() == stretches


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
