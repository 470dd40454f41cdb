import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clusters import PLAIN, Cluster, Clusters, Site, missing_packages
from stories import Story
from tiny import Reference, Search, emtnas, exclusive

LONGEST = {
    Path(__file__).with_name(f"test_{name}.py")
    for name in ("launch", "many_preemptions", "run_by_hand", "signals", "time_limit")
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slurm", action="store_true", help="run the tests that need a real SLURM")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "site(kind): the kind of site that a test needs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--slurm", default=False)
    for item in items:
        if item.get_closest_marker("slurm"):
            # For a machine that is busy; each wait within has a limit of its own.
            item.add_marker(pytest.mark.timeout(900))
            if reason := _obstacle(wanted):
                item.add_marker(pytest.mark.skip(reason))
    # Workers take file after file: a long one must not come last.
    items.sort(key=lambda item: item.path not in LONGEST)


@cache
def _obstacle(wanted: bool) -> str:
    if not wanted:
        return "needs a real SLURM: tools/test --slurm"
    missing = missing_packages()
    return f"not installed: {missing}; tools/test --slurm installs it" if missing else ""


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    """At most one cluster at a time and worker; gone when the session is."""
    clusters = Clusters()
    yield clusters
    clusters.down()


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    """The kind of site that a test, or a file of tests, is marked for."""
    mark = request.node.get_closest_marker("site")
    return mark.args[0] if mark else PLAIN


@pytest.fixture
def cluster(site: Site, clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster without jobs, of which this process is a client."""
    cluster = clusters.of(site)
    for name in ("EMTNAS_RUNS", "EMTNAS_DATA", "EMTNAS_PROFILES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    yield cluster
    cluster.clear()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all workers of the session have in common."""
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent
    folder = base / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def data(shared: Path) -> Path:
    """The prepared images of both tasks."""
    data = shared / "data"
    with exclusive(shared / "data.lock"):
        done = emtnas("prepare", *Search(shared / "runs", data).experiment())
    assert done.returncode == 0, done.stderr
    return data


@pytest.fixture(scope="session")
def reference(shared: Path, data: Path) -> Reference:
    """What every search must end in."""
    return Reference(shared / "reference", data)


@pytest.fixture
def story(cluster: Cluster, search: Search, reference: Reference) -> Story:
    """Seed 0 of that search, on that cluster."""
    return Story(cluster, search, reference)


@pytest.fixture
def search(tmp_path: Path, data: Path) -> Search:
    """A search that nobody has begun."""
    return Search(tmp_path / "runs", data)
