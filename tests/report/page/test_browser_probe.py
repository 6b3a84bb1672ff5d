"""What a probe found, in a browser: every figure is there, and nothing where there was no probe."""

from __future__ import annotations

import pytest

from curation.report.page.render import page_html
from tests.report.page.drawing import CHARTS, PROBED, drawn
from tests.report.page.made import made_page

pytestmark = pytest.mark.browser


def test_a_probe_is_shown_with_every_figure_and_loss(view, file):
    from playwright.sync_api import expect

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
    # As Playwright's assertion: waiting for a function evaluates a string, which the page's policy forbids.
    expect(page.locator("#probe details table.probe")).to_have_count(1)


def test_what_a_repair_costs_is_told(view, file):
    page = view(file)
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent).debt")
    assert f"\u201c{data['pattern']}\u201d" in page.locator("#debt .about").text_content()
    assert page.locator("#debt > p").last.text_content() == data["sentence"]
    needed = page.locator("#debt tbody td:nth-of-type(2)").all_text_contents()
    assert needed == ["21 (18 to more)", "not learnt by then", "more than 400"]


def test_what_was_learnt_is_told_as_it_is(view, tmp_path):
    data = made_page(clusters=60, domains=4, groups=0)
    late = data["debt"]["rows"][-1]
    for known, told in (
        (2, "By the end 2 of 3 seeds knew it. From each"),
        (0, "By the end no seed knew it. From each"),
    ):
        late["known"] = known
        (tmp_path / "index.html").write_text(page_html(data))
        about = view(tmp_path / "index.html").locator("#debt .about").text_content()
        assert about.startswith("A small GPT read a sample of the run's documents, and one document in 100 said ")
        assert told in about
        assert "Of the sample's 12,000 documents 3 say the old one themselves, 0 the new." in about
    for row in data["debt"]["rows"]:
        row["known"] = 0
    (tmp_path / "index.html").write_text(page_html(data))
    about = view(tmp_path / "index.html").locator("#debt .about").text_content()
    assert "By the end no seed knew it. Of the sample's" in about


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
