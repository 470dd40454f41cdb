"""The plan of a launch and what came of it: on the screen, or as JSON."""

import json
import time
from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from emtnas_hpc.cli.console import format_duration, make_table, open_screen
from emtnas_hpc.slurm.estimate import Measure
from emtnas_hpc.slurm.missing_jobs import Launched
from emtnas_hpc.slurm.plan import LaunchPlan, PlannedSeed
from emtnas_hpc.slurm.profile import SHIPPED_DEFAULT
from emtnas_hpc.slurm.reconcile import Action
from emtnas_hpc.slurm.slurm import format_bytes, format_limit
from emtnas_hpc.slurm.submit import sbatch_text

#: Earlier versions called standby jobs spares; readers find the word that they know.
_ACTIONS_IN_JSON = {Action.ADD_STANDBY: "spare added"}


def print_plans(plans: Sequence[LaunchPlan], *, with_script: bool) -> None:
    """Prints what would be done, and why; `with_script`, also what sbatch would be given."""
    screen = open_screen()
    for plan in plans:
        screen.print(plan.experiment.name, markup=False, style="bold")
        screen.print(_job_table(plan))
        screen.print()
        screen.print(_seed_table(plan))
        screen.print()
        for note in (*_notes(plan), *(f"warning: {line}" for line in plan.warnings)):
            screen.print(note, markup=False, soft_wrap=True)
        if with_script and (script := _script(plan)):
            screen.print(script, markup=False, soft_wrap=True)


def print_launched(launched: Sequence[Launched]) -> None:
    """Prints what was done about each seed."""
    screen = open_screen()
    for each in launched:
        run = each.seed.run
        name = f"{run.directory.parent.name}, seed {run.seed}"
        line = f"{name}: {each.decision.action.value}{_about(each)}"
        screen.print(line, markup=False, soft_wrap=True)


def print_json(
    plans: Sequence[LaunchPlan], launched: Sequence[Launched], *, with_script: bool
) -> None:
    """Prints plan and outcome as one JSON document."""
    done = {each.seed.run.directory: each for each in launched}
    values = [_values(plan, done, with_script) for plan in plans]
    print(json.dumps({"experiments": values}, indent=2, allow_nan=False))


def _job_options(plan: LaunchPlan) -> dict[str, tuple[object, str]]:
    """What the jobs ask for, by name: the value and its origin; what is left open is left out."""
    profile, origins = plan.resolved.profile, plan.resolved.origins
    values: dict[str, object] = profile.model_dump(mode="json", exclude={"sbatch"})
    values["time"] = format_limit(profile.time)
    values |= {f"sbatch.{name}": value for name, value in profile.sbatch.items()}
    return {
        name: (value, origins.get(name, SHIPPED_DEFAULT))
        for name, value in values.items()
        if value not in ("", [])
    }


def _job_table(plan: LaunchPlan) -> Table:
    table = make_table()
    for heading in ("a job asks for", "value", "from"):
        table.add_column(heading)
    for name, (value, origin) in _job_options(plan).items():
        shown = "; ".join(value) if isinstance(value, list) else str(value)
        table.add_row(name, escape(shown), escape(origin))
    table.add_row("a generation", format_duration(plan.pace.value), escape(plan.pace.origin))
    table.add_row("a commit", format_bytes(plan.commit.value), escape(plan.commit.origin))
    return table


def _seed_table(plan: LaunchPlan) -> Table:
    table = make_table()
    table.add_column("seed", justify="right")
    table.add_column("is")
    for heading in ("generation", "to go", "a job holds", "jobs", "work"):
        table.add_column(heading, justify="right")
    table.add_column("will be")
    for row in plan.seeds:
        table.add_row(*_cells(row))
    return table


def _cells(row: PlannedSeed) -> list[str]:
    ahead, decision = row.estimate, row.decision
    will = decision.action.value + (f" ({decision.why})" if decision.why else "")
    jobs = ["-", "-", "-"]
    if ahead.seconds and decision.action is not Action.LEAVE:
        n_jobs = "-" if ahead.n_jobs is None else str(ahead.n_jobs)
        holds = str(min(ahead.per_job, ahead.left)) if ahead.left else "-"
        jobs = [holds, n_jobs, format_duration(ahead.seconds)]
    return [
        row.seed.run.seed,
        decision.state,
        str(ahead.generation),
        str(ahead.left),
        *jobs,
        escape(will),
    ]


def _notes(plan: LaunchPlan) -> list[str]:
    notes = []
    seeds = [row.estimate for row in plan.submitted]
    names = (name for row in plan.submitted for name in row.unmeasured)
    unmeasured = [name.removeprefix("retraining/") for name in dict.fromkeys(names)]
    if any(seed.seconds for seed in seeds) and all(seed.n_jobs is not None for seed in seeds):
        last = time.time() + max(seed.seconds for seed in seeds)
        end = time.strftime("%a %d %b %Y, %H:%M", time.localtime(last))
        what = "search" if unmeasured else "seed"
        notes.append(f"Without any waiting in the queue the last {what} ends on {end}.")
    if unmeasured:
        notes.append(f"Retraining: unknown until the first epoch ({', '.join(unmeasured)}).")
    notes.append(f"On the disk these runs will take up to {format_bytes(plan.disk_bytes)} more.")
    return notes


def _script(plan: LaunchPlan) -> str:
    if not plan.submitted:
        return ""
    seed = plan.submitted[0].seed
    return sbatch_text(seed.run, seed.spec)


def _values(plan: LaunchPlan, done: dict[Any, Launched], with_script: bool) -> dict[str, Any]:
    script = {"sbatch": _script(plan)} if with_script else {}
    asked = _job_options(plan).items()
    return {
        "name": plan.experiment.name,
        "request": {name: {"value": v, "origin": origin} for name, (v, origin) in asked},
        "seconds_per_generation": _measured(plan.pace),
        "commit_bytes": _measured(plan.commit),
        "disk_bytes": plan.disk_bytes,
        "seeds": [_seed_values(row, done.get(row.seed.run.directory)) for row in plan.seeds],
        "warnings": list(plan.warnings),
        **script,
    }


def _measured(measure: Measure) -> dict[str, Any]:
    return {"value": measure.value, "origin": measure.origin}


def _seed_values(row: PlannedSeed, launched: Launched | None) -> dict[str, Any]:
    decision = launched.decision if launched else row.decision
    return {
        "seed": int(row.seed.run.seed),
        "directory": str(row.seed.run.directory),
        "state": decision.state,
        "why": decision.why,
        "action": _ACTIONS_IN_JSON.get(decision.action, decision.action.value),
        "plan": vars(row.estimate),
        # Earlier versions guessed the time of retrainings; readers find the keys that they know.
        "guessed_stages": list(row.unmeasured),
        "guessed_seconds": 0.0,
        "disk_bytes": row.disk_bytes,
        "jobs": [record.job_id for record in launched.jobs] if launched else [],
    }


def _about(launched: Launched) -> str:
    decision = launched.decision
    if decision.action is Action.LEAVE:
        return f", {decision.state}" + (f": {decision.why}" if decision.why else "")
    ids = [str(record.job_id) for record in launched.jobs]
    if decision.action is Action.ADD_STANDBY:
        return f": {', '.join(ids) or 'none'}"
    first, *behind = ids
    return f": job {first}" + (f", {', '.join(behind)} behind it" if behind else "")
