import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(Path(__file__).parent))

from fake_runs import SHORT, Retrained, make_run


@pytest.fixture(scope="session")
def ablation(tmp_path_factory):
    """Runs of Table 5's four rows, five seeds of the first and last, two of the others."""
    runs = tmp_path_factory.mktemp("ablation")
    for seed in range(5):
        make_run(runs, "cifar", SHORT, seed=seed, retrained=Retrained((2, 3), lift=0.01))
        for preset in ("cifar10-single", "cifar100-single"):
            make_run(runs, preset, SHORT, seed=seed, retrained=Retrained((2, 3), transfer=True))
    for seed in range(2):
        make_run(runs, "cifar", SHORT, "search.reevaluate=false", seed=seed, name="plain")
        for preset in ("cifar10-single", "cifar100-single"):
            settings = (SHORT, "search.reevaluate=true")
            make_run(runs, preset, *settings, seed=seed, name=f"{preset}-again")
    return runs


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A study of somebody's own: two MedMNIST sets together and alone, three seeds, small nets."""
    runs = tmp_path_factory.mktemp("small")
    for seed in range(3):
        for name, lift in (
            ("breast-pneumonia", 0.05),
            ("breast-single", 0),
            ("pneumonia-single", 0),
        ):
            small_nets = {"recipe": "small", "epochs_in_all": 8, "channels": 12}
            retrained = Retrained((1,), lift=lift, auc=0.91 + lift, **small_nets)
            make_run(runs, f"small-{name}", SHORT, seed=seed, retrained=retrained)
    return runs


@pytest.fixture(scope="session")
def medical(tmp_path_factory):
    """A pair of MedMNIST sets with its two baselines, two seeds, and a run that is not over."""
    runs = tmp_path_factory.mktemp("medical")
    for seed in range(2):
        for name in ("path-organa", "path-single", "organa-single"):
            make_run(runs, f"medmnist-{name}", SHORT, seed=seed)
    make_run(runs, "medmnist-path-organa", SHORT, seed=2, until=2, retrained=None)
    return runs
