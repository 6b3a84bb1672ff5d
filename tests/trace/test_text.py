import io

from rich.console import Console

from curation.trace.text import print_trace

HIT = {
    "rank": 1,
    "doc_id": 7,
    "domain": "web",
    "cluster": 3,
    "path": "/data/web\x1b[2J.parquet",
    "row": 5,
    "draws": 4,
    "held_out": False,
    "places": [{"shard": f"shards/shard-{number}.parquet", "row": number, "repetition": number} for number in range(4)],
    "copies": {"count": 1, "first": [{"doc_id": 9, "method": "exact", "path": "/data/b.parquet", "row": 2}]},
    "near_duplicates": 6,
}


def printed(answer):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    print_trace(answer, console)
    return console.file.getvalue()


def test_a_hit_tells_where_it_is_and_text_of_the_corpus_steers_no_terminal():
    hit = HIT | {"words": 12, "covered": 30, "passage": "[bold]evil\x1b]0;title\x07 text\nof it"}
    text = printed({"exact": {"words": 40, "least_words": 9, "documents": 3, "proven": 1, "hits": [hit]}})
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]evil ]0;title text of it" in text
    for said in ("doc 7 in web, cluster 3", "row 5", "drawn 4x", "shard-2.parquet row 2, ...", "doc 9", "6 near dup"):
        assert said in text
    assert "shard-3" not in text


def test_what_is_not_proven_or_not_read_is_told():
    hits = [HIT | {"words": 12, "covered": 30, "passage": "x"}, HIT | {"words": 5, "covered": 5, "passage": "y"}]
    text = printed({"exact": {"words": 40, "least_words": 9, "documents": 3, "proven": 1, "hits": hits}})
    assert "the first 1 are known" in text
    meaning = {"read_share": 0.25, "hits": [HIT | {"cosine": 0.75, "excerpt": "beginning", "held_out": True}]}
    text = printed({"meaning": meaning})
    assert "0.7500" in text
    assert "held out for validation" in text
    assert "read 25% of the text" in text


def test_a_text_that_is_too_short_for_a_passage_is_told_so():
    text = printed({"exact": {"words": 3, "least_words": 9, "documents": 0, "proven": 0, "hits": []}})
    assert "5 words or more" in text
