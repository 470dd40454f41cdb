"""Commands as they are typed, with all that they print, leave in files, and return."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archive import PACKAGE
from command_line import Result, run_here
from fake_slurm import FakeSlurm

Patterns = tuple[tuple[str, str], ...]

#: What differs from one run of the tests to the next.
VARIABLE: Patterns = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*([+-]\d\d:\d\d|Z)?", "<time>"),
    (r"\b[A-Z][a-z]{2} \d\d [A-Z][a-z]{2} \d{4}, \d\d:\d\d", "<time>"),
    (r"\b\d\d:\d\d:\d\d (?=seed)", "<clock> "),
    (r"(?<=\d{4}-)[0-9a-f]{12}(?=\.jsonl)", "<token>"),
    (r"(?<=-s\d-)[0-9a-f]{8}\b", "<intent>"),
    (r"\b[0-9a-f]{8}(?=\.json)", "<intent>"),
    (r"(?m)^.*: equal bits are not promised\n", ""),
    (r"process \d+ on [\w.-]+", "process <pid> on <host>"),
    (r"by \S+ on \S+ at (?=<time>)", "by <user> on <host> at "),
    (r"(?<=ran on )\S+", "<host>"),
    (r"(?<=would run on ).+", "<device>"),
    (r"\bPython \d[\w.]*", "Python <version>"),
    (r"\btorch \d[\w.+]*", "torch <version>"),
    (r"(?m) +$", ""),
)
#: How wide a column of a table is depends on what was replaced in it.
_WIDTHS: Patterns = ((r"(?<=\S) {2,}(?=\S)", "  "), (r"(?m)^ +", ""), (r"─+", "───"))
#: What differs with processors and versions of torch: whatever was trained, and seconds.
MEASURED: Patterns = (
    (r"\d[\d,]*\.\d+(e-?\d+)?", "<number>"),
    (r"\b\d+ (s|min|h|d)\b( \d\d (s|min|h)\b)?", "<duration>"),
    (r"\b\d+ [kMG]B\b", "<size>"),
    *_WIDTHS,
)
#: Of a table whose last column says how long ago something was.
AGES: Patterns = ((r"(?m) \d+ (s|min|h|d)( \d+ (s|min|h))?$", " <age>"), *_WIDTHS)


@dataclass(frozen=True)
class Transcript:
    """A command and what came of it.

    Attributes:
        command: as typed.
        result: exit code and what it printed.
        changes: files below the current directory: `+` new, `~` written anew, `-` gone.
        queue: SLURM's jobs afterwards, where they are others than before.
    """

    command: str
    result: Result
    changes: tuple[str, ...]
    queue: tuple[str, ...]

    def text(self, patterns: Patterns) -> str:
        """All of it, with marks for what differs from time to time and matches these patterns."""
        result = self.result
        parts = [f"$ emtnas-hpc {self.command}\n", f"exit code {result.code}\n"]
        parts += [f"--- {name}\n{text}" for name, text in _streams(result) if text]
        for name, lines in (("files", self.changes), ("queue", self.queue)):
            parts += [f"--- {name}\n" + "".join(f"{line}\n" for line in lines)] * bool(lines)
        return steady("".join(parts), patterns)


@dataclass
class Recorder:
    """Runs commands in a folder, in this process, and keeps what came of each by a name."""

    folder: Path
    slurm: FakeSlurm
    transcripts: dict[str, Transcript] = field(default_factory=dict)

    def __call__(self, name: str, command: str) -> None:
        """Runs a command of words without blanks; the folder is the current directory."""
        before, queue = _state(self.folder), self.slurm.lines
        result = run_here(*command.split())
        changes = tuple(_changes(before, _state(self.folder)))
        jobs = () if self.slurm.lines == queue else tuple(self.slurm.lines or ["empty"])
        self.transcripts[name] = Transcript(command, self._without_paths(result), changes, jobs)

    def _without_paths(self, result: Result) -> Result:
        places = {
            str(self.folder): "<here>",
            str(self.folder.parent): "<above>",
            sys.executable: "<python>",
            str(PACKAGE): "<package>",
        }
        texts = [result.out, result.err]
        for place, mark in places.items():
            texts = [text.replace(place, mark) for text in texts]
        # A shell wants quotes around a path with blanks.
        return Result(result.code, *(re.sub(r"'(<\w+>[^'\n]*)'", r"\1", text) for text in texts))


def steady(text: str, patterns: Patterns = ()) -> str:
    """Text with marks for what differs from time to time."""
    for pattern, mark in VARIABLE + patterns:
        text = re.sub(pattern, mark, text)
    return text


def _streams(result: Result) -> Iterator[tuple[str, str]]:
    yield "stdout", result.out
    yield "stderr", result.err


def _state(folder: Path) -> Mapping[str, tuple[int, int, int]]:
    """By name what tells a file that was written anew."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {str(file.relative_to(folder)): file.stat() for file in files}
    return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    names = {*before, *after}
    signs = {
        name: "+" if name not in before else "-" if name not in after else "~"
        for name in names
        if before.get(name) != after.get(name)
    }
    return sorted(steady(f"{sign} {name}") for name, sign in signs.items())
