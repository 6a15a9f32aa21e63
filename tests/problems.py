"""Every model that the battery of test_problems.py runs over.

A model of the library is among them as soon as `pkmodels.models.library.MODELS` names
it: its ``model()``, ``values()`` and ``schedule()``. Forms of it that its arguments
choose stand in `FORMS`. A few small models with solutions on paper come along, so that
the battery itself is known to work.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pbpk12_model
import sympy
from scipy.linalg import expm

from pkmodels.administrations import Administration
from pkmodels.definition import Model, derivatives
from pkmodels.models import library
from pkmodels.models.blocks import binding
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, parameters, receptors
from pkmodels.values import Certainty, ParameterValue, Value, draw_values, typical

DRAWS = 2
SEED = 1
# Of what a label shows no more is of interest after three of its half-lives.
_HALF_LIVES = 3.0
_LEAST_H, _MOST_H, _WITHOUT_LABEL_H = 4.0, 480.0, 96.0

# Further forms of a library model: its name, and arguments for those of model(),
# values() and schedule() that take them.
FORMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "pentixather, pentixafor": ("pentixather", {"ligand": "pentixafor"}),
    "organ_exchange, grown": ("organ_exchange", {"bladder": True, "rest": True}),
    "binding_assay, blocked": ("binding_assay", {"amd3100_nmol_per_L": 1e5}),
    "xenograft, blocked": ("xenograft", {"block": "subcutaneous", "tumour": "Daudi"}),
    "xenograft, rat": ("xenograft", {"block": "intravenous", "animal": "rat"}),
    "xenograft, fdg": ("xenograft", {"tracer": "fdg"}),
    "pet_tissue, one tissue": ("pet_tissue", {"tissues": 1}),
    "pet_tissue, irreversible": ("pet_tissue", {"reversible": False}),
    "exponentials, one": (
        "exponentials",
        {"phases": 1, "uptake": False, "regions": ("liver",)},
    ),
    "sstr_tracer_to_therapy, Ga-68": ("sstr_tracer_to_therapy", {"tracer": "Ga-68"}),
    "alpha_therapy, bismuth": ("alpha_therapy", {"released": "Bi-213"}),
    "alpha_therapy, none free": ("alpha_therapy", {"released": None}),
    "marrow, through blood": (
        "marrow",
        {"ligand": "psma617", "binds_nothing_because": "PSMA is not on blood cells"},
    ),
}


@dataclass(frozen=True)
class Problem:
    """A model, what is known of its parameters, and what is done."""

    name: str
    model: Model
    values: Mapping[str, ParameterValue]
    schedule: Schedule

    @property
    def sets(self) -> list[dict[str, float]]:
        """The typical values, and draws."""
        drawn = draw_values(self.values, DRAWS, SEED)
        draws = [{n: float(c[i]) for n, c in drawn.items()} for i in range(DRAWS)]
        return [typical(self.values), *draws]

    @property
    def times_h(self) -> np.ndarray:
        """Times from the first dose on, soon after each jump, and between them."""
        labels = self.schedule.labels
        span = _WITHOUT_LABEL_H
        if labels:
            longest = max(nuclide(label).half_life_h for label in labels)
            span = float(np.clip(_HALF_LIVES * longest, _LEAST_H, _MOST_H))
        jumps = self.jumps_h
        after = jumps[:, None] + span * np.array([0.0, 1e-4, 1e-2])
        late = jumps[-1] + span * np.array([0.03, 0.1, 0.3, 1.0])
        return np.unique(np.concatenate([after.ravel(), late]))

    @property
    def jumps_h(self) -> np.ndarray:
        """When something starts or ends, h, from 0 on."""
        given = self.schedule.administrations
        found = [0.0, *(a.time_h for a in given)]
        found += [a.time_h + a.duration_h for a in given]
        found += [t for w in self.schedule.windows for t in (w.start_h, w.end_h)]
        return np.unique([t for t in found if 0.0 <= t < np.inf])

    def of_ligand(self, scale: float = 1.0) -> "Problem":
        """Return the same without labels; 1 nmol where an amount is not known."""
        given = tuple(
            replace(
                a,
                label=None,
                activity_MBq=0.0,
                ligand_mass_ug=None,
                molar_mass_g_per_mol=None,
                ligand_nmol=scale * (a.ligand_nmol or 1.0),
            )
            for a in self.schedule.administrations
        )
        return replace(self, schedule=replace(self.schedule, administrations=given))


@dataclass(frozen=True)
class Arrival:
    """What arrives of a dose: where, from when on, for how long, nmol."""

    place: int
    time_h: float
    duration_h: float
    nmol: float


def number(expression: Any, values: Mapping[str, float]) -> float:
    """Return an expression of parameters as a number."""
    expression = sympy.sympify(expression)
    known = {s: values[str(s)] for s in expression.free_symbols}
    return float(expression.xreplace(known))


def arrivals(problem: Problem, values: Mapping[str, float]) -> list[Arrival]:
    """Return where the doses of ligand arrive, by what the model says of its routes."""
    order = {amount: n for n, amount in enumerate(problem.model.amounts)}
    found = []
    for a in problem.schedule.administrations:
        assert a.steady_state is None
        assert not a.modelled
        assert not a.holds_rate
        route = problem.model.route(a.route, a.ligand)
        time = a.time_h + number(route.lag_h, values)
        nmol = (a.ligand_nmol or 0.0) * number(route.bioavailability, values)
        found.append(Arrival(order[route.amount], time, a.duration_h, nmol))
    return found


def arrived(
    problem: Problem, values: Mapping[str, float], times: np.ndarray
) -> np.ndarray:
    """Return what doses have brought of each amount until some times, (n_times, n)."""
    found = np.zeros((len(times), len(problem.model.amounts)))
    for a in arrivals(problem, values):
        part = (times >= a.time_h).astype(float)
        if a.duration_h > 0.0:
            part = np.clip((times - a.time_h) / a.duration_h, 0.0, 1.0)
        found[:, a.place] += a.nmol * part
    return found


def start_of(model: Model, values: Mapping[str, float]) -> np.ndarray:
    """Return what is there of each amount before the first dose."""
    return np.array([number(model.start.get(a, 0), values) for a in model.amounts])


@cache
def _slopes(name: str) -> tuple[Any, list[tuple[int, int]], Any]:
    """Return dx/dt and the entries of its Jacobian as functions of numbers."""
    model = problem_of(name).model
    states = model.amounts
    symbols = [*states, *model.parameters, *model.inputs]
    found = derivatives(model)
    rates = [found[a] for a in states]
    places, entries = [], []
    for row, rate in enumerate(rates):
        for column, state in enumerate(states):
            if state in rate.free_symbols:
                places.append((row, column))
                entries.append(sympy.diff(rate, state))
    right = sympy.lambdify([symbols], rates, "numpy", cse=True)
    return right, places, sympy.lambdify([symbols], entries, "numpy", cse=True)


def inputs_at(problem: Problem, time: float) -> list[float]:
    """Return the value of each input from a time on."""
    found = {i.name: i.otherwise for i in problem.model.inputs}
    for w in problem.schedule.windows:
        if w.start_h <= time < w.end_h:
            found[w.name] = w.value
    return list(found.values())


def drift(
    problem: Problem, values: Mapping[str, float], time: float = 0.0
) -> np.ndarray:
    """Return dx/dt of each amount at the start, nmol/h: 0 in a body at rest."""
    model = problem.model
    known = [values[p.name] for p in model.parameters] + inputs_at(problem, time)
    at = [*start_of(model, values), *known]
    return np.array(_slopes(problem.name)[0](at), float)


def by_exponentials(
    problem: Problem, values: Mapping[str, float], times: np.ndarray
) -> np.ndarray:
    """Return the amounts, (n_times, n), of the equations linearized at the start.

    x = start + y with dy/dt = J y + inflow, y(0) = 0 and J = df/dx at the start, by
    matrix exponentials from jump to jump. It is the solution of a linear model, and of
    any that starts at rest where doses are small.
    """
    model = problem.model
    _, places, entries = _slopes(problem.name)
    start = start_of(model, values)
    known = [values[p.name] for p in model.parameters]
    size = len(start)
    doses = arrivals(problem, values)
    edges = {a.time_h for a in doses} | {a.time_h + a.duration_h for a in doses}
    edges = sorted(edges | set(problem.jumps_h.tolist()))
    found = np.tile(start, (len(times), 1))
    y = np.zeros(size)
    for begin, end in zip(edges, [*edges[1:], np.inf], strict=True):
        matrix, inflow = np.zeros((size + 1, size + 1)), np.zeros(size)
        at = [*start, *known, *inputs_at(problem, begin)]
        for (row, column), entry in zip(places, entries(at), strict=True):
            matrix[row, column] = entry
        for a in doses:
            if a.duration_h == 0.0 and a.time_h == begin:
                y[a.place] += a.nmol
            elif a.time_h <= begin < a.time_h + a.duration_h:
                inflow[a.place] += a.nmol / a.duration_h
        matrix[:size, size] = inflow
        for row, time in enumerate(times):
            if begin <= time < end:
                found[row] += (expm(matrix * (time - begin)) @ np.append(y, 1.0))[:size]
        if end < np.inf:
            y = (expm(matrix * (end - begin)) @ np.append(y, 1.0))[:size]
    return found


def _made_up(numbers: Mapping[str, float], model: Model) -> dict[str, ParameterValue]:
    units = {p.name: p.unit for p in model.parameters}
    return {
        name: Value(value, units[name], "made up", Certainty.JUDGEMENT)
        for name, value in numbers.items()
    }


def _one_compartment() -> Problem:
    (plasma,) = amounts("plasma", unit="nmol")
    (loss,) = parameters("loss", unit="1/h")
    moves = (flow("elimination", plasma, None, loss * plasma),)
    model = Model("one", moves, {"intravenous": plasma}, {"plasma": plasma})
    given = Administration(0.0, 0.5, "drug", "Lu-177", 100.0, ligand_nmol=10.0)
    later = Administration(2.0, 0.0, "drug", "Lu-177", 10.0, ligand_nmol=3.0)
    return Problem(
        "one compartment",
        model,
        _made_up({"loss": 0.3}, model),
        Schedule((given, later)),
    )


def _a_receptor() -> Problem:
    (plasma, bound), (free,) = amounts("p b", unit="nmol"), receptors("r", unit="nmol")
    (volume,), (on,) = parameters("v", unit="L"), parameters("on", unit="L/(nmol h)")
    off, loss = parameters("off loss", unit="1/h")
    (sites,) = parameters("sites", unit="nmol")
    moves = (
        *binding("site", plasma, free, bound, volume=volume, k_on=on, k_off=off),
        flow("elimination", plasma, None, loss * plasma),
    )
    seen = {"bound": bound, "plasma": plasma / volume}
    model = Model("receptor", moves, {"intravenous": plasma}, seen, {free: sites})
    numbers = {"v": 3.0, "on": 0.5, "off": 0.3, "loss": 0.2, "sites": 5.0}
    given = Administration(0.0, 0.0, "drug", "Y-90", 100.0, ligand_nmol=10.0)
    return Problem("a receptor", model, _made_up(numbers, model), Schedule((given,)))


def _pbpk12() -> Problem:
    model = pbpk12_model.model()
    given = Administration(0.0, 0.5, "drug", "Lu-177", 300.0, ligand_nmol=100.0)
    values = _made_up(pbpk12_model.TRUE_VALUES, model)
    return Problem("pbpk12", model, values, Schedule((given,)))


_SMALL = {
    "one compartment": _one_compartment,
    "a receptor": _a_receptor,
    "pbpk12": _pbpk12,
}
SMALL = tuple(_SMALL)
EVERY = (*SMALL, *library.MODELS, *FORMS)


@cache
def problem_of(name: str) -> Problem:
    """Return the problem of a name of `EVERY`."""
    if name in _SMALL:
        return _SMALL[name]()
    module, arguments = FORMS.get(name, (name, {}))
    found = library.find(module)
    parts = (found.model, found.values, found.schedule)
    used = {argument for part in parts for argument in _taken(part, arguments)}
    assert used == set(arguments), f"{name}: who takes {set(arguments) - used}?"
    model, values, schedule = (part(**_taken(part, arguments)) for part in parts)
    return Problem(name, model, values, schedule)


def _taken(part: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(part).parameters
    return {name: value for name, value in arguments.items() if name in known}
