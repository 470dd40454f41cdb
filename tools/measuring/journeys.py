"""What commands import and open: each runs as a process of its own in a tiny situation.

That is one task of 8x8 images, a search of seed 0 that is done, and a SLURM of small scripts that
has taken a job for seed 1.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from measuring.modules import PACKAGE

_TINY = (
    'tasks=["digits"]',
    "task.digits.padding=0",
    "search.generations=2",
    "search.population=3",
    "supernet.channels=4",
    "training.batches=2",
    "training.batch_size=8",
    "evaluation.batch_size=40",
    "evaluation.recalibration_images=20",
    "retraining.normal_cells=[]",
)
_WHICH = ("cifar", "--name", "tiny", *(word for each in _TINY for word in ("--set", each)))
_FIRST = (
    ("run", *_WHICH, "--seeds", "0,", "--device", "cpu"),
    ("launch", *_WHICH, "--seeds", "1,", "--partition", "gpu"),
)
JOURNEYS = {
    "launch --dry-run": ("launch", *_WHICH, "--seeds", "5", "--partition", "gpu", "--dry-run"),
    "status": ("status",),
}
#: Of these `status`, which only looks at runs, has no need.
NEEDLESS_IN_STATUS = ("torch", "h5py", f"{PACKAGE}.data")

_SLURM = {
    "sbatch": """\
#!/bin/sh
for script in "$@"; do :; done
[ "$1" = --test-only ] && exit 0
name=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
n=$(($(wc -l < {queue}) + 1))
echo "$n $name" >> {queue}
echo Submitted batch job $n
""",
    # Whatever fields it is asked for: versions of the package ask for different ones.
    "squeue": """\
#!{python}
import sys
known = {{"State": "PENDING", "Reason": "None", "RestartCnt": "0", "Dependency": ""}}
columns = sys.argv[sys.argv.index("--Format") + 1].split(",") if "--Format" in sys.argv else []
fields = [column.split(":")[0] for column in columns]
if "--noheader" not in sys.argv:
    print("".join(f"{{field.upper()}}|" for field in fields))
for line in open("{queue}"):
    known["JobID"], known["Name"] = line.split()
    print("".join(f"{{known.get(field, 'N/A')}}|" for field in fields))
""",
    "scontrol": "#!/bin/sh\necho 'PartitionName=gpu Default=YES MaxTime=1-00:00:00 State=UP'\n",
    "sinfo": "#!/bin/sh\necho '8|64000|gpu:rtx2080ti:2'\n",
    **dict.fromkeys(("sacct", "scancel", "srun"), "#!/bin/sh\n"),
}

#: Runs the program, and writes down what it imported and which files it opened in the situation.
_WATCHED = """
import json, os, runpy, sys
report = sys.argv.pop(1)
here = os.getcwd() + os.sep
opened = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])
        if path.startswith(here) and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            opened.append(path[len(here):])
sys.addaudithook(watch)
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code
seen = {"code": code, "modules": sorted(sys.modules), "opened": list(opened)}
with open(report, "w") as file:
    json.dump(seen, file)
"""


@dataclass(frozen=True)
class Journey:
    """One command, come to its end."""

    modules: tuple[str, ...]
    #: Files of the runs and of the data that were read, as often as they were.
    opened: tuple[str, ...]

    @property
    def ours(self) -> list[str]:
        """The modules of the package among those that were imported."""
        return [name for name in self.modules if name.split(".")[0] == PACKAGE]

    @property
    def opened_again(self) -> list[str]:
        """The files that were opened more than once, and how often."""
        times = Counter(self.opened)
        return [f"{path}: {n} times" for path, n in sorted(times.items()) if n > 1]

    def imports(self, name: str) -> bool:
        """Whether a module, or one below it, was imported."""
        return any(each == name or each.startswith(f"{name}.") for each in self.modules)


def travel(root: Path) -> dict[str, Journey]:
    """Runs all of them with the package of a checkout.

    Raises:
        RuntimeError: a command failed.
    """
    with tempfile.TemporaryDirectory(prefix="measure-") as name:
        folder = Path(name).resolve()
        (folder / "here").mkdir()
        environment = _environment(root, folder)
        for command in _FIRST:
            _run(command, folder, environment)
        return {key: _run(command, folder, environment) for key, command in JOURNEYS.items()}


def _environment(root: Path, folder: Path) -> dict[str, str]:
    commands = folder / "commands"
    commands.mkdir()
    (folder / "queue").touch()
    for name, script in _SLURM.items():
        text = script.format(queue=folder / "queue", python=sys.executable)
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMTNAS_", "SLURM_"))}
    return {
        **kept,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root.resolve()),
        "EMTNAS_PROFILES": str(folder / "profiles"),
        "OMP_NUM_THREADS": "1",
    }


def _run(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Journey:
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(report), PACKAGE, *command],
        cwd=folder / "here",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seen = json.loads(report.read_text()) if report.exists() else {}
    if seen.get("code"):
        raise RuntimeError(f"{PACKAGE} {command[0]}: {(done.stderr or done.stdout).strip()}")
    if not seen:
        raise RuntimeError(f"{PACKAGE} {command[0]} came to no end: {done.stderr.strip()}")
    return Journey(tuple(seen["modules"]), tuple(seen["opened"]))
