"""The console script: dispatch, and one line for whatever goes wrong."""

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

import emtnas_hpc
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.cancel import cancel
from emtnas_hpc.cli.doctor import doctor
from emtnas_hpc.cli.export import export
from emtnas_hpc.cli.failures import describe_failure, one_line
from emtnas_hpc.cli.inspect import inspect
from emtnas_hpc.cli.launch import launch
from emtnas_hpc.cli.logs import logs
from emtnas_hpc.cli.prepare import prepare
from emtnas_hpc.cli.report import report
from emtnas_hpc.cli.resume import resume
from emtnas_hpc.cli.retrain import retrain
from emtnas_hpc.cli.run import run
from emtnas_hpc.cli.status import status
from emtnas_hpc.cli.stdout import ReaderLeft, delivered
from emtnas_hpc.cli.verify import verify
from emtnas_hpc.errors import StartOverError
from emtnas_hpc.search.environment import NO_GRAPHS

app = typer.Typer(
    name="emtnas-hpc",
    help="Evolutionary multi-tasking neural architecture search that survives preemption.",
    epilog=f"Exit codes: {', '.join(f'{c} {m}' for c, m in exit_codes.MEANINGS.items())}.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    *(prepare, run, retrain, report, inspect, export, verify),
    *(launch, status, logs, cancel, resume, doctor),
):
    app.command()(command)


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
    # Wherever it stands: whoever adds it to a command that failed adds it at the end.
    command = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    arguments = [*["--debug"] * debug, *command]
    try:
        with delivered():
            result = app(arguments, prog_name=app.info.name, standalone_mode=False)
        if result == exit_codes.INTERRUPTED:  # what typer makes of it
            raise KeyboardInterrupt
    except TyperException as error:
        return _complain(_usage(error), error.exit_code, debug)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on", exit_codes.INTERRUPTED, debug)
    except ReaderLeft:
        return exit_codes.UNHEARD
    except StartOverError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort; the traceback is a flag away
        return _complain(*describe_failure(error), debug)
    return result if isinstance(result, int) else exit_codes.DONE


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else app.info.name
    return f"{error.format_message().rstrip('.')}{_of_sbatch(error)}; {command} --help says more"


def _of_sbatch(error: TyperException) -> str:
    """How to say it, if it is an option of sbatch that was typed as if it were ours."""
    context = getattr(error, "ctx", None)
    option = str(getattr(error, "option_name", ""))
    takes_them = context and any(each.name == "sbatch" for each in context.command.params)
    if not takes_them or not option.startswith("--") or option in _own_options(context):
        return ""
    return f"; what sbatch knows is given as --sbatch {option.removeprefix('--')}=VALUE"


def _own_options(context: Any) -> set[str]:
    """Those of all our commands."""
    commands = context.find_root().command.commands.values()
    return {name for command in commands for each in command.params for name in each.opts}


def _complain(message: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {one_line(message)}", file=sys.stderr)
    return exit_code
