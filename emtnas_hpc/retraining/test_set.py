"""Whether the test set is where the last step of a retraining will look for it."""

from emtnas_hpc.data import Prepared
from emtnas_hpc.data.manifest import array_files
from emtnas_hpc.errors import DataError


def refuse_missing_test_set(data: Prepared) -> None:
    """Looks at the sizes of the test set's files, and opens none of them.

    A search does without them, and a retraining would miss them after days.

    Raises:
        DataError: one is missing or of another size; the message has the command that makes it.
    """
    for name in array_files("test"):
        path, record = data.folder / name, data.manifest.files.get(name)
        try:
            found = path.stat().st_size
        except OSError as error:
            raise DataError(_line(f"{path} cannot be read ({error.strerror})", data)) from None
        if record is None or found != record.n_bytes:
            expected = "none" if record is None else f"{record.n_bytes}"
            raise DataError(_line(f"{path} has {found} bytes, expected {expected}", data))


def _line(what: str, data: Prepared) -> str:
    return f"{what}, and the retraining ends in it; make it anew with: {data.mend}"
