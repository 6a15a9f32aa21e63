"""Work for the tests of runs, in a module that other processes can import."""

import os
import signal
import sys
import time
from pathlib import Path

from pkmodels.cohorts.runs import run_all
from pkmodels.cohorts.tasks import Task

DEADLY, WRONG = 3, 5


def double(number: int) -> dict:
    if number == WRONG:
        raise ValueError("five is not doubled")
    return {"twice": 2 * number, "process": os.getpid()}


def double_slowly(number: int) -> dict:
    time.sleep(0.3)
    return double(number)


def die_of_three(number: int) -> dict:
    if number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return double(number)


def tasks(count: int) -> list[Task]:
    return [Task(f"t{number}", number) for number in range(count)]


if __name__ == "__main__":
    # Which a shell's background job is started without.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    run_all(
        tasks(count),
        double_slowly,
        folder,
        workers=2,
        progress=lambda now: print(now.done, now.reused, flush=True),
    )
