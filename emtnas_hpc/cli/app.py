"""The console script: dispatch, and one line for whatever goes wrong."""

import os
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

import emtnas_hpc
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.inspect import inspect
from emtnas_hpc.cli.prepare import prepare
from emtnas_hpc.cli.report import report
from emtnas_hpc.cli.run import run
from emtnas_hpc.cli.verify import verify
from emtnas_hpc.errors import EmtnasError

app = typer.Typer(
    name="emtnas-hpc",
    help="Evolutionary multi-tasking neural architecture search that survives preemption.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 owned by another process, 4 stopped with "
    "work left, 5 verify found a difference, 130 second Ctrl-C.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, prepare, report, inspect, verify):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(emtnas_hpc.__version__)
        raise typer.Exit


@app.callback()
def _global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    # Nothing to do: --debug is taken out before arguments are parsed, --version has a callback.
    del debug, version


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(arguments: list[str]) -> int:
    """Runs one command; prints what goes wrong as one line on stderr.

    Returns:
        The exit code.
    """
    debug = "--debug" in arguments
    # Wherever it stands: whoever adds it to a command that failed adds it at the end.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        result = app(arguments or ["--help"], prog_name=app.info.name, standalone_mode=False)
        sys.stdout.flush()
        if result == exit_codes.INTERRUPTED:  # what typer makes of it
            raise KeyboardInterrupt
    except EmtnasError as error:
        return _complain(error, error.exit_code, debug)
    except TyperException as error:
        return _complain(_usage(error), error.exit_code, debug)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on", exit_codes.INTERRUPTED, debug)
    except BrokenPipeError:
        # `report | head`. What is still buffered has nowhere to go, and Python would say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED
    except Exception as error:  # noqa: BLE001 - the last resort; the traceback is a flag away
        said = f"{type(error).__name__}: {error}"
        return _complain(
            f"unexpected {said}; emtnas-hpc --debug shows where", exit_codes.FAILED, debug
        )
    return result if isinstance(result, int) else exit_codes.DONE


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else app.info.name
    return f"{error.format_message().rstrip('.')}; {command} --help says more"


def _complain(message: object, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    return exit_code
