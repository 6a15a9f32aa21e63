"""Times the main job: import, compile and sample, and the answer of --help."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from pkmodels.clinic.workflow import run

STUDY = Path(__file__).resolve().parent.parent / "studies" / "lu177_patient4"
REPEATS = 3
TARGETS = {"sample": 5.0, "whole command": 30.0, "--help": 0.5, "check": 2.0}


def time_command(*arguments):
    """Return the shortest wall time of a command in a process of its own, s."""
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        command = [sys.executable, "-m", "pkmodels", *arguments]
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - start)
    return min(found)


def main():
    """Print each time beside its target."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "patient"
        shutil.copytree(STUDY, folder, ignore=shutil.ignore_patterns("out"))
        seconds = dict(run(folder, None, 0, Console(quiet=True)).seconds)
        seconds["whole command"] = time_command("safe-activity", str(folder))
        seconds["--help"] = time_command("--help")
        seconds["check"] = time_command("check", str(folder))
    print(f"{'step':<18}{'seconds':>8}{'target':>8}")
    for step, taken in seconds.items():
        target = f"{TARGETS[step]:.1f}" if step in TARGETS else ""
        print(f"{step:<18}{taken:>8.2f}{target:>8}")


if __name__ == "__main__":
    main()
