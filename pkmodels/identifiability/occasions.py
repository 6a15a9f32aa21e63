"""What was given on an occasion and what of it is measured, as equations.

A known decay only multiplies a curve by a known factor and tells nothing. Where a label
rides on its ligand, or where nothing saturates, it is therefore left out, and doses at
later times count as they would be without decay. Labels with states of their own keep
it; a syringe that decays during an infusion is a state more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError, suggest
from pkmodels.identifiability.dosing import (
    Dose,
    activity_doses,
    ligand_doses,
    stretches,
    tracer_doses,
)
from pkmodels.identifiability.equations import Equations, Stretch
from pkmodels.identifiability.program import UndecidableError, check_time
from pkmodels.readability import is_of_ligand, needs_label, unreadable
from pkmodels.routes import Route
from pkmodels.schedule import Schedule
from pkmodels.symbols import ADMINISTERED, LIGAND, UNDECAYED, Amount
from pkmodels.system import System, assemble


@dataclass(frozen=True)
class Curve:
    """An observable of a model as it is measured, or wanted.

    Parameters
    ----------
    observable : str
        Its name in the model.
    label : str
        The label that is read, or ``"ligand"`` for all ligand.
    scale : sympy expression
        What multiplies it, of parameters: an unknown calibration, a mass. 1 is a
        measurement that is exact but for noise.
    """

    observable: str
    label: str
    scale: sympy.Expr = sympy.S.One

    def __str__(self) -> str:
        """Name the curve."""
        scale = "" if self.scale == 1 else f"{self.scale} x "
        label = "" if self.label == LIGAND else f", {self.label}"
        return f"{scale}{self.observable}{label}"


@dataclass(frozen=True)
class Occasion:
    """One occasion: a model, what is given, and what is measured of it.

    Parameters
    ----------
    name : str
        Its name.
    model : Model
        The kinetics. Parameters of one name are shared by all occasions.
    schedule : Schedule
        What is given. Doses count by their amounts, times by their order and, between
        doses, by their ratios.
    measured : tuple of Curve
        What is measured, without noise and at every time from `from_h` on. None of
        an occasion, as of a therapy to come, on which curves are only predicted.
    from_h : float
        When measurements begin, h: what happens between doses before is not seen.
    predicted : tuple of Curve
        What is wanted and not measured, as the organ behind a dose.
    replaced : mapping of str to sympy expression
        By name of a parameter, what it is on this occasion: another parameter, one
        times a ratio, or a number, without which the lag of a dose is not followed.
    """

    name: str
    model: Model
    schedule: Schedule
    measured: tuple[Curve, ...]
    from_h: float
    predicted: tuple[Curve, ...] = ()
    replaced: Mapping[str, sympy.Expr] = field(default_factory=dict)


def occasion_equations(
    occasion: Occasion, deadline: float = math.inf
) -> tuple[Equations, ...]:
    """Return the equations of an occasion.

    Parameters
    ----------
    occasion : Occasion
        The occasion.
    deadline : float
        By `time.monotonic`. Assembling one model is not interrupted.

    Returns
    -------
    tuple of Equations
        One; of a linear model, one for each label that is read or wanted.

    Raises
    ------
    ModelError, InputError
        When the model lacks an observable, a parameter or what is given, or a label
        was not given.
    UndecidableError
        When a dose has a lag or duration of parameters, or repeats for ever.
    OutOfTimeError
        When the deadline has passed.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> (found,) = occasion_equations(Occasion("scan", organ_exchange.model(
    ...     ("kidney",)), organ_exchange.schedule(), (Curve("kidney", "Lu-177"),), 0.0))
    >>> found.outputs, found.stretches[0].added
    ({'kidney, Lu-177': kidney}, {blood: 200})
    """
    _check(occasion)
    check_time(deadline)
    system = assemble(occasion.model, occasion.schedule.form)
    check_time(deadline)
    system = replace(system, routes=_routes(system, _table(occasion, system)))
    if system.matrix is None:
        found = [_saturable(occasion, system)]
    else:
        curves = (*occasion.measured, *occasion.predicted)
        labels = tuple(dict.fromkeys(curve.label for curve in curves))
        found = [_linear(occasion, system, label, len(labels) > 1) for label in labels]
    check_time(deadline)
    return tuple(_replaced(each, occasion, system) for each in found)


def _check(occasion: Occasion) -> None:
    if not occasion.measured and not occasion.predicted:
        raise InputError(
            f"occasion {occasion.name!r} has no curve: measure one, or predict one"
        )
    known = {p.name for p in occasion.model.parameters}
    for name in occasion.replaced:
        if name not in known:
            raise ModelError(
                f"occasion {occasion.name!r}: the model has no parameter {name!r}: "
                f"{suggest(name, known)}"
            )
    labels = (LIGAND, *occasion.schedule.labels)
    for curve in (*occasion.measured, *occasion.predicted):
        if curve.observable not in occasion.model.observables:
            raise ModelError(
                f"occasion {occasion.name!r}: the model has no observable "
                f"{curve.observable!r}: "
                f"{suggest(curve.observable, occasion.model.observables)}"
            )
        if curve.label not in labels:
            raise InputError(
                f"occasion {occasion.name!r}: label {curve.label!r} was not "
                f"administered: {suggest(curve.label, labels)}"
            )


def _linear(occasion: Occasion, system: System, label: str, several: bool) -> Equations:
    """Return the equations of one label, or of the ligand, without decay."""
    doses = []
    for given in occasion.schedule.administrations:
        if label == LIGAND:
            doses += ligand_doses(system, given)
        elif given.label == label:
            doses += activity_doses(system, given, label)
    name = f"{occasion.name}, {label}" if several else occasion.name
    shown = {amount: amount for amount in system.amounts}
    return _equations(
        occasion,
        system,
        name,
        doses,
        {
            c: shown
            for c in (*occasion.measured, *occasion.predicted)
            if c.label == label
        },
    )


def _saturable(occasion: Occasion, system: System) -> Equations:
    """Return the equations of all ligand and of the labels with states of their own."""
    doses, schedule = [], occasion.schedule
    for given in schedule.administrations:
        doses += ligand_doses(system, given)
    for slot, (ligand, label) in enumerate(schedule.slots()):
        if not system.labels[slot].proportional:
            for given in schedule.administrations:
                doses += tracer_doses(system, given, slot, ligand, label)
    curves = (*occasion.measured, *occasion.predicted)
    shown = {curve: _shown(system, schedule, curve.label) for curve in curves}
    return _equations(occasion, system, occasion.name, doses, shown)


def _shown(system: System, schedule: Schedule, label: str) -> dict[Amount, sympy.Expr]:
    """Return what a label shows in each amount, but for a known factor of time."""
    if label == LIGAND:
        return {amount: amount for amount in system.amounts}
    found: dict[Amount, sympy.Expr] = {}
    rides = False
    for form, (_, name) in zip(system.labels, schedule.slots(), strict=True):
        if name == label and form.proportional:
            rides = True
            ratio = sympy.Symbol(f"molar_activity_{form.ligand}_{label}")
            found |= {a: ratio * a for a in system.amounts if a.ligand == form.ligand}
    for tracer in system.tracers:
        own = tracer.nuclide or schedule.slots()[tracer.slot][1]
        if own == label:
            if rides:
                raise UndecidableError(
                    f"{label} rides on one ligand and has states of its own on another"
                )
            found[tracer.amount] = found.get(tracer.amount, 0) + tracer.symbol
    return found


def _equations(
    occasion: Occasion,
    system: System,
    name: str,
    doses: list[Dose],
    shown: Mapping[Curve, Mapping[Amount, sympy.Expr]],
) -> Equations:
    derivatives: dict[sympy.Symbol, sympy.Expr] = {}
    derivatives |= zip(system.states, system.derivatives, strict=True)
    rates: dict[int, sympy.Symbol] = {}
    for n, dose in enumerate(doses):
        if dose.duration_h > 0:
            rates[n] = sympy.Symbol(f"rate_of_dose_{n + 1}")
            derivatives[dose.state] += rates[n]
            if dose.change != 0:
                derivatives[rates[n]] = dose.change * rates[n]
    readings = dict(zip(system.observables, system.readings, strict=True))
    curves = {c: _reading(readings[c.observable], c, shown[c]) for c in shown}
    return Equations(
        name=name,
        derivatives=derivatives,
        start=dict(zip(system.amounts, system.start, strict=True)),
        outputs={str(c): curves[c] for c in occasion.measured if c in curves},
        predicted={str(c): curves[c] for c in occasion.predicted if c in curves},
        stretches=stretches(occasion.schedule, system, doses, rates, occasion.from_h),
    )


def _reading(
    reading: sympy.Expr, curve: Curve, shown: Mapping[Amount, sympy.Expr]
) -> sympy.Expr:
    of_ligand = curve.label == LIGAND or is_of_ligand(reading)
    reason = (
        "it needs a label"
        if curve.label == LIGAND and needs_label(reading)
        else (None if of_ligand else unreadable(reading))
    )
    if reason is not None:
        raise InputError(f"{curve} cannot be read: {reason}")
    for given in (ADMINISTERED, UNDECAYED):
        if given in reading.free_symbols:
            alone = sympy.expand(sympy.together(reading * given))
            if given in alone.free_symbols:
                raise UndecidableError(f"{curve} is not in proportion to 1/{given}")
    if not of_ligand:
        amounts = [s for s in reading.free_symbols if isinstance(s, Amount)]
        table = {a: shown.get(a, sympy.S.Zero) for a in amounts}
        read: Any = reading.xreplace(table)
        return curve.scale * read
    return curve.scale * reading


def _table(occasion: Occasion, system: System) -> dict[sympy.Symbol, sympy.Expr]:
    by_name = {p.name: p for p in system.parameters}
    return {by_name[n]: sympy.sympify(e) for n, e in occasion.replaced.items()}


def _routes(
    system: System, table: Mapping[sympy.Symbol, sympy.Expr]
) -> tuple[tuple[str, str, Route], ...]:
    """Return routes with lags that are known put in, since they move doses."""
    return tuple(
        (who, name, replace(route, lag_h=sympy.sympify(route.lag_h).xreplace(table)))
        for who, name, route in system.routes
    )


def _replaced(each: Equations, occasion: Occasion, system: System) -> Equations:
    """Put in what parameters are on this occasion."""
    table = _table(occasion, system)
    if not table:
        return each

    def put(part: Mapping) -> dict:
        return {k: sympy.sympify(e).xreplace(table) for k, e in part.items()}

    return Equations(
        name=each.name,
        derivatives=put(each.derivatives),
        start=put(each.start),
        outputs=put(each.outputs),
        predicted=put(each.predicted),
        stretches=tuple(
            Stretch(
                s.length, put(s.added), put(s.given), s.emptied, s.restarted, s.read
            )
            for s in each.stretches
        ),
    )
