"""The budget of a GPU's batches: within the memory, as fast as any that was tried, and no larger than it need be."""

from hypothesis import given
from hypothesis import strategies as st

from curation.config import Embedding
from curation.embedding.budget import CPU_BATCH_TOKENS, LEAST_GAIN, Budget, measured_budget
from curation.embedding.create import create_encoder
from curation.embedding.resolve import resolve


@given(st.integers(1, 1 << 22), st.floats(1, 1e7), st.floats(1, 1e6))
def test_a_climbing_rate_is_followed_until_it_is_level_or_memory_ends(memory, most, half):
    """Batches of `half` tokens reach half of the rate `most`, as where every batch costs a constant more."""
    tried = []

    def rate(tokens):
        tried.append(tokens)
        return most * tokens / (tokens + half) if tokens <= memory else None

    found = measured_budget(rate)
    assert found.found == "measured"
    assert list(found.rates) == [tokens for tokens in tried if tokens <= memory]
    if not found.rates:
        assert found.tokens == 4096
        return
    assert found.tokens <= memory
    assert found.rates[found.tokens] * (1 + LEAST_GAIN) >= max(found.rates.values())
    smaller = [tokens for tokens in found.rates if tokens < found.tokens]
    assert all(found.rates[tokens] * (1 + LEAST_GAIN) < max(found.rates.values()) for tokens in smaller)
    following = 2 * max(found.rates)
    level = len(found.rates) > 1 and found.rates[following // 2] < found.rates[following // 4] * (1 + LEAST_GAIN)
    assert level or following > min(memory, 1 << 20)  # nothing that fits and might be faster was left untried


def test_a_rate_that_falls_ends_the_search():
    rates = {4096: 10.0, 8192: 20.0, 16384: 15.0}
    assert measured_budget(rates.__getitem__) == Budget(8192, "measured", rates)


def test_auto_is_fixed_on_a_cpu_and_a_number_is_taken_as_it_is(tiny_bert):
    for asked, tokens, found in (("auto", CPU_BATCH_TOKENS, "fixed"), (8192, 8192, "given"), (64, 64, "given")):
        embedding = Embedding(model=str(tiny_bert), max_tokens=64, batch_tokens=asked)
        encoder = create_encoder(resolve(embedding), embedding)
        assert (encoder.batch_tokens, encoder.taken["found"]) == (tokens, found)
        assert encoder.encode(["sun"]).batch_tokens == tokens
