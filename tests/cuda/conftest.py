from pathlib import Path

import pytest
import torch

from emtnas_hpc.search.environment import prepare_environment

# Before torch does anything on a card.
prepare_environment()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is marked, and skipped where there is no card."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cuda)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device here"))


@pytest.fixture
def cuda() -> torch.device:
    return torch.device("cuda")
