"""A browser, and pages to look at in it: of a run over hostile texts, of many clusters, and one without a probe."""

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
from curation.stages.eligible import DATA, data_key
from curation.storage.store import Store
from tests.corpus import ONE_WORKER, build
from tests.report.page.made import PLANTED, debt, made_page, probe_results

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "these tests need Chromium: on Debian, `apt-get install chromium`"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
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
    job = load_job(str(path), ONE_WORKER)
    run_job(job, Reporter(io.StringIO()))
    store = Store.open(str(folder / "run"))
    data = {"data": data_key(job, {stage: store.marker(stage) for stage in DATA})}
    results = probe_results(["web", "news", "<b>planted</b>"])
    store.write_json("probe/made/results.json", results | {"settings": results["settings"] | data})
    store.write_json("probe/latest.json", {"key": "made"})
    store.write_json("probe/debt/debt.json", debt() | {"settings": debt()["settings"] | data})
    store.write_json("probe/debt.json", {"key": "debt"})
    assert renew_page(store)
    return folder / "run/report/index.html"


@pytest.fixture(scope="session")
def large_page(tmp_path_factory):
    """A page of 2,000 clusters and 50 domains, with a probe."""
    path = tmp_path_factory.mktemp("large") / "index.html"
    path.write_text(page_html(made_page()))
    return path


@pytest.fixture(scope="session")
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
