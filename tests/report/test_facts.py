import pytest

from curation.report.facts import VALIDATION, declared_licences, hub_licenses, languages, phases, splits, title
from tests.report.made import FOLDERS, index, made


def source(licence=None, **facts):
    return {"domain": "web", "licence": licence, "facts": facts}


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        ("ODC-By-1.0", "odc-by"),
        ("Apache-2.0", "apache-2.0"),
        (" MIT ", "mit"),
        ("CC-BY-SA-4.0", "cc-by-sa-4.0"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("LGPL-2.1-only", "lgpl-2.1"),
        ("BSD-3-Clause", "bsd-3-clause"),
        ("EUPL-1.2", "eupl-1.2"),
        ("CDLA-Permissive-2.0", "cdla-permissive-2.0"),
        ("CC0-1.0", "cc0-1.0"),
        ("PSF-2.0", "other"),
        ("ours, ask us", "other"),
        ("mit\nlicense: cc0-1.0", "other"),
        (None, "unknown"),
        ("  ", "unknown"),
    ],
)
def test_licences_by_the_hubs_names(licence, name):
    assert hub_licenses([source(licence)]) == [name]


def test_each_licence_once_and_what_says_nothing_last():
    sources = [source(None), source("MIT"), source("ours"), source("Apache-2.0"), source("MIT")]
    assert hub_licenses(sources) == ["apache-2.0", "mit", "other", "unknown"]
    assert declared_licences(sources) == ["MIT", "ours", "Apache-2.0"]


def test_languages_are_those_that_are_declared_as_codes():
    sources = [source(language="en, de"), source(language="pt-BR;en"), source(language="English"), source(period="fr")]
    assert languages(sources) == ["de", "en", "pt-BR"]


@pytest.mark.parametrize(
    ("domains", "wanted"),
    [
        (["a"], "Training text from a"),
        (["a", "b"], "Training text from a and b"),
        (["a", "b", "c"], "Training text from a, b and c"),
        (["a", "b", "c", "d"], "Training text from a, b, c and 1 more domain"),
        ([str(number) for number in range(1003)], "Training text from 0, 1, 2 and 1,000 more domains"),
    ],
)
def test_titles(domains, wanted):
    facts = made()
    facts.sources[:] = [{"domain": name} for name in domains]
    assert title(facts) == wanted


def test_phases_take_the_shards_in_their_order():
    first, second = phases(index(phases=True))
    assert [part.folder for part in (first, second)] == list(FOLDERS)
    assert [len(part.shards) for part in (first, second)] == [2, 1]
    assert (first.total("rows"), second.total("tokens")) == (600, 1_000)
    assert phases(index()) == []


def test_patterns_name_every_shard_once():
    train, held = splits(index(phases=True, validation=True, suffix=".jsonl.zst"))
    assert train.patterns == [f"{folder}/shard-*.jsonl.zst" for folder in FOLDERS]
    assert held.patterns == [f"{VALIDATION}/shard-*.jsonl.zst"]
    assert [part.name for part in splits(index())] == ["train"]
