"""All or nothing: what cannot be exported is refused before a file is written."""

import pytest
from exported_networks import drawn, shape_of, spec_of

from emtnas_hpc.errors import InputError
from emtnas_hpc.export.files import write_export


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
