"""All or nothing: what cannot be exported is refused before a file is written."""

import os

import pytest
from exported_networks import drawn, shape_of, spec_of

from emtnas_hpc.errors import InputError, StorageError
from emtnas_hpc.export.files import refuse_other_files, write_export, write_files


def test_two_networks_of_one_name_are_refused(tmp_path):
    specs = [spec_of(drawn(n), shape_of(0), "same", trained=False) for n in range(2)]
    with pytest.raises(InputError, match="2 networks would be called same; export one"):
        write_export(specs, tmp_path / "out", onnx=False, force=False)
    assert not (tmp_path / "out").exists()


def test_several_networks_are_written_beside_each_other(tmp_path):
    specs = [spec_of(drawn(n), shape_of(0), f"network_{n}", trained=False) for n in range(2)]
    files = write_export(specs, tmp_path / "out", onnx=False, force=False)
    assert files == [tmp_path / "out" / f"network_{n}.py" for n in range(2)]
    assert all(file.is_file() for file in files)


def test_files_are_written_into_a_folder_that_is_made(tmp_path):
    files = {tmp_path / "deep" / "a.py": b"a", tmp_path / "deep" / "a.pt": b"b"}
    write_files(files)
    assert {path: path.read_bytes() for path in (tmp_path / "deep").iterdir()} == files


def test_the_same_files_may_be_there(tmp_path):
    files = {tmp_path / "a.py": b"a"}
    write_files(files)
    refuse_other_files(files)
    write_files(files)


def test_other_files_are_refused_by_name(tmp_path):
    (tmp_path / "a.py").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"a\.py is there already, and another one; .* --force"):
        refuse_other_files({tmp_path / "a.py": b"a"})
    assert (tmp_path / "a.py").read_bytes() == b"mine"


def test_a_folder_where_a_file_is_to_be_is_another_one(tmp_path):
    (tmp_path / "a.py").mkdir()
    with pytest.raises(InputError, match="another one"):
        refuse_other_files({tmp_path / "a.py": b"a"})


def test_a_file_where_the_folder_is_to_be_is_refused_by_the_disk(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(StorageError, match="choose another --output"):
        write_files({tmp_path / "out" / "a.py": b"a"})


def test_a_disk_that_refuses_leaves_nothing_half_written(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_bytes(b"old")

    def refuse(*_arguments):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(StorageError, match="No space left"):
        write_files({tmp_path / "a.py": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]
    assert (tmp_path / "a.py").read_bytes() == b"old"
