from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def update_docs() -> ModuleType:
    """The tool, loaded without a trace beside it."""
    source = (ROOT / "tools/update-docs").read_text(encoding="utf-8")
    module = ModuleType("update_docs")
    module.__file__ = str(ROOT / "tools/update-docs")
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("page", ["settings", "commands"])
def test_a_page_is_what_the_program_says_now(update_docs: ModuleType, page: str) -> None:
    written = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    generated = getattr(update_docs, f"{page}_page")()
    assert written == generated, "run tools/update-docs, and read the difference"
