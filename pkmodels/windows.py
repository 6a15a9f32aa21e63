"""Windows: the inputs of a system over time."""

import math

import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.inflows import slack_h
from pkmodels.schedule import Schedule
from pkmodels.system import System


def input_values(
    system: System,
    schedule: Schedule,
    times_h: np.ndarray,
    before: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the value of each input of a system at some times.

    Parameters
    ----------
    system : System
        The system.
    schedule : Schedule
        Its windows hold from their start until just before their end.
    times_h : (n_times,) array
        Times, h.
    before : (n_times,) array of bool or None
        Where the value just before a change at the very time is wanted.

    Returns
    -------
    dict of str to (n_times,) array
        In the order of ``system.inputs``.

    Raises
    ------
    InputError
        When a window is of an input that the system lacks.

    Examples
    --------
    >>> from pkmodels.definition import Model
    >>> from pkmodels.reactions import flow
    >>> from pkmodels.schedule import ScheduleForm, Window
    >>> from pkmodels.symbols import amounts, inputs
    >>> from pkmodels.system import assemble
    >>> (plasma,), (open_,) = amounts("plasma", unit="nmol"), inputs(
    ...     "open_fraction", unit="1/h", otherwise=1.0)
    >>> model = Model("gate", (flow("out", plasma, None, open_ * plasma),),
    ...               {"intravenous": plasma}, {"plasma": plasma})
    >>> system = assemble(model, ScheduleForm((("ligand", "intravenous"),)))
    >>> closed = Schedule((), (Window("open_fraction", 1.0, 2.0, 0.0),))
    >>> print(input_values(system, closed, np.array([0.0, 1.0, 2.0]))["open_fraction"])
    [1. 0. 1.]
    """
    _check_windows(system, schedule)
    times = np.asarray(times_h, dtype=np.float64)
    found = {i.name: np.full(times.shape, i.otherwise) for i in system.inputs}
    for window in schedule.windows:
        edges = (window.start_h, window.end_h)
        first, last = (_not_before(edge, times, before) for edge in edges)
        found[window.name][first & ~last] = window.value
    return found


def _not_before(
    time_h: float, times: np.ndarray, before: np.ndarray | None
) -> np.ndarray:
    if math.isinf(time_h):
        return np.full(times.shape, time_h < 0.0)
    slack = slack_h(time_h)
    reached = times >= time_h - slack
    return (
        reached if before is None else reached & ~(before & (times <= time_h + slack))
    )


def _check_windows(system: System, schedule: Schedule) -> None:
    names = [symbol.name for symbol in system.inputs]
    for window in schedule.windows:
        if window.name not in names:
            raise InputError(
                f"the schedule sets {window.name!r}, which {system.name!r} does not "
                f"have as an input: {suggest(window.name, names)}"
            )
