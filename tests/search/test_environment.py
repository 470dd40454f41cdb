import os

import pytest

from emtnas_hpc.search.environment import prepare_environment


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """Nothing set, and a folder for temporary files of this test's own."""
    for name in (
        "OMP_WAIT_POLICY",
        "GOMP_SPINCOUNT",
        "CUBLAS_WORKSPACE_CONFIG",
        "TRITON_CACHE_DIR",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_compiled_kernels_are_kept_in_a_folder_of_the_users_own(tmp_path):
    prepare_environment()
    folder = tmp_path / f"emtnas-triton-{os.getuid()}"
    assert os.environ["TRITON_CACHE_DIR"] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", "/elsewhere")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    prepare_environment()
    assert os.environ["TRITON_CACHE_DIR"] == "/elsewhere"
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_folder_that_leads_elsewhere_or_cannot_be_made_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"emtnas-triton-{os.getuid()}").symlink_to(tmp_path / "theirs")
    prepare_environment()
    assert "TRITON_CACHE_DIR" not in os.environ
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    prepare_environment()
    assert "TRITON_CACHE_DIR" not in os.environ
