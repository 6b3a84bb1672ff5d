from hypothesis import given
from hypothesis import strategies as st

from curation.stages.cuml_rank import even_pieces

Counts = st.dictionaries(st.integers(0, 20), st.integers(0, 50), max_size=8).filter(lambda c: sum(c.values()))


@given(Counts, st.integers(1, 9))
def test_every_row_is_in_one_piece_and_ranks_differ_by_one(counts, ranks):
    pieces = even_pieces(counts, ranks)
    held = [sum(piece.stop - piece.start for piece in mine) for mine in pieces]
    assert len(pieces) == ranks
    assert max(held) - min(held) <= 1
    rows = [(piece.split_id, row) for mine in pieces for piece in mine for row in range(piece.start, piece.stop)]
    assert rows == [(split, row) for split, count in counts.items() for row in range(count)]
