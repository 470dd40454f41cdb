import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from whole_runs import RETRAININGS

from emtnas_hpc.checkpoint.manifest import MANIFEST, Manifest, Summary, read_manifest
from emtnas_hpc.checkpoint.paths import HISTORY, RECORD, RunPaths
from emtnas_hpc.errors import DamagedError
from emtnas_hpc.progress import read_progress


@pytest.fixture
def copied(whole: RunPaths, tmp_path: Path) -> RunPaths:
    shutil.copytree(whole.directory, tmp_path / "seed-0")
    return RunPaths(tmp_path / "seed-0")


def _all_progress(run: RunPaths) -> dict[str, Summary]:
    found = {stage.name: read_progress(stage) for stage in run.stages()}
    return {name: summary for name, summary in found.items() if summary}


def _remove_summaries(run: RunPaths) -> None:
    """Makes the manifests what they were before they had one."""
    for manifest in run.directory.rglob(MANIFEST):
        found = read_manifest(manifest.parent)
        assert isinstance(found, Manifest)
        manifest.write_text(replace(found, summary=None).to_text())


def test_every_stage_of_a_finished_run_says_so(whole: RunPaths) -> None:
    found = _all_progress(whole)
    assert list(found) == ["search", *sorted(f"retraining/{name}" for name in RETRAININGS)]
    for name, summary in found.items():
        assert summary.finished, name
        assert summary.seconds, name
        assert all(task.accuracy is not None for task in summary.tasks.values())
        newest = whole.stage(name).commit(whole.stage(name).steps()[-1])
        sizes = [file.stat().st_size for file in newest.iterdir() if file.name != MANIFEST]
        assert summary.n_bytes == sum(sizes)


def test_commits_of_earlier_versions_tell_the_same(copied: RunPaths) -> None:
    found = _all_progress(copied)
    _remove_summaries(copied)
    assert _all_progress(copied) == found


def test_before_the_first_commit_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert read_progress(RunPaths(tmp_path).search) is None


@pytest.mark.parametrize("file", [MANIFEST, "record"])
def test_a_commit_that_lacks_something_is_passed_over(copied: RunPaths, file: str) -> None:
    for stage in copied.stages():
        newest = stage.commit(stage.steps()[-1])
        shutil.copytree(newest, stage.commit(9))
        name = stage.record if file == "record" else file
        (stage.commit(9) / name).write_bytes(b"noise")
    assert all(summary.finished for summary in _all_progress(copied).values())


@pytest.mark.parametrize("content", [None, b"noise"])
@pytest.mark.parametrize("file", [HISTORY, RECORD])
def test_a_stage_without_a_good_commit_is_damaged(
    copied: RunPaths, file: str, content: bytes | None
) -> None:
    for path in copied.directory.rglob(file):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    stage = copied.search if file == HISTORY else copied.retrainings()[0]
    with pytest.raises(DamagedError, match=rf"no commit has a good {file}; the newest, .*{file}: "):
        read_progress(stage)


def test_to_tell_takes_neither_torch_nor_h5py_nor_data(whole: RunPaths) -> None:
    program = """
import sys
from pathlib import Path
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.progress import read_progress

assert all(read_progress(stage).finished for stage in RunPaths(Path(sys.argv[1])).stages())
print(*(name for name in ("torch", "h5py", "numpy", "emtnas_hpc.data") if name in sys.modules))
"""
    command = [sys.executable, "-c", program, str(whole.directory)]
    assert subprocess.check_output(command, text=True) == "\n"
