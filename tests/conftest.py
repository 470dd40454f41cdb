from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# The same examples every time, and none fails because the machine is busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/golden")


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a file in tests/golden, whole; only tools/update-goldens writes it."""

    def check(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-goldens"):
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file} is missing; tools/update-goldens writes it"
        assert text == file.read_text(encoding="utf-8")

    return check
