import numpy as np
import pytest

from curation.audit.languages import UNKNOWN, detect
from tests.audit.planted import GERMAN


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "In the beginning the universe was created, which made a lot of people very angry."),
        ("fr", "Longtemps, je me suis couché de bonne heure, et parfois mes yeux se fermaient si vite."),
        ("es", "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, vivía un hidalgo."),
        ("fi", "Mieleni minun tekevi, aivoni ajattelevi lähteäni laulamahan, saa'ani sanelemahan."),
        ("ru", "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему."),
        ("ja", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"),
        ("de", "".join(f"{n}. <b>{line}</b>\n" for n, line in enumerate(GERMAN.split("\n")[:4]))),
    ],
)
def test_a_sentence_is_known(code, text):
    found, confidence = detect([text, text.upper()[:1] + text[1:]])
    assert found == [code, code]
    assert confidence.dtype == np.float32
    assert (confidence > 0.5).all()


def test_what_is_short_or_no_language_is_unknown():
    found, confidence = detect(["", "Hello", "1234 5678 " * 50, "\n\n\n", "x1 = y[3] ** 2;"])
    assert found == [UNKNOWN] * 5
    assert confidence.tolist() == [0.0] * 5


def test_german_tales_are_german():
    assert set(detect(GERMAN.strip().split("\n\n"))[0]) == {"de"}
