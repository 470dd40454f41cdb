"""SLURM's commands: in which environment and language they are asked, and how long.

Also the clock of a file server, and limits, sizes and durations as text.
"""

import os
import re
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import emtnas_hpc
from emtnas_hpc.errors import SchedulerError

#: A controller that is busy answers within this; two calls still fit into 20 s.
PATIENCE_S = 9.0

#: English messages, and times as seconds since 1970: no time zone, no locale, no year left out.
_LANGUAGE = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"}
#: A user's filters for his own eyes: a job that they hide would be taken for one that has ended.
_FILTERS = ("SQUEUE_", "SINFO_", "SACCT_")

#: Those of the commands that are asked something; the others may well have nothing to say.
_QUESTIONS = ("squeue", "sinfo", "scontrol", "sacct")

#: The queue of a user with 100,000 jobs has a third of it.
_MOST_BYTES = 64 * 1024**2
_LOOK_EVERY_S = 0.5
#: Of what SLURM or a site's wrapper said, a message quotes so much.
_MOST_QUOTED = 72
_MOST_REASON = 300

#: Longer numbers are none of SLURM's.
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code, and what it printed."""

    returncode: int
    out: str
    err: str


def run_command(*command: str, patience_s: float = PATIENCE_S) -> str:
    """Runs one of SLURM's commands; returns what it printed.

    Raises:
        SchedulerError: it is not installed, refused, or did not answer; to a question, complaints
            alone are no answer, whatever the exit code.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_FILTERS)}
    answer = run(*command, patience_s=patience_s, environment={**kept, **_LANGUAGE})
    if answer.returncode:
        said = answer.err if answer.err.strip() else answer.out
        raise SchedulerError(f"{command[0]} refused: {_reason(said)}")
    if Path(command[0]).name in _QUESTIONS and not answer.out.strip() and answer.err.strip():
        raise SchedulerError(f"{command[0]} gave no answer: {_reason(answer.err)}")
    return answer.out


def run(
    *command: str, patience_s: float = PATIENCE_S, environment: Mapping[str, str] = os.environ
) -> Answer:
    """Runs a command to its end, whatever that is.

    Raises:
        SchedulerError: it cannot be started, did not end in time, or printed without end.
    """
    name = command[0]
    try:
        return _run(command, patience_s, environment)
    except FileNotFoundError:
        raise SchedulerError(_missing(name)) from None
    except OSError as error:
        raise SchedulerError(f"{name} cannot be started: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise SchedulerError(
            f"{name} did not answer within {patience_s:.0f} s; "
            "is SLURM's controller down? try again later"
        ) from None


def lines_of(text: str) -> list[str]:
    """The lines of an answer that are not blank; a name may hold any other kind of line break."""
    return [line for raw in text.split("\n") if (line := raw.strip("\r\0 \t"))]


def number(text: str) -> int | None:
    """A whole number that is not negative; None for all else, such as N/A or (null)."""
    text = text.strip()
    return int(text) if _NUMBER.fullmatch(text) else None


def clean(text: str) -> str:
    """A value as it may be printed: control characters would reach the user's terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text.strip())


def none_of(command: str, whose: str, lines: Sequence[str]) -> str:
    """Says which lines were skipped; `whose` is what was expected there, such as "a job's"."""
    if len(lines) == 1:
        return f"{command} printed a line that is none of {whose}: {quoted(lines[0])}"
    return (
        f"{command} printed {len(lines)} lines that are none of {whose}, the first: "
        f"{quoted(lines[0])}"
    )


def instead_of(command: str, what: str, lines: Sequence[str]) -> SchedulerError:
    """The error of an answer in which nothing is what was asked for."""
    n_more = len(lines) - 1
    more = f" and {n_more} more line{'s' if n_more > 1 else ''}" if n_more else ""
    return SchedulerError(f"{command} said {quoted(lines[0])}{more} instead of {what}")


def quoted(line: str) -> str:
    """A line in a message: in quotes, cut if it is long."""
    text = clean(line)
    return f'"{text}"' if len(text) <= _MOST_QUOTED else f'"{text[: _MOST_QUOTED - 3]}..."'


def complaint(lines: Sequence[str]) -> list[str]:
    """Of what a command complained the lines that say why, two at most.

    SLURM says what is wrong first and gives up in general words after it; a site's own remarks may
    come before both.
    """
    first = next((i for i, line in enumerate(lines) if "error:" in line.lower()), 0)
    return [clean(line)[:_MOST_REASON] for line in lines[first : first + 2]]


def _reason(text: str) -> str:
    return "; ".join(complaint(lines_of(text))) or "without a word"


def _missing(name: str) -> str:
    if path := shutil.which(name):
        return f"{name} cannot be started: {path} names an interpreter that is not here"
    return f"there is no command {name} here; this must run on a node of a SLURM cluster"


def _run(command: Sequence[str], patience_s: float, environment: Mapping[str, str]) -> Answer:
    end = time.monotonic() + patience_s
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            out, err = _read(process, end)
            code = process.wait(max(0.0, end - time.monotonic()))
        except BaseException:
            process.kill()
            raise
    return Answer(code, *(data.decode(errors="replace") for data in (out, err)))


def _read(process: "subprocess.Popen[bytes]", end: float) -> tuple[bytearray, bytearray]:
    """All that a process prints; but it does not wait for what the process left running."""
    out, err = bytearray(), bytearray()
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            ready = selector.select(min(left, _LOOK_EVERY_S))
            for key, _events in ready:
                piece = os.read(key.fd, 1 << 16)
                key.data.extend(piece)
                if not piece:
                    selector.unregister(key.fileobj)
                if len(key.data) > _MOST_BYTES:
                    most = f"{_MOST_BYTES // 1024**2} MB"
                    raise SchedulerError(f"{_name(process)} printed more than {most}; stopped it")
            if not ready and process.poll() is not None:
                break
    return out, err


def _name(process: "subprocess.Popen[bytes]") -> str:
    arguments = process.args
    return str(arguments[0]) if isinstance(arguments, (list, tuple)) else str(arguments)


_PREFIX = "SBATCH_"
#: Of ours and of SLURM's variables SLURM's go before the script, so these would undo a profile.
_OURS = frozenset(
    _PREFIX + name
    for name in (
        *("ACCOUNT", "ARRAY_INX", "CLUSTERS", "CONSTRAINT", "CPUS_PER_GPU", "ERROR", "GPUS"),
        *("GPUS_PER_NODE", "GPUS_PER_SOCKET", "GPUS_PER_TASK", "GRES", "JOB_NAME", "MEM_PER_CPU"),
        *("MEM_PER_GPU", "MEM_PER_NODE", "NO_REQUEUE", "OPEN_MODE", "OUTPUT", "PARTITION", "QOS"),
        *("REQUEUE", "SIGNAL", "TIMELIMIT", "WAIT"),
    )
)
#: What of a job's surroundings is of no use to the next one, or misleads it.
_JOB = (
    *("SLURM_", "SLURMD_", "SRUN_", _PREFIX, "SUBMITIT_"),
    *("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"),
    *("TMPDIR", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "LOCAL_WORLD_SIZE",
)
#: Lists of folders that a job's setup lines may have put something before.
_LISTS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


def package_root() -> str:
    """The folder that holds this package."""
    return str(Path(emtnas_hpc.__file__).absolute().parents[1])


def environment_options(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Options that the user's environment gives every job here, as NAME=VALUE."""
    names = sorted(name for name in environment if name.startswith(_PREFIX) and name not in _OURS)
    return tuple(
        f"{name}={environment[name]}" for name in names if "SLURM_JOB_ID" not in environment
    )


def clean_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What sbatch is to see: nothing that undoes a profile, and nothing of a job we may be in.

    Jobs submit jobs: whatever one of them adds must not add up.
    """
    seen = {name: value for name, value in environment.items() if name not in _OURS}
    if "SLURM_JOB_ID" not in environment:
        return seen
    kept = {name: value for name, value in seen.items() if not name.startswith(_JOB)}
    if configuration := environment.get("SLURM_CONF"):
        kept["SLURM_CONF"] = configuration
    return kept | {name: _each_once(name, kept[name]) for name in _LISTS if name in kept}


@contextmanager
def sbatch_environment() -> Iterator[None]:
    """This process's environment is what sbatch is to see; afterwards as before."""
    before = dict(os.environ)
    _become(clean_environment(before))
    try:
        yield
    finally:
        _become(before)


def _become(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)


def _each_once(name: str, text: str) -> str:
    folders = dict.fromkeys(text.split(":"))
    if name == "PYTHONPATH":
        folders.pop(package_root(), None)  # the job's script puts it there anew
    return ":".join(folders)


def filesystem_now(directory: Path) -> float:
    """Seconds since 1970 by the clock of the directory's file server.

    Ages of files are computed by this clock, for no two machines' clocks agree. Asks it by a file
    without a name; where none can be written, this machine's clock has to do.
    """
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


#: The forms of `man sbatch`: 90, 90:00, 24:00:00, 1-12, 1-12:30, 1-12:30:00.
_FORM = re.compile(r"(?:(?P<days>\d+)-)?(?P<a>\d+)(?::(?P<b>\d+))?(?::(?P<c>\d+))?")
_ENDLESS = frozenset({"UNLIMITED", "INFINITE"})


def parse_limit(text: str) -> int | None:
    """Minutes of a limit, seconds rounded up as SLURM does; None where there is none.

    Raises:
        ValueError: it is not one of SLURM's forms.
    """
    text = text.strip()
    if text.upper() in _ENDLESS:
        return None
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError("a time limit such as 90 (minutes), 24:00:00 or 1-12")
    a, b, c = (int(match[name] or 0) for name in "abc")
    if match["days"] or match["c"]:
        hours, minutes, seconds = a, b, c
    else:
        hours, minutes, seconds = 0, a, b
    hours += 24 * int(match["days"] or 0)
    return 60 * hours + minutes + -(-seconds // 60)


def format_limit(minutes: int) -> str:
    """`1-00:00:00` or `01:30:00`, as SLURM shows it."""
    days, rest = divmod(minutes, 24 * 60)
    clock = f"{rest // 60:02d}:{rest % 60:02d}:00"
    return f"{days}-{clock}" if days else clock


def format_bytes(n_bytes: float) -> str:
    """`1.2 GB` or `350 MB`."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def format_minutes(seconds: float) -> str:
    """`90 s`, `14 min` or `14 min 20 s`: a duration to be compared with a limit."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
