"""Damages the answers of SLURM's commands, and holds that no job is ever lost out of sight by it.

One input is a small site: seeds with jobs that wait, run, are submitted or have ended, and jobs of
other work. Its commands answer as SLURM's do, with lines cut, doubled, glued, padded or mixed with
a site's notices, and odd values. Everything that reads them runs in this process.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TypeVar
from unittest import mock

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.status import print_status
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.slurm import slurm
from emtnas_hpc.slurm.acceptance import check_acceptance
from emtnas_hpc.slurm.checks import check_site
from emtnas_hpc.slurm.fit import JobOptions, resolve
from emtnas_hpc.slurm.job_files import (
    JobRecord,
    JobSpec,
    new_record,
    own_jobs,
    read_records,
    write_record,
)
from emtnas_hpc.slurm.profile import Profile, Resolved
from emtnas_hpc.slurm.queue import Queue, gone_jobs, knows_job, read_endings, read_queue
from emtnas_hpc.slurm.reconcile import Action, State, classify, reconcile
from emtnas_hpc.slurm.site import (
    Partition,
    most_gpus,
    read_cluster_settings,
    read_nodes,
    read_partitions,
)
from emtnas_hpc.slurm.slurm import Answer
from emtnas_hpc.slurm.snapshot import RunSnapshot
from emtnas_hpc.slurm.submit import sbatch_text, submit, submitted_id
from emtnas_hpc.slurm.this_job import job_environment, time_limit

T = TypeVar("T")

_HEADING = "JOBID|NAME|STATE|REASON|RESTART_COUNT|END_TIME|DEPENDENCY|NODELIST|"
_LIVE = ("RUNNING", "PENDING", "COMPLETING", "SUSPENDED", "CONFIGURING", "STAGE_OUT")
_NEWER = ("SPECIAL_EXIT", "RESV_DEL_HOLD", "REQUEUE_HOLD", "SIGNALING", "POWERED_DOWN")
_NOTICES = (
    "*** maintenance on Monday ***",
    "NOTE: this list is cached for 30 s",
    "+----------+",
    "| cluster closed on Friday |",
    "2026-11-27 08:00 all nodes are back",
    "12 jobs of yours wait",
    "slurm_load_jobs error: Slow response",
    "Guthaben f\xfcr Dezember: 12 h",
    "\x1b[31mwarning\x1b[0m",
    "=" * 300,
    "JOBID NAME USER ST",
)
_ODD = ("N/A", "(null)", "UNLIMITED", "INVALID", "Unknown", "unknown", "", " ", "-1", "8+", "1e9")
_ODDER = ("9" * 30, "9" * 5000, "\u00b2", "\u0663", "0x10", "NaN", "inf", "64000+", "2026-11-27T08")
_OTHER_NAMES = (
    "bash",
    "my|job",
    "a\nb",
    "emtnas-by-hand",
    "emtnas-x|y",
    "12",
    "",
    "\x1b[1m",
    "\xfc",
)


def fuzz_one(rng: random.Random, folder: Path) -> None:
    """One site with one set of damaged answers; raises what is wrong.

    Args:
        rng: all chance comes from it.
        folder: to work in; empty.
    """
    site = _Site(rng, folder)
    with _commands(site, folder):
        _jobs_stay_in_sight(site)
        _the_rest_survives(site, rng)


class _Site:
    """The truth, and the answers of its commands."""

    def __init__(self, rng: random.Random, folder: Path) -> None:
        self.rng = rng
        self.runs = [
            RunPaths(folder / "runs" / "a" / f"seed-{n}") for n in range(rng.randint(1, 3))
        ]
        self.live: dict[RunPaths, list[JobRecord]] = {}
        self.lines: list[tuple[str, bool]] = []
        self.states: dict[str, str] = {}
        self._n = rng.choice((1, 9, 99, 123_456))
        for run in self.runs:
            self._add_jobs(run)
        for _other in range(rng.randint(0, 3)):
            name = rng.choice(_OTHER_NAMES)
            self.lines.append((self._line(self._number(), name, rng.choice(_LIVE)), False))
        rng.shuffle(self.lines)

    def _number(self) -> str:
        self._n += self.rng.choice((1, 1, 2, 9))
        return str(self._n)

    def _add_jobs(self, run: RunPaths) -> None:
        run.directory.mkdir(parents=True)
        self.live[run] = []
        for _ended in range(self.rng.randint(0, 2)):
            self._record(run, self._number())
        for n in range(self.rng.randint(0, 2)):
            answered = n == 0 or self.rng.random() < 0.7
            number = self._number()
            record = self._record(run, number if answered else None)
            state = self.rng.choice(_LIVE + _NEWER) if n == 0 else "PENDING"
            self.lines.append((self._line(number, record.name, state), True))
            self.states[number] = state
            self.live[run].append(record)

    def _record(self, run: RunPaths, number: str | None) -> JobRecord:
        drawn = new_record(run, None)
        intent = f"{self.rng.getrandbits(32):08x}"
        name = drawn.name.removesuffix(drawn.intent) + intent
        record = JobRecord(intent, name, 0.0, None, number)
        write_record(run.jobs, record)
        return record

    def _line(self, number: str, name: str, state: str) -> str:
        values = ["None", "0", "1795506337", "(null)", "n1"]
        for i in range(len(values)):
            if self.rng.random() < 0.15:
                values[i] = self.rng.choice(_ODD + _ODDER)
        return "|".join([number, name, state, *values]) + "|"

    def answer(self, command: Sequence[str]) -> Answer:
        """What a command prints, after the damage."""
        name, *arguments = command
        if self.rng.random() < 0.03:
            return Answer(1, "", self.rng.choice((f"{name}: error: no\n", "", *_NOTICES)))
        if name == "squeue":
            if "--jobs" in arguments:
                return self._state(arguments[arguments.index("--jobs") + 1])
            return Answer(0, self._queue(), self.rng.choice(("", "", "squeue: a remark\n")))
        text = {
            "scontrol": self._config() if "config" in arguments else self._partitions(),
            "sinfo": self._nodes(),
            "sacct": "".join(f"{n}|{s}\n" for n, s in self.states.items()),
            "sbatch": self._submitted(),
        }.get(name, "")
        # A number that is cut cannot be told from another one.
        is_number = name == "sbatch"
        shown = self._printed(text.splitlines()) if is_number else self._damaged(text)
        return Answer(0, shown, "")

    def _queue(self) -> str:
        lines = [self._damaged_line(line) if own else line for line, own in self.lines]
        if self.rng.random() < 0.2:
            i = self.rng.randrange(len(lines) + 1)
            lines[i:i] = lines[i : i + 1]
        if self.rng.random() < 0.8:
            lines.insert(0, _HEADING)
        return self._printed(lines)

    def _damaged_line(self, line: str) -> str:
        kind = self.rng.choice(("", "", "end", "begin", "glue", "front", "pad", "more", "fewer"))
        fields = line.split("|")
        if kind == "end":
            return line[: self.rng.randint(1, len(line))]
        if kind == "begin":
            return line[self.rng.randint(0, len("|".join(fields[:3]))) :]
        if kind == "glue":
            return line + self.rng.choice((*_NOTICES, *(each for each, _own in self.lines)))
        if kind == "front":
            return self.rng.choice(("Warning: ", "  ", "* ", "\t")) + line
        if kind == "pad":
            return " |".join(field.ljust(self.rng.randint(0, 12)) for field in fields)
        if kind == "more":
            return line + "more|" * self.rng.randint(1, 3)
        if kind == "fewer":
            del fields[self.rng.randrange(len(fields) - 1)]
            return "|".join(fields)
        return line

    def _printed(self, lines: list[str]) -> str:
        for _notice in range(self.rng.choice((0, 0, 1, 3))):
            lines.insert(self.rng.randrange(len(lines) + 1), self.rng.choice(_NOTICES))
        end = self.rng.choice(("\n", "\n", "\r\n"))
        return end.join(lines) + self.rng.choice((end, ""))

    def _state(self, number: str) -> Answer:
        if number not in self.states:
            return Answer(1, "", "slurm_load_jobs error: Invalid job id specified\n")
        state = self.states[number]
        shown = state[: self.rng.randint(1, len(state))] if self.rng.random() < 0.2 else state
        return Answer(0, self._printed([shown]), "")

    def _partitions(self) -> str:
        odd = (*_ODD, *_ODDER, "1-00:00:00", "12:00:00")
        line = "PartitionName={} Default={} MaxTime={} State={} GraceTime={} MaxMemPerNode={}"
        names = [("gpu", "YES"), ("long", "NO")]
        return "".join(
            line.format(*name, *(self.rng.choice(odd) for _ in range(4))) + "\n" for name in names
        )

    def _nodes(self) -> str:
        odd = (*_ODD, *_ODDER, "gpu:2", "gpu:a:4(S:0-1),tmp:10G", "gpu:", "gpu:N/A", "2", "15973")
        rows = [("8", "64000", "gpu:rtx2080ti:2"), ("2", "8000", "gpu:1")]
        return "".join(
            "|".join(v if self.rng.random() < 0.7 else self.rng.choice(odd) for v in row) + "\n"
            for row in rows
        )

    def _config(self) -> str:
        names = ("JobRequeue", "PreemptType", "SlurmctldParameters", "SLURM_VERSION")
        odd = (*_ODD, *_ODDER, "1", "preempt/qos")
        return "".join(f"{name.ljust(23)} = {self.rng.choice(odd)}\n" for name in names)

    def _submitted(self) -> str:
        return self.rng.choice(
            ("Submitted batch job 77\n", "77;cluster\n", "77\n", "Submitted batch job\n", "")
        )

    def _damaged(self, text: str) -> str:
        if self.rng.random() < 0.2:
            text = text[: self.rng.randint(0, len(text))]
        if self.rng.random() < 0.05:
            text = self.rng.choice((text.encode().decode("utf-16", "replace"), "\0" * 9, text * 3))
        return self._printed(text.splitlines()) if self.rng.random() < 0.5 else text


@contextmanager
def _commands(site: _Site, folder: Path) -> Iterator[None]:
    """The site's commands in the place of SLURM's; srun is looked for on the disk."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "srun").write_text("#!/bin/sh\n")
    (programs / "srun").chmod(0o755)
    profiles = str(folder / "profiles")
    surroundings = {"PATH": str(programs), "EMTNAS_PROFILES": profiles}
    with (
        mock.patch.object(slurm, "_run", lambda command, *_more: site.answer(command)),
        mock.patch.dict("os.environ", surroundings),
        mock.patch("submitit.SlurmExecutor._throttle"),
    ):
        yield
    shutil.rmtree(programs)


def _tried(what: Callable[[], T]) -> T | None:
    """What comes of it; None where it was refused, which must be said in one printable line."""
    try:
        return what()
    except EmtnasError as error:
        message = str(error)
        assert message.isprintable(), f"a message that is no line: {message!r}"
        assert len(message) < 2000, f"a message of {len(message)} signs"
        return None


def _jobs_stay_in_sight(site: _Site) -> None:
    """No job that is there is taken for gone, nor submitted again."""
    queue = _tried(read_queue)
    for run, live in site.live.items():
        records = read_records(run.jobs)
        jobs = None if queue is None else _tried(partial(own_jobs, records, queue))
        seed = RunSnapshot(run, records=records, jobs=jobs)
        if jobs is not None:
            names = {job.name for job in jobs}
            lost = [record.name for record in live if record.name not in names]
            assert not lost, f"jobs that are there are taken for gone: {lost}"
            decision = reconcile(seed, 1)
            answered = [record for record in live if record.job_id]
            twice = decision.action is Action.SUBMIT and answered
            assert not twice, f"a seed with {answered} is submitted once more"
        standing = classify(seed)
        assert not live or standing.state.moves, f"{live} is judged {standing}"
    for number, state in site.states.items():
        knows = _tried(partial(knows_job, number))
        assert knows is not False, f"job {number}, {state}, is said to have ended"
        assert not gone_jobs()(number), f"job {number}, {state}, is said to be gone"
    overview = StringIO()
    with redirect_stdout(overview), redirect_stderr(StringIO()):
        print_status([run.directory for run in site.runs], as_json=True)
    seeds = json.loads(overview.getvalue())["seeds"]
    for run, row in zip(site.runs, seeds, strict=True):
        is_moving = State(row["state"]).moves
        assert is_moving or not site.live[run], (
            f"status says {row} of a live seed: {site.live[run]}"
        )


def _the_rest_survives(site: _Site, rng: random.Random) -> None:
    _tried(lambda: read_endings(set(site.states) | {"5"}))
    _tried(lambda: check_acceptance("#!/bin/sh\n"))
    settings = _tried(read_cluster_settings)
    partitions: Sequence[Partition] = _tried(read_partitions) or ()
    gpus = _tried(lambda: most_gpus(read_nodes("gpu"))) or {}
    if settings is not None:
        for finding in check_site(Profile(partition="gpu"), partitions, gpus, settings):
            assert str(finding).isprintable(), f"a finding that is no line: {finding}"
    ways = ((), ("mem=0",), ("mem=4G",), ("mem-per-cpu=2G",), ("mem-per-gpu=2G",))
    resolved = _tried(lambda: resolve(JobOptions(partition="gpu", sbatch=rng.choice(ways))))
    run = RunPaths(site.runs[0].directory.parent / "seed-9")
    if resolved is not None:
        _one_memory_option(resolved, run)
    _job_knows_itself(rng)
    _submits_once(run)


def _one_memory_option(resolved: Resolved, run: RunPaths) -> None:
    request = JobSpec(profile=resolved.profile, data="/d", device="cpu", prepare_command="m")
    lines = sbatch_text(run, request).splitlines()
    memory = [line for line in lines if line.startswith("#SBATCH --mem")]
    assert len(memory) == 1, f"memory is asked for {len(memory)} times: {memory}"
    assert resolved.profile.cpus >= 1


def _job_knows_itself(rng: random.Random) -> None:
    odd = (*_ODD, *_ODDER, "3", "1795506337")
    names = ("SLURM_RESTART_COUNT", "SLURM_JOB_END_TIME", "SLURM_JOB_DEPENDENCY", "SLURM_JOB_NAME")
    environment = {name: rng.choice(odd) for name in names}
    job = job_environment({"SLURM_JOB_ID": "7", **environment})
    queue = _tried(read_queue) or Queue()
    limit = time_limit(job, 60.0, lambda: next((each.end_epoch for each in queue), None))
    left = limit.seconds_left()
    assert left is None or left > -1, f"{left} s are left of a job that begins"


def _submits_once(run: RunPaths) -> None:
    run.directory.mkdir()
    request = JobSpec(
        profile=Profile(partition="gpu"), data="/d", device="cpu", prepare_command="m"
    )
    record = _tried(lambda: submit(run, request))
    [written] = read_records(run.jobs)
    if record is None:
        assert written.pending or written.void
    else:
        assert written == record
        assert record.job_id == "77", f"sbatch gave 77, read was {record.job_id}"
    assert submitted_id("Submitted batch job 7\n") == "7"
