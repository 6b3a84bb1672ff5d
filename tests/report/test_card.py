"""The dataset card: its header is read back, its figures are the run's, and names from outside stay text."""

from __future__ import annotations

import re

import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from curation.report.card import dataset_card
from curation.report.facts import TO_SAY
from curation.report.formats import code_to_load
from curation.report.header import json_features, size_category
from curation.report.markdown import plain
from tests.report.made import FOLDERS, HOSTILE, index, made

PARSER = MarkdownIt("commonmark").enable("table")


def head_of(card):
    """The YAML header, read as the hub reads it."""
    match = re.match(r"^---\n(.*?)\n---\n", card, re.DOTALL)
    return yaml.safe_load(match[1])


def body_of(card):
    return card.split("\n---\n", 1)[1]


def tables(card):
    """Every table as a list of rows of cells, each as it is read by a person."""
    found, row = [], None
    for token in PARSER.parse(body_of(card)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            row = []
            found[-1].append(row)
        elif token.type == "inline" and row is not None:
            row.append("".join(child.content for child in token.children))
        elif token.type == "tr_close":
            row = None
    return found


def table_of(card, first):
    return next(rows for rows in tables(card) if rows[0][: len(first)] == first)


def test_the_header_is_what_the_hub_reads():
    card = DatasetCard(dataset_card(made(validation=True)))
    assert card.data.pretty_name == "Training text from web and books"
    assert card.data.language == ["de", "en"]
    assert card.data.license == ["odc-by", "unknown"]
    assert card.data.size_categories == ["n<1K"]
    assert card.data.task_categories == ["text-generation"]
    assert {"pretraining", "deduplicated"} <= set(card.data.tags)
    assert "# Training text from `web` and `books`" in card.text
    assert "TO BE PROVIDED" in card.text


def test_a_configuration_a_phase_and_one_of_all():
    head = head_of(dataset_card(made(phases=True, validation=True)))
    first, last = (f"{folder}/shard-*.parquet" for folder in FOLDERS)
    held = {"split": "validation", "path": "validation/shard-*.parquet"}
    assert head["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": [first, last]}, held]},
        {"config_name": FOLDERS[0], "data_files": [{"split": "train", "path": first}]},
        {"config_name": FOLDERS[1], "data_files": [{"split": "train", "path": last}]},
    ]


@pytest.mark.parametrize("form", ["mds", "megatron"])
def test_what_datasets_does_not_read_has_no_configuration(form):
    head = head_of(dataset_card(made(form)))
    assert "configs" not in head
    assert head["viewer"] is False


def test_lines_have_their_types_in_the_header():
    facts = made("jsonl", phases=True, columns={"year": "int32", "score": "double", "when": "timestamp[us, tz=UTC]"})
    first, second, third = head_of(dataset_card(facts))["dataset_info"]
    assert [part["config_name"] for part in (first, second, third)] == ["default", *FOLDERS]
    assert first["features"] == second["features"] == third["features"]
    *keys, metadata = first["features"]
    assert keys == [{"name": name, "dtype": "string"} for name in ("id", "text", "source")]
    assert {one["name"]: one["dtype"] for one in metadata["struct"]} == {
        "doc_id": "int64",
        "cluster": "int32",
        "repetition": "int16",
        "year": "int32",
        "score": "float64",
        "when": "string",
    }
    assert json_features(index("jsonl", columns={"tags": "list<item: string>"})) == []


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (10**9, "1B<n<10B"), (10**12 - 1, "100B<n<1T"), (10**12, "n>1T")],
)
def test_size_categories(rows, name):
    assert size_category(rows) == name


def test_the_figures_are_those_of_the_run():
    facts = made(phases=True, validation=True, strategy="proportional", reason="cookie banners")
    card = dataset_card(facts)
    assert table_of(card, ["part"])[1:] == [
        ["train", "3", "700", "7,000", "28,000", "11,900"],
        [FOLDERS[0], "2", "600", "6,000", "24,000", "10,200"],
        [FOLDERS[1], "1", "100", "1,000", "4,000", "1,700"],
        ["validation", "1", "20", "200", "800", "340"],
    ]
    assert table_of(card, ["domain", "licence, as declared"])[1:] == [
        ["web", "ODC-By-1.0", "language: en, de, origin: crawl", "2", "5,000", "515"],
        ["books", TO_SAY, "-", "1", "5,001", "516"],
    ]
    assert table_of(card, ["domain", "documents to draw from"])[1:] == [
        ["web", "100", "1,001", "65", "651", "70", "701", "50.00%"],
        ["books", "101", "1,002", "66", "652", "71", "702", "50.00%"],
    ]
    assert table_of(card, ["phase", "domain"])[1:] == [
        [folder, name, "50.00%", "50.00%"] for folder in FOLDERS for name in ("web", "books")
    ]
    assert table_of(card, ["times used"])[1:] == [["0", "350"], ["1", "610"], ["2", "30"], ["3", "10"]]
    assert [name for name, *_ in table_of(card, ["column"])[1:]] == list(facts.index["columns"])
    for told in (
        "1,030 documents in 4 files, 10,300 tokens, 41,200 bytes of text. 3 could not be used",
        "27 exact copies",
        "384 dimensions, float32, weights sha256 " + "e" * 64,
        "It read 75.0% of the text: of 123 documents only a part.",
        "20 clusters",
        "20 documents (200 tokens), stratified by cluster and domain, were set aside",
        "each cluster's goes by its size to the power of 0.5; no document is used more than 2 times",
        "every cluster gets the same (ClusterClip, arXiv 2402.14526); no document is used more than 3 times",
        "650 different documents with 6,500 tokens make 700 draws with 7,000 tokens, at most 3 of one document",
        "350 of 1,000 documents are not used at all",
        "2 clusters look like junk",
        "11 documents with 110 tokens, because: `cookie banners`",
        "The domain `books` has 50.00% of the tokens here, and 10.00% in the sources.",
        "5" * 64,
    ):
        assert told in card


@pytest.mark.parametrize(
    ("grouping", "told"), [("kmeans", "the vectors nearest to each"), ("spectral", "even over the groups of the first")]
)
def test_a_second_fit_is_told(grouping, told):
    facts = made()
    assert "second fit" not in dataset_card(facts)
    facts.recipe["clustering"]["grouping"] = grouping
    [line] = [line for line in dataset_card(facts).splitlines() if "second fit" in line]
    assert told in line


def test_many_uses_are_counted_together():
    facts = made()
    facts.summary["plan"]["repetitions"] = [1] * 30
    rows = table_of(dataset_card(facts), ["times used"])
    assert len(rows) == 12
    assert rows[-1] == ["10 and more", "20"]


def test_weights_instead_of_copies_are_told():
    assert "written once" not in dataset_card(made())
    assert "Each is written once a phase" in dataset_card(made(columns={"sample_weight": "int32"}))


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ({"bytes_per_token": 3.5}, "bytes of UTF-8 text over 3.5"),
        ({"count": "approximate", "bytes_per_token": None, "tokenizer": None}, "bytes of UTF-8 text over 4."),
        ({"count": "approximate", "bytes_per_token": None, "tokenizer": "t.json"}, "with the tokenizer `t.json`"),
        ({"count": "model", "tokenizer": "tokenizer.json"}, "those of the tokenizer `tokenizer.json`"),
        ({"count": "column", "column": "n_tokens"}, "column `n_tokens`"),
    ],
)
def test_how_tokens_are_counted(tokens, told):
    facts = made()
    facts.recipe["tokens"] = tokens
    assert told in dataset_card(facts)


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ("parquet", [FOLDERS[0], "validation", "load_dataset"]),
        ("jsonl", [FOLDERS[0], "validation", "load_dataset"]),
        ("mds", [*FOLDERS, "validation", "StreamingDataset"]),
        ("megatron", [*FOLDERS, "--data-path", "3000 "]),
        ("index", ["IndexDataset"]),
    ],
)
@pytest.mark.parametrize("phases", [False, True])
def test_how_to_load_each_format(form, named, phases):
    facts = made(form, phases, validation=True)
    language, text = code_to_load(facts.index)
    assert f"```{language}\n{text}\n```" in dataset_card(facts)
    if language == "python":
        compile(text, form, "exec")
    assert [name for name in named if name not in text] == ([] if phases else [n for n in named if n in FOLDERS])


def hostile_card(name):
    return dataset_card(
        made(
            phases=True,
            domains=(name, name + "2"),
            licences=(name, name),
            declared=({name: name}, {}),
            strategy="proportional",
            reason=name,
            model=name,
            columns={name: "string"},
        )
    )


def check_stays_text(name):
    card = hostile_card(name)
    head = head_of(card)
    assert head.keys() <= {
        "pretty_name",
        "language",
        "license",
        "task_categories",
        "size_categories",
        "tags",
        "configs",
    }
    assert "licence" not in head
    assert set(head["license"]) <= {"other", "unknown"} or name.lower().strip() in head["license"][0]
    blocks = PARSER.parse(body_of(card))
    inline = [child for block in blocks for child in block.children or []]
    assert {child.type for child in inline} <= {"text", "code_inline", "softbreak"}
    html = [block.content.strip() for block in blocks if block.type == "html_block"]
    assert html == ["<details><summary>The keys</summary>", "</details>"]
    shown = plain(name) or "(empty)"
    if shown.strip() == shown:
        assert table_of(card, ["domain", "licence, as declared"])[1][:3] == [shown, shown, f"{shown}: {shown}"]
    fences = [block for block in blocks if block.type == "fence"]
    assert yaml.safe_load(fences[-1].content)["sources"][0]["domain"] == name
    headings = [block.tag for block in blocks if block.type == "heading_open"]
    assert headings == ["h1", *["h2"] * 7]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_means_something_stays_text(name):
    check_stays_text(name)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("`|\\<>[]()!*_#-:&~\n\"'a "), min_size=1, max_size=12).filter(str.strip))
def test_any_name_stays_text(name):
    check_stays_text(name)


def test_the_same_facts_give_the_same_bytes():
    assert dataset_card(made(validation=True)) == dataset_card(made(validation=True))
