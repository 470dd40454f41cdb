"""Exported files: written whole or not at all, and no other file lost."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.errors import InputError
from emtnas_hpc.export.sources import module_source
from emtnas_hpc.export.subjects import Retrained, Subject

if TYPE_CHECKING:
    from torch import nn


_ADVICE = "choose another --output"


def refuse_other_files(files: Mapping[Path, bytes]) -> None:
    """Makes sure that nothing else is where files are to be written; the very same may be.

    Raises:
        InputError: something else is.
        StorageError: it cannot be read.
    """
    for path, content in files.items():
        with storage_errors(path, "read", _ADVICE):
            try:
                same = path.read_bytes() == content
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                raise InputError(
                    f"--output is {str(path.parent)!r}, which is a file or lies in one; expected a "
                    "directory, there or still to be made"
                ) from None
            except IsADirectoryError:
                same = False
        if not same:
            raise InputError(
                f"{path} is there already, and another one; replace it with --force, or choose "
                "another --output or --name"
            )


def write_files(files: Mapping[Path, bytes]) -> None:
    """Writes files in their order, each whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    for path, content in files.items():
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with storage_errors(path, advice=_ADVICE):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


#: What torch's exporter imports.
PACKAGES = ("onnx", "onnxscript")


def refuse_missing_packages() -> None:
    """Makes sure that ONNX can be written.

    Raises:
        InputError: naming what to install.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"--onnx takes {' and '.join(missing)}, not installed here; "
            "install them with: pip install 'emtnas-hpc[onnx]'"
        )


@dataclass(frozen=True)
class Item:
    """One network to export.

    Attributes:
        subject: what its module says.
        retrained: where its weights are; None for a network without.
        doubt: what is wrong with the search that found it; empty if nothing is.
    """

    subject: Subject
    retrained: Retrained | None = None
    doubt: str = ""


def write_export(
    items: Sequence[Item],
    folder: Path,
    *,
    onnx: bool,
    force: bool,
    say: Callable[[str], None] = lambda _warning: None,
) -> list[Path]:
    """Writes `<name>.py` of every item, `<name>.pt` where it has weights, and perhaps `.onnx`.

    Nothing is written before everything is ready. Files that are there with the same content may
    stay.

    Args:
        items: what to export.
        folder: where to; made if need be.
        onnx: whether to write ONNX besides.
        force: replace other files of these names, and export what diverged.
        say: told of what diverged, with `force`.

    Returns:
        The files.

    Raises:
        InputError: other files are there, two items have one name, a package is missing, or a
            network diverged.
        DamagedError: weights are damaged.
        StorageError: the disk refused.
    """
    _refuse_what_cannot_be(items, onnx)
    for item in items:
        if item.doubt and not force:
            raise InputError(f"{item.doubt}; export it all the same with --force")
        if item.doubt:
            say(f"warning: {item.doubt}")
        if item.retrained is not None and not force:
            refuse_divergence(item.retrained, item.retrained.record.diverged)
    files = {folder / f"{item.subject.name}.py": _source(item.subject) for item in items}
    if not force:
        refuse_other_files(files)
    for item in items:
        if item.retrained is not None:
            network, where = load_plain(item.subject, item.retrained)
            if force and where:
                say(f"warning: {divergence(item.retrained, where)}")
            elif where:
                refuse_divergence(item.retrained, where)
            files |= _weights(item.subject, network, folder, onnx=onnx)
    if not force:
        refuse_other_files(files)
    write_files(files)
    return list(files)


def _refuse_what_cannot_be(items: Sequence[Item], onnx: bool) -> None:
    names = [item.subject.name for item in items]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{names.count(name)} networks would be called {name}; export one")
    if onnx and any(item.retrained is None for item in items):
        raise InputError("--onnx holds weights, and there are none; export a finished retraining")
    if onnx:
        refuse_missing_packages()


def _source(subject: Subject) -> bytes:
    return module_source(subject).encode()


def _weights(
    subject: Subject, network: "nn.Module", folder: Path, *, onnx: bool
) -> dict[Path, bytes]:
    """The files with weights in them."""
    from emtnas_hpc.export.plain import weights_bytes

    files = {folder / f"{subject.name}.pt": weights_bytes(network)}
    if onnx:
        from emtnas_hpc.export.plain import onnx_bytes

        files[folder / f"{subject.name}.onnx"] = onnx_bytes(network, subject.shape)
    return files


def load_plain(subject: Subject, retrained: Retrained) -> tuple["nn.Module", str]:
    """The exported network of a finished retraining, in plain torch.

    Returns:
        The network, and where it diverged: empty if nowhere. Its weights are looked at, too: not
        every record was written when that was done before.

    Raises:
        DamagedError: its weights are damaged, or gone.
    """
    from emtnas_hpc.export.plain import plain_network, trained_network

    network = plain_network(subject, trained_network(retrained))
    finite = all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())
    return network, retrained.record.diverged or ("" if finite else "its last steps")


def divergence(retrained: Retrained, where: str) -> str:
    """What to say of a network that diverged there."""
    return f"{retrained.stage.directory} diverged in {where}: its weights are no result"


def refuse_divergence(retrained: Retrained, where: str) -> None:
    """Refuses a network that diverged.

    Args:
        retrained: whose it is.
        where: it diverged; empty if nowhere.

    Raises:
        InputError: it did.
    """
    if where:
        raise InputError(
            f"{divergence(retrained, where)}; retrain with a lower retraining.learning_rate, "
            "choose another --retraining, or export it all the same with --force"
        )
