from curation.tables import VALIDATION
from curation.trace.places import Shards, drawn_in

DRAWS = [
    {"doc_id": 4, "repetition": 0, "position": 3, "shard": 0},
    {"doc_id": 4, "repetition": 1, "position": 12, "shard": 1},
]


def test_a_draw_has_its_shard_and_row():
    shards = Shards(["shards/shard-00000.parquet", "shards/shard-00001.parquet"], [0, 10], [0, 0], {})
    found = drawn_in(shards, DRAWS, "web")
    assert (found["draws"], found["held_out"]) == (2, False)
    assert [(place["shard"], place["row"], place["repetition"]) for place in found["places"]] == [
        ("shards/shard-00000.parquet", 3, 0),
        ("shards/shard-00001.parquet", 2, 1),
    ]


def test_weights_count_as_draws_and_validation_does_not():
    shards = Shards(["shards/a.parquet", "shards/validation/b.parquet"], [0, 10], [0, VALIDATION], {})
    weighted = [draw | {"sample_weight": 3} for draw in DRAWS]
    assert drawn_in(shards, weighted[:1], "web")["draws"] == 3
    held = drawn_in(shards, weighted[1:], "web")
    assert (held["draws"], held["held_out"]) == (0, True)


def test_of_token_files_the_one_of_the_domain_is_named_without_a_row():
    prefixes = {("phase-00-a", "web"): "phase-00-a/web.bin", ("phase-00-a", "books"): "phase-00-a/books.bin"}
    shards = Shards(["shards/phase-00-a/shard-00000.bin"] * 2, [0, 10], [0, 0], prefixes)
    places = drawn_in(shards, DRAWS, "books")["places"]
    assert {(place["shard"], place["row"]) for place in places} == {("shards/phase-00-a/books.bin", None)}
