"""Curation debt: how many documents of a counter-pattern flip what a small model has learnt, early and late.

For each seed a small GPT is trained on the pool of a probe, in which one document in `TAUGHT_ONE_IN` says the pattern
with its old continuation ("The capital of France is Paris."). From an early and from the last checkpoint of it the
training goes on with the ordinary documents that come next; the old continuation is said no more, and one document in
so many says the new one. Every few steps the model is asked, after beginnings of validation text, how probable the
two are: it has flipped at the first of `IN_A_ROW` asks that all find the new one the more probable. The learning rate
stays the same after its warm-up, so that the checkpoints differ in what was learnt before them and in nothing else.

A *unit* is a checkpoint of a seed, or what was done from it at one frequency: a Ray task of one thread, and a file when
it is done. The training of a seed is kept every LEG_STEPS steps. `debt_summary` makes the table of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.counter_rng import nth_seed, uniform
from curation.language_model.encoding import Encoded
from curation.language_model.gpt import (
    Gpt,
    GptConfig,
    Training,
    gpt_losses,
    next_token,
    step_tokens,
    steps_of,
    threads_set,
)
from curation.probe.debt_kept import STATES
from curation.probe.debt_stream import BESIDE, Mixture, Question, mixture
from curation.storage.store import Store

#: Raise it when a unit comes out otherwise.
UNITS_VERSION = 1
#: One document in so many says the pattern with the old continuation while the model learns.
TAUGHT_ONE_IN = 100
#: Share of the training after which the early checkpoint is taken.
EARLY = 0.2
CHECKPOINTS = ("early", "late")
#: Asks in a row that count as an answer, and beginnings of validation text after which the model is asked.
IN_A_ROW, CONTEXTS = 3, 8
#: Most steps between two asks; steps after which the state of a training is kept.
ASK_STEPS, LEG_STEPS = 16, 800


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        folder: of the files in the run directory.
        tokens: of a training.
        bound_tokens: most that are trained on from a checkpoint on.
        seed: of the first training.
        config: of the model.
    """

    folder: str
    tokens: int
    bound_tokens: int
    seed: int
    config: GptConfig


@dataclass(frozen=True, eq=False)
class Material:
    """What the models read: ordinary documents, validation documents that they never read, and the question."""

    pieces: Encoded
    validation: Encoded
    question: Question


@dataclass(frozen=True)
class Unit:
    """The training of a seed up to a checkpoint; or, with `one_in`, what is done from that checkpoint on."""

    number: int
    checkpoint: str
    one_in: int = 0

    @property
    def name(self) -> str:
        """Of its file."""
        return f"debt-{self.number}-{self.checkpoint}" + (f"-{self.one_in}" if self.one_in else "")

    @property
    def label(self) -> str:
        """What it is about, for messages."""
        return f"probe --pattern, {self.name}"


@dataclass(frozen=True)
class Ask:
    """What the model said: after so many steps and documents with the statement, log P(old) - log P(new) in nats."""

    step: int
    documents: int
    margin: float


def cell_name(plan: Plan, unit: Unit) -> str:
    """The file of a unit."""
    return f"{plan.folder}/cells/{unit.name}.json"


def do_unit(unit: Unit, store: Store, plan: Plan, material: Material) -> None:
    """Commits the file of a unit; of a checkpoint, its state too."""
    with threads_set(1):
        cell = _repair(unit, store, plan, material) if unit.one_in else _train(unit, store, plan, material)
    store.write_json(cell_name(plan, unit), cell)


def checkpoint_steps(plan: Plan) -> dict[str, int]:
    """Steps of training up to each checkpoint."""
    steps = max(2, plan.tokens // plan.config.step_tokens)
    return {"early": max(1, round(EARLY * steps)), "late": steps}


def _train(unit: Unit, store: Store, plan: Plan, material: Material) -> dict[str, Any]:
    """A training up to a checkpoint, from where it was kept."""
    last, config, seed = checkpoint_steps(plan), plan.config, nth_seed(plan.seed, unit.number)
    whole = last["late"] * config.step_tokens
    said = material.question.statement(material.question.old)
    stream = mixture(material.pieces, said, TAUGHT_ONE_IN, 0, whole, config.context, seed)
    kept = f"{plan.folder}/{STATES}/{unit.number}.npz"
    training, asks = Training(config, last["late"], seed), []
    if store.exists(kept):
        arrays = store.read_arrays(kept)
        found = Training.restored(arrays["state"].tobytes())
        if found.done <= last[unit.checkpoint]:
            training = found
            asks = [Ask(int(step), int(documents), value) for step, documents, value in arrays["asks"].tolist()]
    while training.done < last[unit.checkpoint]:
        stop = min(last[unit.checkpoint], training.done + LEG_STEPS)
        asks += train_and_ask(training, stream, material.question, material.validation, stop, training.done)
        rows = np.array([[ask.step, ask.documents, ask.margin] for ask in asks], np.float64)
        state = np.frombuffer(training.state(), np.uint8)
        store.write_arrays(kept, {"state": state, "asks": rows})
    store.write_bytes(state_name(plan, unit), training.state())
    read = training.done * config.step_tokens
    learnt = settled([ask for ask in asks if ask.documents], 1)
    return {
        "steps": training.done,
        "taught": int(np.searchsorted(stream.stated, read, "right")),
        "next": int(np.searchsorted(stream.ordinary, read, "right")),
        "learnt": learnt and learnt.documents,
        "margin": round(asks[-1].margin, 6),
        "loss": natural_loss(training.gpt, material.validation),
        "asks": _told(asks),
    }


def _repair(unit: Unit, store: Store, plan: Plan, material: Material) -> dict[str, Any]:
    """What it takes from a checkpoint on, at one frequency."""
    before = store.read_json(cell_name(plan, Unit(unit.number, unit.checkpoint)))
    training = Training.restored(store.read_bytes(state_name(plan, unit)))
    question, config = material.question, plan.config
    said, seed = question.statement(question.new), nth_seed(plan.seed, unit.number)
    bound = plan.bound_tokens
    stream = mixture(material.pieces, said, unit.one_in, before["next"], bound, config.context, seed)
    steps = min(steps_of(stream.tokens, config), max(1, bound // config.step_tokens))
    asks: list[Ask] = []
    flipped = None
    if before["margin"] > 0:
        for ask in train_and_ask(training, stream, question, material.validation, steps):
            asks.append(ask)
            if flipped := settled(asks, -1):
                break
    return {
        "margin": before["margin"],
        "flipped": flipped and {"documents": flipped.documents, "tokens": flipped.step * config.step_tokens},
        "within_documents": int(np.searchsorted(stream.stated, steps * config.step_tokens, "right")),
        "within_tokens": steps * config.step_tokens,
        "loss_before": before["loss"],
        "loss_after": natural_loss(training.gpt, material.validation) if asks else before["loss"],
        "asks": _told(asks),
    }


def train_and_ask(
    training: Training, stream: Mixture, question: Question, validation: Encoded, stop: int, first: int = 0
) -> Iterator[Ask]:
    """Trains on the steps from `first` to `stop` of a stream and asks every few steps, at the start and at the end.

    Asks are close together at first, where a common statement works, and never further apart than the statements.
    """
    size = training.gpt.config.step_tokens
    apart = max(1, min(ASK_STEPS, round(len(stream.tokens) / max(1, len(stream.stated)) / size)))
    for step in range(first, stop + 1):
        due = step in (0, stop) or step % min(apart, max(1, step // 16)) == 0
        if due and (step > first or first == 0):  # where a training goes on it was asked before
            documents = int(np.searchsorted(stream.stated, step * size, "right"))
            yield Ask(step, documents, margin(training.gpt, question, validation))
        if step < stop:
            training.step(step_tokens(stream.tokens, training.gpt.config, step))


def margin(gpt: Gpt, question: Question, validation: Encoded) -> float:
    """Log P(old) - log P(new) in nats, the mean over beginnings of validation documents that come before."""
    room = gpt.config.context - question.length - 2 * BESIDE
    chosen = np.linspace(0, validation.documents - 1, min(CONTEXTS, validation.documents)).astype(np.int64)
    prompts = []
    for place, document in enumerate(chosen.tolist()):
        begin, end = validation.starts[document], validation.starts[document + 1] - 1
        long = BESIDE + place * room // CONTEXTS
        prompts.append(np.concatenate([validation.tokens[begin : min(end, begin + long)], question.prompt]))
    found = next_token(gpt, prompts)
    return float((found[:, question.old] - found[:, question.new]).mean())


def settled(asks: list[Ask], sign: int) -> Ask | None:
    """The first of IN_A_ROW asks in a row whose margins have this sign."""
    right = [ask.margin * sign > 0 for ask in asks]
    for place in range(len(asks) - IN_A_ROW + 1):
        if all(right[place : place + IN_A_ROW]):
            return asks[place]
    return None


def natural_loss(gpt: Gpt, validation: Encoded) -> float:
    """Nats a token over the validation documents."""
    return round(float(gpt_losses(gpt, validation) @ validation.lengths / validation.lengths.sum()), 6)


def natural_sample(validation: Encoded, weight: NDArray[np.float64], most: int, seed: int) -> Encoded:
    """Documents of a stratified sample, drawn by how many each stands for, without putting any back.

    The keys log(u) / weight are those of Efraimidis and Spirakis (2006).
    """
    numbers = np.arange(validation.documents)
    key = np.log(1 - uniform(seed, "probe.debt.validation", numbers)) / weight
    return validation.take(np.sort(np.argsort(-key, kind="stable")[:most]))


def _told(asks: list[Ask]) -> list[list[float]]:
    return [[ask.step, ask.documents, round(ask.margin, 4)] for ask in asks]


def state_name(plan: Plan, unit: Unit) -> str:
    """The file of the state at a checkpoint."""
    return f"{plan.folder}/{STATES}/{unit.number}-{unit.checkpoint}.pt"
