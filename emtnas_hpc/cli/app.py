"""The console script: dispatch, and one line for whatever goes wrong."""

import os
import sys
import traceback
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

import emtnas_hpc
from emtnas_hpc.cli import console
from emtnas_hpc.cli.console import ReaderLeft, delivered, describe_failure, one_line
from emtnas_hpc.errors import StartOverError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.search.environment import NO_GRAPHS

#: Every command with what the list of commands says of it.
VERBS = {
    "prepare": "Download and verify the data sets of an experiment, on a machine with internet.",
    "run": "Search in the foreground; a run that is there goes on where it was.",
    "retrain": "Train what a search found from scratch, "
    "and measure it on the test set, once, at the end.",
    "report": "The paper's tables with your runs in them, also while searches run.",
    "inspect": "Show what a run's newest commit holds; the incumbents' cells are drawn.",
    "export": "Write a network as a Python module that needs nothing but torch, "
    "and its weights beside it.",
    "verify": "Repeat a run's newest generations from the commit before, or compare two runs.",
    "launch": "Submit a search to SLURM, a job a seed; "
    "preempted or out of time, it goes on by itself.",
    "status": "Show where every seed is: in the queue, at work, done, or why not.",
    "logs": "Print the log of a seed's newest job.",
    "cancel": "Cancel every job of a run, standby jobs as well, "
    "and see to it that none begins again.",
    "resume": "Submit launched runs again that were cancelled, have failed or are lost.",
    "doctor": "Check whether a cluster is fit for it: one line a check, fine, warning or wrong.",
}


def load_command(verb: str) -> TyperCommand:
    """The command of a verb, whose module is only imported now."""
    alone = typer.Typer(add_completion=False)
    alone.command(verb)(getattr(import_module(f"emtnas_hpc.cli.{verb}"), verb))
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)
    return command


class _Verbs(TyperGroup):
    """A group that lists its commands without importing them: one of them is all that is wanted."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        del ctx
        return TyperCommand(cmd_name, help=VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(name)), rest


app = typer.Typer(
    name="emtnas-hpc",
    cls=_Verbs,
    help="Evolutionary multi-tasking neural architecture search that survives preemption.",
    epilog=f"Exit codes: {', '.join(f'{c} {m}' for c, m in console.MEANINGS.items())}.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(emtnas_hpc.__version__)
        raise typer.Exit


@app.callback()
def _global_options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version  # its callback has done it
    # For the command that passes it on to its children.
    context.obj = debug


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    if sys.stderr is None:  # closed: what goes there must not end up among the results
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    try:
        sys.exit(run_command_line(sys.argv[1:]))
    except StartOverError:
        sys.stdout.flush()
        sys.stderr.flush()
        # Said in the environment too: on a full disk the run does not remember why.
        os.environ[NO_GRAPHS] = "1"
        # The same process to everybody else, with nothing of what it was.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def run_command_line(arguments: list[str]) -> int:
    """Runs one command; prints what goes wrong as one line on stderr.

    Returns:
        The exit code.

    Raises:
        StartOverError: the same command is to be run by a new process.
    """
    debug = "--debug" in arguments
    # Wherever it stands: it is added to a command that failed, mostly at its end.
    command = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    arguments = [*["--debug"] * debug, *command]
    try:
        with delivered(), log_to(console.print_line):
            result = app(arguments, prog_name=app.info.name, standalone_mode=False)
        if result == console.INTERRUPTED:  # what typer makes of it
            raise KeyboardInterrupt
    except TyperException as error:
        return _complain(_usage(error, command[0]), error.exit_code, debug)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on", console.INTERRUPTED, debug)
    except ReaderLeft:
        return console.UNHEARD
    except StartOverError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort; the traceback is a flag away
        return _complain(*describe_failure(error), debug)
    return result if isinstance(result, int) else console.DONE


def _usage(error: TyperException, verb: str) -> str:
    command = f"{app.info.name} {verb}" if verb in VERBS else app.info.name
    return f"{error.format_message().rstrip('.')}{_of_sbatch(error)}; {command} --help says more"


def _of_sbatch(error: TyperException) -> str:
    """How to say it, if it is an option of sbatch that was typed as if it were ours."""
    context = getattr(error, "ctx", None)
    option = str(getattr(error, "option_name", ""))
    takes_them = context and any(each.name == "sbatch" for each in context.command.params)
    if not takes_them or not option.startswith("--") or option in _own_options():
        return ""
    return f"; what sbatch knows is given as --sbatch {option.removeprefix('--')}=VALUE"


def _own_options() -> set[str]:
    """Those of all our commands."""
    return {name for verb in VERBS for each in load_command(verb).params for name in each.opts}


def _complain(message: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {one_line(message)}", file=sys.stderr)
    return exit_code
