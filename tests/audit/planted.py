"""A corpus of real text (what the demo finds in the installed packages) in which something may be planted.

Planted are: a domain that drowns the others, a name in some of all documents, copies and near-copies, and German at a
small share. What is not planted is as even as the texts allow.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from curation.demo.domains import DOMAINS, domain_documents

NAME = "Zendaria Quell"
#: The domains, and how many documents each has; of the first one, so many if it is planted to drown the others.
EVEN, MANY, CLUSTERS = 110, 1500, 4
NAMES = ("python_code", "docstrings", "unit_tests", "native_code", "language_reference")

#: From tales of the brothers Grimm.
GERMAN = """
In den alten Zeiten, wo das Wünschen noch geholfen hat, lebte ein König, dessen Töchter waren alle schön; aber die
jüngste war so schön, daß die Sonne selber, die doch so vieles gesehen hat, sich verwunderte, sooft sie ihr ins Gesicht
schien. Nahe bei dem Schlosse des Königs lag ein großer dunkler Wald.

Vor einem großen Walde wohnte ein armer Holzhacker mit seiner Frau und seinen zwei Kindern; das Bübchen hieß Hänsel und
das Mädchen Gretel. Er hatte wenig zu beißen und zu brechen, und einmal, als große Teuerung ins Land kam, konnte er das
tägliche Brot nicht mehr schaffen.

Es war einmal mitten im Winter, und die Schneeflocken fielen wie Federn vom Himmel herab. Da saß eine Königin an einem
Fenster, das einen Rahmen von schwarzem Ebenholz hatte, und nähte. Und wie sie so nähte und nach dem Schnee aufblickte,
stach sie sich mit der Nadel in den Finger.

Es war einmal eine kleine süße Dirne, die hatte jedermann lieb, der sie nur ansah, am allerliebsten aber ihre
Großmutter, die wußte gar nicht, was sie alles dem Kinde geben sollte. Einmal schenkte sie ihm ein Käppchen von rotem
Sammet, und weil ihm das so wohl stand, hieß es nur das Rotkäppchen.

Es hatte ein Mann einen Esel, der schon lange Jahre die Säcke unverdrossen zur Mühle getragen hatte, dessen Kräfte aber
nun zu Ende gingen, so daß er zur Arbeit immer untauglicher ward. Da dachte der Herr daran, ihn aus dem Futter zu
schaffen, aber der Esel merkte, daß kein guter Wind wehte.

Es war einmal ein Müller, der war arm, aber er hatte eine schöne Tochter. Nun traf es sich, daß er mit dem König zu
sprechen kam, und um sich ein Ansehen zu geben, sagte er zu ihm: Ich habe eine Tochter, die kann Stroh zu Gold
spinnen. Der König sprach zum Müller: Das ist eine Kunst, die mir wohl gefällt.

Einem reichen Manne, dem wurde seine Frau krank, und als sie fühlte, daß ihr Ende herankam, rief sie ihr einziges
Töchterlein zu sich ans Bett und sprach: Liebes Kind, bleibe fromm und gut, so wird dir der liebe Gott immer beistehen,
und ich will vom Himmel auf dich herabblicken.

Eine Witwe hatte zwei Töchter, davon war die eine schön und fleißig, die andere häßlich und faul. Sie hatte aber die
häßliche und faule, weil sie ihre rechte Tochter war, viel lieber, und die andere mußte alle Arbeit tun und der
Aschenputtel im Hause sein.

Hans hatte sieben Jahre bei seinem Herrn gedient, da sprach er zu ihm: Herr, meine Zeit ist herum, nun wollte ich gerne
wieder heim zu meiner Mutter, gebt mir meinen Lohn. Der Herr antwortete: Du hast mir treu und ehrlich gedient, wie der
Dienst war, so soll der Lohn sein.
"""


@cache
def _texts(name: str) -> list[str]:
    [domain] = [domain for domain in DOMAINS if domain.name == name]
    return list(dict.fromkeys(document.text for document in domain_documents(domain)))


def texts(name: str, count: int, rng: np.random.Generator) -> list[str]:
    """So many different texts of a domain."""
    own = _texts(name)
    return [own[index] for index in rng.choice(len(own), min(count, len(own)), replace=False)]


def with_name(text: str, rng: np.random.Generator) -> str:
    """A text with the name at some place near its beginning."""
    words = text.split(" ")
    words.insert(int(rng.integers(min(len(words), 60))), NAME)
    return " ".join(words)


def nearly(text: str, rng: np.random.Generator) -> str:
    """A text with two of its words changed, to letters by chance."""
    words = text.split(" ")
    for place in rng.choice(len(words), 2, replace=False).tolist():
        words[place] = "".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), 8))
    return " ".join(words)


def planted(
    folder: Path,
    seed: int = 0,
    *,
    name: float = 0.0,
    copies: float = 0.0,
    german: float = 0.0,
    many: int = EVEN,
    even: int = EVEN,
    more: str = "",
) -> tuple[str, dict[str, int]]:
    """Writes a corpus and a job file for it.

    Args:
        folder: made where it is missing; the run goes into `run` below it.
        seed: which texts, and where what is planted stands.
        name: share of the documents with the name.
        copies: share of exact copies and of near-copies, each.
        german: share of the documents in German.
        many: documents of the first domain.
        even: documents of each other one.
        more: further lines of the job file.

    Returns:
        The job file, and how many documents, copies, near-copies and German texts there are.
    """
    rng = np.random.default_rng(seed)
    own = {each: texts(each, many if each == NAMES[0] else even, rng) for each in NAMES}
    for each, found in own.items():
        own[each] = [with_name(text, rng) if rng.random() < name else text for text in found]
    every = [(each, text) for each, found in own.items() for text in found]
    near = [every[index] for index in rng.permutation(len(every)).tolist() if len(every[index][1].split(" ")) > 120]
    near = near[: round(copies * len(every))]
    again = [every[index] for index in rng.choice(len(every), round(copies * len(every)), replace=False).tolist()]
    passages = [" ".join(each.split()) for each in GERMAN.strip().split("\n\n")]
    count = round(german * (len(every) + len(near)))
    assert count <= len(passages)
    own[NAMES[1]] += passages[:count]
    for each, text in near:
        own[each].append(nearly(text, rng))
    for each, text in again:
        own[each].append(text)
    folder.mkdir(parents=True, exist_ok=True)
    sources = ""
    for each, found in own.items():
        path = folder / f"{each}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in found))
        sources += f"  - {{domain: {each}, path: {json.dumps(str(path))}}}\n"
    job = folder / "job.yaml"
    job.write_text(
        f"run_dir: {json.dumps(str(folder / 'run'))}\nsources:\n{sources}split_bytes: 500000\n"
        f"embedding: {{model: lexical, dimensions: 64}}\nclustering: {{clusters: {CLUSTERS}}}\n{more}"
    )
    total = sum(len(found) for found in own.values())
    return str(job), {"documents": total, "copies": len(again), "near": len(near), "german": count}
