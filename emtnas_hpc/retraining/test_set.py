"""Whether the test set is where the last step of a retraining will look for it."""

from emtnas_hpc.data import TaskData
from emtnas_hpc.errors import DataError


def refuse_missing_test_set(data: TaskData) -> None:
    """Looks whether the test set is there, and opens no image of it.

    A search does without, and a retraining would miss it after days.

    Raises:
        DataError: it is not; the message has the command that makes it.
    """
    try:
        data.check_test_set()
    except DataError as error:
        raise DataError(
            f"{error}, and the retraining ends in it; make it anew with: {data.mend}"
        ) from None
