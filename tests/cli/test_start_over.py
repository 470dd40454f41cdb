"""A process that can go on no more is followed by a new one with the same command."""

import subprocess
import sys


def test_a_command_that_is_to_start_over_does_so_in_the_same_process(tmp_path):
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from emtnas_hpc.cli import app\n"
        "from emtnas_hpc.errors import StartOverError\n"
        f"log = Path({str(log)!r})\n"
        "before = log.read_text().splitlines() if log.exists() else []\n"
        "log.write_text('\\n'.join([*before, f'{os.getpid()} {sys.argv[1:]}']))\n"
        "def command(*_arguments, **_named):\n"
        "    if not before:\n"
        "        raise StartOverError('once')\n"
        "    print('done')\n"
        "app.app = command\n"
        "app.app.info = type('', (), {'name': 'emtnas-hpc'})\n"
        "app.main()\n"
    )
    command = [sys.executable, str(script), "run", "a b", "--seeds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    first, second = log.read_text().splitlines()
    assert first == second
    assert first.endswith("['run', 'a b', '--seeds', '2']")
