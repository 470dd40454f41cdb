"""What every verb prints, writes and returns."""

from collections.abc import Callable

import pytest
from story import NAMES, Story
from verbs import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_prints_writes_and_returns_what_is_on_record(
    story: Story, check_golden: Callable[[str, str], None], verb: str
) -> None:
    names = [name for name in NAMES if name.partition("-")[0] == verb]
    # JSON on stdout has a record of its own: what it is made of.
    texts = [story.text(name) for name in names if not name.endswith("-json")]
    assert story.teller.told[f"{verb}-refused"].result.code == 2
    check_golden(f"transcripts/{verb}.txt", "\n".join(texts))
