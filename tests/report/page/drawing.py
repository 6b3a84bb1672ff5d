"""Charts of a page in a browser."""

from __future__ import annotations

#: Charts of a page with a probe, and of its section.
CHARTS, PROBED = 9, 4


def drawn(page):
    """Scrolls to the end, so that every chart is drawn; how many there are."""
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("canvas").first.wait_for()
    return page.locator(".chart canvas").count()
