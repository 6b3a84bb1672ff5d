"""The small GPT on streams that can be learnt, and against what is computed one token at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from curation.bpe import train_bpe
from curation.errors import RunError
from curation.language_model import gpt, gpt_layers
from curation.language_model.encoding import Encoded, encode_each
from curation.language_model.gpt import (
    GptConfig,
    continuation,
    gpt_losses,
    log_probabilities,
    next_token,
    train_gpt,
)
from curation.language_model.gpt_training import Training, rate_share

SMALL = GptConfig(vocabulary=40, width=16, layers=2, heads=2, context=16, batch=4, learning_rate=1e-2)


@pytest.fixture
def in_float32(monkeypatch):
    monkeypatch.setattr(gpt_layers, "in_bfloat16", lambda device: False)


def chain(tokens, seed=0):
    """Documents of 30 tokens in which each token but the first follows from the one before."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((tokens // 31, 31), np.uint16)
    rows[:, 0] = rng.integers(1, 33, len(rows))
    for place in range(1, 30):
        rows[:, place] = (rows[:, place - 1] * 5 + 3) % 32 + 1
    return Encoded(rows.ravel(), np.arange(len(rows) + 1) * 31)


def test_what_can_be_learnt_is_learnt():
    validation = chain(600, seed=1)
    shares = np.bincount(validation.tokens) / len(validation.tokens)
    entropy = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
    losses = gpt_losses(train_gpt(chain(6_000).tokens, SMALL, 0, 1), validation)
    assert losses.shape == (validation.documents,)
    assert losses.mean() < 0.5 * entropy


def test_a_seed_gives_one_model_and_another_seed_another_one():
    stream, validation = chain(800).tokens, chain(200, seed=1)
    first, again, other = (gpt_losses(train_gpt(stream, SMALL, seed, 1), validation) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_training_that_was_stopped_comes_to_the_same(monkeypatch):
    monkeypatch.setattr(gpt, "KEEP_SECONDS", -1.0)
    stream, validation = chain(700).tokens, chain(200, seed=1)
    states: list[bytes] = []
    whole = train_gpt(stream, SMALL, 0, 1, keep=states.append)
    assert len(states) == (len(stream) - 1) // SMALL.step_tokens
    for state in (states[0], states[7], states[-1]):
        resumed = train_gpt(stream, SMALL, 0, 1, state=state)
        assert np.array_equal(gpt_losses(resumed, validation), gpt_losses(whole, validation))


def test_a_model_to_start_from_is_gone_on_with_and_stays_as_it_is():
    stream, validation = chain(4_000).tokens, chain(200, seed=1)
    first = train_gpt(stream, SMALL, 0, 1)
    before = gpt_losses(first, validation)
    further = train_gpt(stream[:200], SMALL, 5, 1, start=first)
    assert np.array_equal(gpt_losses(first, validation), before)
    fresh = train_gpt(stream[:200], SMALL, 5, 1)
    assert gpt_losses(further, validation).mean() < gpt_losses(fresh, validation).mean() - 0.5


def test_the_order_of_the_stream_matters_and_what_is_less_than_a_step_does_not():
    stream, validation = chain(1_000).tokens, chain(200, seed=1)
    whole = gpt_losses(train_gpt(stream[:513], SMALL, 0, 1), validation)
    assert np.array_equal(whole, gpt_losses(train_gpt(stream[:540], SMALL, 0, 1), validation))
    assert not np.array_equal(whole, gpt_losses(train_gpt(stream[:513][::-1].copy(), SMALL, 0, 1), validation))


def test_a_stream_of_less_than_a_step_is_refused():
    with pytest.raises(RunError, match="a step reads 64 tokens, and there are 64"):
        train_gpt(np.ones(64, np.uint16), SMALL, 0, 1)


@pytest.mark.usefixtures("in_float32")
def test_losses_are_those_of_windows_that_begin_at_the_document():
    model = train_gpt(chain(1_000).tokens, SMALL, 0, 1)
    lengths = [1, 5, 16, 18]
    validation = Encoded(chain(1_000).tokens[: sum(lengths)], np.cumsum([0, *lengths]))
    for number, loss in enumerate(gpt_losses(model, validation)):
        document = validation.tokens[validation.starts[number] : validation.starts[number + 1]]
        total = 0.0
        for place, token in enumerate(document.tolist()):
            window = place // 16 * 16
            seen = document[max(0, window - 1) : place]
            # next_token reads an end token first, which is what stands before the document
            row = next_token(model, [seen])[0] if window == 0 else _after(model, seen)
            total -= row[token]
        assert loss == pytest.approx(total / len(document), abs=1e-4)


def _after(model, seen):
    """The log probabilities after tokens with nothing before them."""
    with torch.inference_mode():
        known = model.decoder(torch.from_numpy(seen.astype(np.int64))[None])
        return torch.log_softmax(model.decoder.scores(known[0, -1]), 0).numpy()


@pytest.mark.usefixtures("in_float32")
def test_continuations_are_the_sums_over_their_tokens():
    bpe = train_bpe(["the cat sat on the mat", "a dog ran to the cat"] * 5, 280)
    text = " ".join(["the cat sat on the mat"] * 200)
    model = train_gpt(encode_each(bpe, [text])[0], GptConfig(**{**vars(SMALL), "vocabulary": 280}), 0, 1)
    told = continuation(model, bpe, "the cat sat", [" on the", " ran", " zebra"])
    prompt = encode_each(bpe, ["the cat sat"])[0]
    for words, value in zip([" on the", " ran", " zebra"], told, strict=True):
        total, before = 0.0, prompt
        for token in encode_each(bpe, [words])[0]:
            total += next_token(model, [before])[0, token]
            before = np.append(before, token)
        assert value == pytest.approx(total, abs=1e-4)
    assert told.argmax() == 0
    assert np.exp(next_token(model, [prompt, prompt[:1]])).sum(axis=1) == pytest.approx(1.0)
    with pytest.raises(RunError, match="a continuation has"):
        continuation(model, bpe, "the", [""])


@pytest.mark.usefixtures("in_float32")
def test_a_long_prompt_is_cut_at_its_beginning_and_rows_can_differ_in_length():
    model = train_gpt(chain(1_000).tokens, SMALL, 0, 1)
    tokens = chain(500, seed=2).tokens
    assert np.allclose(next_token(model, [tokens[4:60]])[0], _after(model, tokens[44:60]), atol=1e-4)
    rows = [tokens[:17], tokens[3:5], tokens[20:30]]
    together = log_probabilities(model, rows)
    assert [len(row) for row in together] == [16, 1, 9]
    for row, found in zip(rows, together, strict=True):
        assert np.allclose(log_probabilities(model, [row])[0], found, atol=1e-5)


def test_the_loss_and_its_gradient_are_those_of_the_cross_entropy():
    torch.manual_seed(0)
    known, tokens = torch.randn(12, 8, requires_grad=True), torch.randn(20, 8, requires_grad=True)
    targets = torch.randint(0, 20, (12,))
    (3 * gpt_layers.TiedLoss.apply(known, tokens, targets, torch.float32)).backward()
    found = known.grad.clone(), tokens.grad.clone()
    known.grad = tokens.grad = None
    (3 * functional.cross_entropy(known @ tokens.t(), targets)).backward()
    assert torch.allclose(found[0], known.grad, atol=1e-6)
    assert torch.allclose(found[1], tokens.grad, atol=1e-6)


def test_nothing_is_seen_of_what_comes_later():
    decoder = Training(SMALL, 1, 0).gpt.decoder
    rows = torch.arange(32).view(2, 16)
    rows[1] = rows[0]
    rows[1, 9:] += 5
    with torch.inference_mode():
        known = decoder(rows)
    assert torch.equal(known[0, :9], known[1, :9])
    assert not torch.allclose(known[0, 9:], known[1, 9:])


def test_the_learning_rate_rises_and_falls_or_stays():
    rates = [rate_share(step, 100, GptConfig(warm_up=0.1)) for step in range(130)]
    assert np.argmax(rates) == 10
    assert rates[10] == 1.0
    assert np.all(np.diff(rates[10:101]) < 0)
    assert rates[100:] == pytest.approx([0.1] * 30)
    assert {rate_share(step, 100, GptConfig(final_rate=1.0)) for step in range(10, 200)} == {1.0}


def test_parameters_are_counted():
    model = Training(SMALL, 1, 0).gpt
    assert SMALL.parameters == sum(weights.numel() for weights in model.decoder.parameters())
