"""What every verb prints, writes and returns."""

from collections.abc import Callable

import pytest
from recording import NAMES, Recording
from verbs import VERBS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_prints_writes_and_returns_what_is_on_record(
    recording: Recording, check_golden: Callable[[str, str], None], verb: str
) -> None:
    names = [name for name in NAMES if name.partition("-")[0] == verb]
    # JSON on stdout has a record of its own: what it is made of.
    texts = [recording.text(name) for name in names if not name.endswith("-json")]
    assert recording.recorder.transcripts[f"{verb}-refused"].result.code == 2
    check_golden(f"transcripts/{verb}.txt", "\n".join(texts))
