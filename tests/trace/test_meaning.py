from types import SimpleNamespace

import pytest

from curation.errors import JobError
from curation.trace.meaning import encoder_of


def test_given_vectors_have_no_encoder_for_a_text():
    with pytest.raises(JobError, match="--exact"):
        encoder_of(None, SimpleNamespace(given_vectors=True))
