import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curation.clustering.device_rows import chunks, settled

from .data import mixture


@given(st.lists(st.integers(0, 40), max_size=5), st.integers(1, 2000))
def test_parts_elsewhere_come_in_chunks_that_cover_every_row_once(lengths, chunk_bytes):
    """A device that only knows shapes stands in for a GPU: rows are cut, sent and placed as they would be."""
    parts = [torch.zeros((length, 8), dtype=torch.float16) for length in lengths]
    found = list(chunks(parts, "meta", chunk_bytes))
    assert all(rows.device.type == "meta" for rows, _ in found)
    assert [len(rows) for rows, _ in found] == [place.stop - place.start for _, place in found]
    assert all(0 < len(rows) <= max(1, chunk_bytes // 16) for rows, _ in found)
    assert [row for _, place in found for row in range(place.start, place.stop)] == list(range(sum(lengths)))


def test_parts_that_are_there_come_whole_and_uncopied():
    parts = [torch.from_numpy(mixture(count, 8, 2)) for count in (5, 3, 7)]
    found = list(chunks(parts, "cpu", chunk_bytes=16))
    assert [place for _, place in found] == [slice(0, 5), slice(5, 8), slice(8, 15)]
    assert [rows.data_ptr() for rows, _ in found] == [part.data_ptr() for part in parts]
    assert [part.data_ptr() for part in settled(parts, "cpu")] == [part.data_ptr() for part in parts]


def test_the_next_chunk_is_sent_before_the_last_one_is_given(monkeypatch):
    from curation.clustering import device_rows

    sent = []
    send = device_rows._sent
    monkeypatch.setattr(device_rows, "_sent", lambda rows, *to: sent.append(len(rows)) or send(rows, *to))
    stream = chunks([torch.from_numpy(mixture(6, 8, 2))], "meta", chunk_bytes=2 * 16)
    assert [len(sent) for _ in stream] == [2, 3, 3]


def test_no_rows():
    assert list(chunks([], "cpu")) == []
    assert list(chunks([torch.zeros((0, 8), dtype=torch.float16)], "meta")) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_rows_streamed_to_a_gpu_are_the_rows():
    rows = mixture(1000, 16, 3)
    found = [(part.cpu().numpy(), place) for part, place in chunks([torch.from_numpy(rows).pin_memory()], "cuda", 999)]
    assert np.array_equal(np.concatenate([part for part, _ in found]), rows)
