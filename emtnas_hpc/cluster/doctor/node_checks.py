"""What a probe's report says of a node: pure judgements, a finding each."""

from collections.abc import Iterator, Mapping
from typing import Any

from emtnas_hpc.cluster.doctor.finding import Finding, fine, warning, wrong


def check_node(
    report: Mapping[str, Any], here: Mapping[str, Any], letter: str, *, wants_cuda: bool
) -> Iterator[Finding]:
    """All that a report tells.

    Args:
        report: of the probe.
        here: what it would say of this machine's Python.
        letter: that was left in the run directory for it.
        wants_cuda: whether a search is to run on a GPU.
    """
    yield fine("test job", f"ran on {report['host']}")
    yield _directory(report, letter)
    yield _lock(report)
    yield _python(report, here)
    yield _device(report, wants_cuda)
    yield _submitting(report)


def _directory(report: Mapping[str, Any], letter: str) -> Finding:
    if report["letter"] != letter:
        return wrong(
            "run directory",
            f"{report['host']} does not see what was written there a moment ago",
            "choose a --runs directory on a file system that all nodes share",
        )
    if not report["replaced"]:
        return wrong(
            "run directory",
            f"on {report['host']} a rename does not replace a file there",
            "choose a --runs directory on another file system",
        )
    return fine("run directory", "seen and written from the node; a rename replaces a file")


def _lock(report: Mapping[str, Any]) -> Finding:
    if report["locked"]:
        return fine("locks", "one machine's lock is seen by the other")
    found = "has no locks" if report["locked"] is None else "keeps locks to one machine"
    return warning(
        "locks",
        f"the file system {found}",
        "do not launch, resume or cancel the same run from two machines at a time",
    )


def _python(report: Mapping[str, Any], here: Mapping[str, Any]) -> Finding:
    found = {"python": report["python"], "package": report["package"], **report["versions"]}
    ours = {"python": here["python"], "package": here["package"], **here["versions"]}
    other = [f"{n} {found[n]} instead of {v}" for n, v in ours.items() if found.get(n) != v]
    if other:
        return wrong(
            "Python",
            f"other on the node: {', '.join(other)}",
            "use one environment on a shared file system, or a profile's setup lines",
        )
    return fine("Python", f"as here: Python {found['python']}, torch {found['torch']}")


def _device(report: Mapping[str, Any], wants_cuda: bool) -> Finding:
    conditions = report["conditions"]
    if conditions is None:
        advice = "install a torch that works on the nodes"
        return wrong(
            "device", f"torch cannot be used on the node ({report['torch_error']})", advice
        )
    found = f"a search would run on {conditions['device_model']} ({conditions['device']})"
    if wants_cuda and not conditions["device"].startswith("cuda"):
        return wrong(
            "device",
            f"{found}, though jobs ask for a GPU: torch {conditions['torch']} sees none",
            "install a torch that is built for the node's driver",
        )
    return fine("device", found)


def _submitting(report: Mapping[str, Any]) -> Finding:
    missing = [name for name, there in report["commands"].items() if not there]
    objection = f"there is no {' and no '.join(missing)}" if missing else report["queue"]
    if objection:
        return warning(
            "SLURM from a node",
            f"{objection}",
            "a job there cannot requeue itself or submit its spare: set spares in a profile to the "
            "number of jobs that a seed takes",
        )
    return fine("SLURM from a node", "jobs can requeue themselves and submit their spares")
