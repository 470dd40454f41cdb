import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from command_line import Emtnas, snapshot


def test_inspect_draws_the_cells_of_every_incumbent_into_a_folder(
    emtnas: Emtnas, finished: Path, here: Path
) -> None:
    before = snapshot(finished)
    result = emtnas("inspect", finished / "tiny/seed-0", "--svg", "new/cells")
    assert (result.code, result.err) == (0, "")
    names = ["digits-reduction.svg", "digits-normal.svg"]
    assert result.out.splitlines()[-2:] == [f"new/cells/{name}" for name in names]
    for name in names:
        ElementTree.parse(here / "new/cells" / name)
    assert snapshot(finished) == before


def test_inspect_as_json_names_the_pictures_and_draws_them(
    emtnas: Emtnas, finished: Path, here: Path
) -> None:
    result = emtnas("inspect", finished / "tiny/seed-0", "--svg", "cells", "--json")
    pictures = json.loads(result.out)["pictures"]
    assert pictures == ["cells/digits-reduction.svg", "cells/digits-normal.svg"]
    assert all((here / picture).is_file() for picture in pictures)


def test_a_folder_for_pictures_that_is_a_file_is_one_line(
    emtnas: Emtnas, finished: Path, here: Path
) -> None:
    (here / "file").write_text("mine")
    result = emtnas("inspect", finished / "tiny/seed-0", "--svg", "file")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: cannot write file: File exists; choose another --svg")
    assert (here / "file").read_text() == "mine"
