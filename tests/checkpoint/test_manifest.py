import hashlib
import json
import re
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint import manifest as manifests
from emtnas_hpc.checkpoint.manifest import (
    MANIFEST,
    Damage,
    Manifest,
    Summary,
    TaskSummary,
    find_all_damage,
    find_damage,
    find_missing,
    read_manifest,
)
from emtnas_hpc.errors import InputError


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    (tmp_path / "state.h5").write_bytes(b"history")
    files = {"state.h5": manifests.record_of(tmp_path / "state.h5")}
    (tmp_path / MANIFEST).write_text(Manifest("search", 42, "5165", files).to_text())
    return tmp_path


def _whole(directory: Path) -> Manifest:
    manifest = read_manifest(directory)
    assert isinstance(manifest, Manifest)
    return manifest


def test_a_manifest_is_read_as_it_was_written(commit: Path) -> None:
    manifest = _whole(commit)
    assert (manifest.stage, manifest.step, manifest.signature) == ("search", 42, "5165")
    assert manifest.files["state.h5"].size == 7


def test_the_format_of_a_manifest_is_fixed(commit: Path) -> None:
    digest = "a9ecb0e4b4a8a8c3d1f4a8de1c6b7a2b"
    record = manifests.FileRecord(7, digest)
    text = Manifest("search", 42, "5165", {"state.h5": record}).to_text()
    assert list(json.loads(text)) == ["schema", "stage", "step", "signature", "files", "sha256"]
    assert json.loads(text)["files"] == {"state.h5": {"size": 7, "sha256": digest}}


def test_the_format_of_a_summary_is_fixed(tmp_path: Path) -> None:
    tasks = {"digits": TaskSummary(0.96), "cifar10": TaskSummary(None, "generation 3")}
    summary = Summary(42, 300, 61.5, tasks, "e3", n_bytes=7)
    manifest = Manifest("search", 42, "5165", {}, summary)
    assert json.loads(manifest.to_text())["summary"] == {
        "step": 42,
        "n_steps": 300,
        "seconds": 61.5,
        "tasks": {
            "digits": {"accuracy": 0.96, "diverged": ""},
            "cifar10": {"accuracy": None, "diverged": "generation 3"},
        },
        "experiment_signature": "e3",
        "n_bytes": 7,
    }
    (tmp_path / MANIFEST).write_text(manifest.to_text())
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize("content", [b"historY", b"histor", None])
def test_a_file_is_looked_at_by_its_size_alone(commit: Path, content: bytes | None) -> None:
    (commit / "state.h5").unlink()
    if content is not None:
        (commit / "state.h5").write_bytes(content)
    damage = find_missing(commit, _whole(commit), "state.h5")
    found = "no file" if content is None else f"{len(content)} bytes"
    assert [each.found for each in damage] == ([] if found == "7 bytes" else [found])


def test_a_file_that_is_not_in_the_manifest_is_missing(commit: Path) -> None:
    [damage] = find_missing(commit, _whole(commit), "weights.pt")
    assert damage.expected == "to be in the manifest"


def test_whole_files_show_no_damage(commit: Path) -> None:
    assert find_damage(commit, _whole(commit), ["state.h5"]) == []


@pytest.mark.parametrize("content", [b"historY", b"histor", b""])
def test_a_changed_file_is_damage_with_both_digests(commit: Path, content: bytes) -> None:
    (commit / "state.h5").write_bytes(content)
    (damage,) = find_damage(commit, _whole(commit), ["state.h5"])
    assert damage.file == "state.h5"
    assert "7 bytes with SHA-256 " in damage.expected
    assert f"{len(content)} bytes with SHA-256 " in damage.found


def test_a_missing_file_is_damage(commit: Path) -> None:
    (commit / "state.h5").unlink()
    (damage,) = find_damage(commit, _whole(commit), ["state.h5"])
    assert damage.found == "no file"


def test_a_file_that_the_manifest_does_not_know_is_damage(commit: Path) -> None:
    assert [d.file for d in find_damage(commit, _whole(commit), ["task.pt"])] == ["task.pt"]


def test_a_missing_manifest_is_damage(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == Damage(MANIFEST, "a manifest", "no file")


def test_all_damage_of_a_commit_is_found_its_manifest_included(commit: Path) -> None:
    assert find_all_damage(commit) == []
    (commit / "state.h5").unlink()
    assert [damage.file for damage in find_all_damage(commit)] == ["state.h5"]
    (commit / MANIFEST).unlink()
    assert [damage.file for damage in find_all_damage(commit)] == [MANIFEST]


def test_digests_are_cut_short_in_messages(commit: Path) -> None:
    digest = hashlib.sha256(b"history").hexdigest()
    (commit / "state.h5").write_bytes(b"noise")
    (damage,) = find_all_damage(commit)
    assert damage.expected == f"7 bytes with SHA-256 {digest[:12]}"
    text = (commit / MANIFEST).read_text().replace('"size": 7', '"size": 8')
    (commit / MANIFEST).write_text(text)
    (damage,) = find_all_damage(commit)
    assert re.fullmatch("SHA-256 [0-9a-f]{12} of its body", damage.expected)
    assert re.fullmatch("SHA-256 [0-9a-f]{12}", damage.found)


def test_every_flipped_bit_of_a_manifest_is_damage(commit: Path) -> None:
    text = (commit / MANIFEST).read_bytes()
    whole = _whole(commit)
    for position in range(len(text)):
        flipped = bytearray(text)
        flipped[position] ^= 0b100
        (commit / MANIFEST).write_bytes(flipped)
        found = read_manifest(commit)
        # A flip in the white space between the values changes nothing that counts.
        assert isinstance(found, Damage) or found == whole


@pytest.mark.parametrize("text", ["", "{", "[]", "[5]", "7", "{}", '{"schema": 1}', "\x00\x01"])
def test_what_is_no_manifest_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert isinstance(read_manifest(tmp_path), Damage)


def test_a_summary_that_says_more_than_is_known_is_read(tmp_path: Path) -> None:
    manifest = Manifest("search", 42, "5165", {}, Summary(42, 300, 61.5, {}, "e3"))
    body = json.loads(manifest.to_text())
    del body["sha256"]
    body["summary"]["patience"] = 50
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (tmp_path / MANIFEST).write_text(json.dumps({**body, "sha256": digest}))
    assert read_manifest(tmp_path) == manifest


def test_a_manifest_of_a_later_version_is_refused(
    commit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "SCHEMA", 2)
    later = Manifest("search", 42, "5165", {}).to_text()
    monkeypatch.undo()
    (commit / MANIFEST).write_text(later)
    with pytest.raises(InputError, match="schema 2, expected 1"):
        read_manifest(commit)
