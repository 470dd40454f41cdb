"""The plan of a launch and what came of it: on the screen, or as JSON."""

import json
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from emtnas_hpc.cli.console import format_duration, make_table, open_screen
from emtnas_hpc.slurm.estimate import finish
from emtnas_hpc.slurm.launch import Launched
from emtnas_hpc.slurm.plan import LaunchPlan, PlannedSeed, with_room
from emtnas_hpc.slurm.profile import SHIPPED_DEFAULT
from emtnas_hpc.slurm.reconcile import Action
from emtnas_hpc.slurm.slurm import format_limit
from emtnas_hpc.slurm.submit import sbatch_text


def print_proposals(proposals: Sequence[LaunchPlan], *, with_script: bool) -> None:
    """Prints what would be done, and why.

    Args:
        proposals: of one experiment each.
        with_script: whether to print what sbatch would be given for the first seed of each.
    """
    screen = open_screen()
    for proposal in with_room(proposals):
        _print_proposal(screen, proposal)
        script = _script(proposal)
        if with_script and script:
            screen.print(script, markup=False, soft_wrap=True)


def print_launched(launched: Sequence[Launched]) -> None:
    """Prints what was done about each seed."""
    screen = open_screen()
    for each in launched:
        line = f"{_name(each)}: {each.decision.action.value}{_about(each)}"
        screen.print(line, markup=False, soft_wrap=True)


def print_json(
    proposals: Sequence[LaunchPlan], launched: Sequence[Launched], *, with_script: bool
) -> None:
    """Prints plan and outcome as one JSON document."""
    done = {each.seed.run.directory: each for each in launched}
    values = [_values(proposal, done, with_script) for proposal in with_room(proposals)]
    print(json.dumps({"experiments": values}, indent=2, allow_nan=False))


def requested(proposal: LaunchPlan) -> dict[str, tuple[object, str]]:
    """What the jobs ask for, by name: the value and its origin; what is left open is left out."""
    profile, origins = proposal.resolved.profile, proposal.resolved.origins
    values: dict[str, object] = profile.model_dump(mode="json", exclude={"sbatch"})
    values["time"] = format_limit(profile.time)
    values |= {f"sbatch.{name}": value for name, value in profile.sbatch.items()}
    return {
        name: (value, origins.get(name, SHIPPED_DEFAULT))
        for name, value in values.items()
        if value not in ("", [])
    }


def _print_proposal(screen: Console, proposal: LaunchPlan) -> None:
    screen.print(proposal.experiment.name, markup=False, style="bold")
    screen.print(_request_table(proposal))
    screen.print()
    screen.print(_seed_table(proposal))
    screen.print()
    for note in (*_notes(proposal), *(f"warning: {line}" for line in proposal.warnings)):
        screen.print(note, markup=False, soft_wrap=True)


def _request_table(proposal: LaunchPlan) -> Table:
    table = make_table()
    for heading in ("a job asks for", "value", "from"):
        table.add_column(heading)
    for name, (value, origin) in requested(proposal).items():
        shown = "; ".join(value) if isinstance(value, list) else str(value)
        table.add_row(name, _plain(shown), _plain(origin))
    pace = proposal.pace
    table.add_row("a generation", format_duration(pace.value), _plain(pace.origin))
    table.add_row("a commit", _size(proposal.commit.value), _plain(proposal.commit.origin))
    return table


def _seed_table(proposal: LaunchPlan) -> Table:
    table = make_table()
    table.add_column("seed", justify="right")
    table.add_column("is")
    for heading in ("generation", "to go", "a job holds", "jobs", "work"):
        table.add_column(heading, justify="right")
    table.add_column("will be")
    for row in proposal.seeds:
        table.add_row(*_cells(row))
    return table


def _cells(row: PlannedSeed) -> list[str]:
    plan, decision = row.plan, row.decision
    seed = row.seed.run.directory.name.removeprefix("seed-")
    will = decision.action.value + (f" ({decision.why})" if decision.why else "")
    jobs = ["-", "-", "-"]
    if plan.seconds and decision.action is not Action.LEAVE:
        n_jobs = "-" if plan.n_jobs is None else str(plan.n_jobs)
        holds = str(min(plan.per_job, plan.left)) if plan.left else "-"
        jobs = [holds, n_jobs, format_duration(plan.seconds)]
    return [seed, decision.state, str(plan.generation), str(plan.left), *jobs, _plain(will)]


def _notes(proposal: LaunchPlan) -> list[str]:
    notes = []
    plans = [row.plan for row in proposal.submitted]
    if any(plan.seconds for plan in plans) and all(plan.n_jobs is not None for plan in plans):
        end = time.strftime("%a %d %b %Y, %H:%M", time.localtime(finish(time.time(), plans)))
        notes.append(f"Without any waiting in the queue the last seed ends on {end}.")
    if guessed := _guessed(proposal):
        longest = max(row.guessed_s for row in proposal.submitted)
        notes.append(
            f"Of a seed's work {format_duration(longest)} are a guess, from what a generation "
            f"takes: retraining that has not been measured yet ({', '.join(guessed)})."
        )
    notes.append(f"On the disk these runs will take up to {_size(proposal.disk_bytes)} more.")
    return notes


def _guessed(proposal: LaunchPlan) -> list[str]:
    names = (name for row in proposal.submitted for name in row.guessed)
    return [name.removeprefix("retraining/") for name in dict.fromkeys(names)]


def _script(proposal: LaunchPlan) -> str:
    if not proposal.submitted:
        return ""
    seed = proposal.submitted[0].seed
    return sbatch_text(seed.run, seed.request)


def _values(proposal: LaunchPlan, done: dict[Any, Launched], with_script: bool) -> dict[str, Any]:
    script = {"sbatch": _script(proposal)} if with_script else {}
    asked = requested(proposal).items()
    return {
        "name": proposal.experiment.name,
        "request": {name: {"value": v, "origin": origin} for name, (v, origin) in asked},
        "seconds_per_generation": vars(proposal.pace),
        "commit_bytes": vars(proposal.commit),
        "disk_bytes": proposal.disk_bytes,
        "seeds": [_seed_values(row, done.get(row.seed.run.directory)) for row in proposal.seeds],
        "warnings": list(proposal.warnings),
        **script,
    }


def _seed_values(row: PlannedSeed, launched: Launched | None) -> dict[str, Any]:
    decision = launched.decision if launched else row.decision
    return {
        "seed": int(row.seed.run.directory.name.removeprefix("seed-")),
        "directory": str(row.seed.run.directory),
        "state": decision.state,
        "why": decision.why,
        "action": decision.action.value,
        "plan": vars(row.plan),
        "guessed_stages": list(row.guessed),
        "guessed_seconds": row.guessed_s,
        "disk_bytes": row.disk_bytes,
        "jobs": [record.job_id for record in launched.jobs] if launched else [],
    }


def _name(launched: Launched) -> str:
    directory = launched.seed.run.directory
    return f"{directory.parent.name}, seed {directory.name.removeprefix('seed-')}"


def _about(launched: Launched) -> str:
    decision = launched.decision
    if decision.action is Action.LEAVE:
        return f", {decision.state}" + (f": {decision.why}" if decision.why else "")
    if decision.action is Action.TOP_UP:
        return f": {', '.join(str(record.job_id) for record in launched.jobs) or 'none'}"
    first, *spares = [str(record.job_id) for record in launched.jobs]
    behind = f", {', '.join(spares)} behind it" if spares else ""
    return f": job {first}{behind}"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _plain(text: str) -> str:
    """Text that is not to be read as markup."""
    return escape(text)
