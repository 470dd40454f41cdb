"""Training steps and evaluations of three kinds of network, in turns."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.timing import Time, median, total

Subject = str
SUBJECTS: tuple[Subject, ...] = ("supernet", "stand-alone", "reference")
WORKS = ("training step", "evaluation of 1000 images")

#: The most that ours may take of the other's time, on one thread and at the scale of CIFAR.
TARGETS = {
    ("training step", "reference"): 0.45,
    ("evaluation of 1000 images", "reference"): 0.2,
    ("training step", "stand-alone"): 1.05,
    ("evaluation of 1000 images", "stand-alone"): 1.05,
}


def measure(settings: Settings) -> list[Row]:
    """Times everything on every number of threads."""
    return [row for threads in settings.threads for row in _measure(settings, threads)]


def _measure(settings: Settings, threads: int) -> list[Row]:
    with _worker(settings, threads, False) as ours, _worker(settings, threads, True) as theirs:
        workers = {"supernet": ours, "stand-alone": ours, "reference": theirs}
        times = {
            work: _take_turns(workers, work, settings.individuals, settings.repetitions)
            for work in WORKS
        }
        peaks = [_ask(worker, "memory", "", 0) for worker in (ours, theirs)]
        sizes = _ask(ours, "sizes", "", 0)
    rows = [_row(work, subject, times, threads) for work in WORKS for subject in SUBJECTS]
    with_target = threads == 1 and settings.is_cifar_scale
    rows += [_ratio(work, other, times, threads, with_target) for work, other in TARGETS]
    rows += [
        Row(f"peak memory, {whose}", "MB", peak, threads=threads)
        for whose, peak in zip(("ours", "reference"), peaks, strict=True)
    ]
    if threads == settings.threads[0]:
        rows += [Row(f"supernet: {what}", "MB", size) for what, size in sizes.items()]
    return rows


def _take_turns(
    workers: dict[Subject, Connection], work: str, individuals: int, repetitions: int
) -> dict[Subject, Time]:
    """Per subject the mean over individuals of the median over repetitions."""
    times: dict[tuple[Subject, int], list[Time]] = {}
    for _repetition in range(repetitions):
        for individual in range(individuals):
            for subject, worker in workers.items():
                time = _ask(worker, work, subject, individual)
                times.setdefault((subject, individual), []).append(time)
    return {
        subject: Time(
            *(
                seconds / individuals
                for seconds in total([median(times[subject, i]) for i in range(individuals)])
            )
        )
        for subject in workers
    }


def _row(work: str, subject: Subject, times: dict[str, dict[Subject, Time]], threads: int) -> Row:
    wall, cpu = times[work][subject]
    return Row(f"{work}, {subject}", "ms", 1e3 * wall, 1e3 * cpu, threads)


def _ratio(
    work: str,
    other: Subject,
    times: dict[str, dict[Subject, Time]],
    threads: int,
    with_target: bool,
) -> Row:
    ours, theirs = times[work]["supernet"], times[work][other]
    return Row(
        f"{work}, supernet / {other}",
        "x",
        ours.wall / theirs.wall,
        ours.cpu / theirs.cpu,
        threads,
        TARGETS[work, other] if with_target else None,
    )


def _ask(worker: Connection, work: str, subject: Subject, individual: int) -> Any:
    worker.send((work, subject, individual))
    return worker.recv()


@contextmanager
def _worker(settings: Settings, threads: int, is_reference: bool) -> Iterator[Connection]:
    """A process that measures when it is asked to, and otherwise sleeps."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, settings, threads, is_reference))
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _serve(orders: Connection, settings: Settings, threads: int, is_reference: bool) -> None:
    from benchmarks.subjects import CpuBench

    bench = CpuBench(settings, threads, is_reference)
    while True:
        try:
            work, subject, individual = orders.recv()
        except EOFError:
            return
        if work == "memory":
            orders.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        elif work == "sizes":
            orders.send(bench.sizes())
        elif work == "training step":
            orders.send(bench.time_step(subject, individual))
        else:
            orders.send(bench.time_evaluation(subject, individual))
