"""One file a kind of source; each reads raw arrays from where they come from."""

from emtnas_hpc.data.raw import RawData, Say, Workplace
from emtnas_hpc.data.sources.image_folder import folder_fingerprint, read_image_folder
from emtnas_hpc.data.sources.medmnist_sets import read_medmnist
from emtnas_hpc.data.sources.npz_file import npz_fingerprint, read_npz
from emtnas_hpc.data.sources.package_sets import read_package
from emtnas_hpc.data.sources.source import Source, parse_source
from emtnas_hpc.data.sources.torchvision_sets import read_torchvision
from emtnas_hpc.errors import DataError

__all__ = [
    "RawData",
    "Say",
    "Source",
    "Workplace",
    "fingerprint",
    "parse_source",
    "read_source",
]


def read_source(source: Source, place: Workplace) -> RawData:
    """Reads a source, downloading it first where it has to be.

    Raises:
        DataError: it is missing, damaged, or not what it should be.
        StorageError: a download found no room.
    """
    match source.kind:
        case "torchvision":
            return read_torchvision(source.argument, place)
        case "medmnist":
            return read_medmnist(source.argument, place)
        case "package":
            return read_package(source.argument)
        case "npz":
            return read_npz(source.path)
        case "images":
            return read_image_folder(source.path, source.image_size)
        case "imagenet":
            raise DataError(f"{source.text} is streamed, and never read into arrays")


def fingerprint(source: Source) -> str | None:
    """What changes when the user changes a file of the source: sizes and modification times.

    Returns:
        Empty for a source that never changes, None when the user's file or folder is gone.
    """
    if source.kind == "npz":
        return npz_fingerprint(source.path)
    if source.kind == "images":
        return folder_fingerprint(source.path)
    return ""
