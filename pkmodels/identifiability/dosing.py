"""Doses of a schedule, as what enters states and when."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy

from pkmodels.administrations import Administration, Delivery, free_label_name
from pkmodels.errors import InputError
from pkmodels.identifiability.equations import Stretch
from pkmodels.identifiability.program import UndecidableError
from pkmodels.routes import Route
from pkmodels.schedule import Schedule, Window
from pkmodels.symbols import Amount, name_in_model
from pkmodels.system import System
from pkmodels.tracers import Tracer


@dataclass(frozen=True)
class Dose:
    """What enters one state: at once, or at a constant or a changing rate.

    Parameters
    ----------
    state : symbol
        Where.
    amount : sympy expression
        How much, of parameters.
    start_h, duration_h : Fraction
        When it begins and how long it takes, h; 0 is a bolus.
    change : sympy expression
        Of a rate that changes: its exponential rate, 1/h, a known symbol with its sign.
    """

    state: sympy.Symbol
    amount: sympy.Expr
    start_h: Fraction
    duration_h: Fraction
    change: sympy.Expr = sympy.S.Zero

    @property
    def end_h(self) -> Fraction:
        """When it ends, h."""
        return self.start_h + self.duration_h


def _fraction(number: float) -> Fraction:
    """Return the number that a float is written as."""
    return Fraction(repr(float(number)))


def _route(system: System, given: Administration, ligand: str) -> Route:
    wanted = name_in_model(system.ligands, ligand)
    route = next(
        route
        for who, name, route in system.routes
        if who == wanted and name == given.route
    )
    lag = sympy.sympify(route.lag_h)
    reasons = {
        f"a lag of {lag} h, which is no number: give the occasion one, "
        f"replaced={{'{lag}': 1.5}} for one": not lag.is_number,
        "a duration or rate from the model": given.modelled,
        "a steady state before it": given.steady_state is not None,
        "a rate that is kept whatever arrives": given.holds_rate,
    }
    for reason, applies in reasons.items():
        if applies:
            raise UndecidableError(f"{given.described()} has {reason}")
    return route


def _times(route: Route, given: Administration) -> tuple[Fraction, Fraction]:
    """Return when a dose arrives, and how long that takes, h."""
    lag = sympy.sympify(route.lag_h)
    exact = Fraction(str(lag)) if lag.is_Rational else _fraction(float(lag))
    return _fraction(given.time_h) + exact, _fraction(given.duration_h)


def ligand_doses(system: System, given: Administration) -> list[Dose]:
    """Return the dose of all ligand of an administration, where it is followed.

    Parameters
    ----------
    system : System
        The equations.
    given : Administration
        With ``ligand_nmol``.

    Returns
    -------
    list of Dose

    Raises
    ------
    InputError, UndecidableError
        When the amount is not stated, or the route has no exact form.

    Examples
    --------
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> scan = pentixather.schedule()
    >>> system = assemble(pentixather.model(), scan.form)
    >>> (dose,) = ligand_doses(system, scan.administrations[0])
    >>> dose.state, round(float(dose.amount), 1)
    (plasma, 55.7)
    """
    route = _route(system, given, given.ligand)
    if route.amount not in system.amounts:
        return []
    if given.ligand_nmol is None:
        raise InputError(f"{given.described()}: state ligand_nmol, or measure a label")
    amount = _rational(given.ligand_nmol) * route.bioavailability
    return [Dose(route.amount, amount, *_times(route, given))]


def _parts(given: Administration) -> list[tuple[str, float]]:
    """Return on what the label comes, and with what activity."""
    free = given.free_label_fraction
    parts = [(given.ligand, given.activity_MBq * (1.0 - free))]
    if free > 0.0:
        name = free_label_name(str(given.label))
        parts.append((name, given.activity_MBq * free))
    return [part for part in parts if part[1] > 0.0]


def _rational(number: float | Fraction) -> sympy.Expr:
    value = number if isinstance(number, Fraction) else _fraction(number)
    return sympy.Integer(value.numerator) / sympy.Integer(value.denominator)


def activity_doses(system: System, given: Administration, label: str) -> list[Dose]:
    """Return doses of a label as if nothing decayed, by a linear system.

    A later one is larger by a known factor, that of the decay until then.

    Parameters
    ----------
    system : System
        The equations.
    given : Administration
        One that carries the label.
    label : str
        The label.

    Returns
    -------
    list of Dose
        One for what comes on the ligand, one for what comes free.

    Raises
    ------
    UndecidableError
        When the route has no exact form.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> scan = organ_exchange.schedule()
    >>> system = assemble(organ_exchange.model(("kidney",)), scan.form)
    >>> activity_doses(system, scan.administrations[0], "Lu-177")[0].amount
    200
    """
    found = []
    grown = sympy.S.One
    if given.time_h > 0.0:
        grown = sympy.Symbol(f"undecayed_{label}_at_{given.time_h:g}_h")
    change = sympy.S.Zero
    if given.delivered is Delivery.CONSTANT:
        change = sympy.Symbol(f"decay_constant_{label}")
    for ligand, activity in _parts(given):
        route = _route(system, given, ligand)
        amount = _rational(activity) * grown * route.bioavailability
        times = _times(route, given)
        found.append(Dose(route.amount, amount, *times, change=change))
    return found


def tracer_doses(
    system: System, given: Administration, slot: int, ligand: str, label: str
) -> list[Dose]:
    """Return doses of a label that has states of its own, which decay.

    Parameters
    ----------
    system : System
        The equations.
    given : Administration
        Any; one without the label gives none.
    slot : int
        Number of ligand and label in the schedule's slots.
    ligand, label : str
        That slot.

    Returns
    -------
    list of Dose

    Raises
    ------
    UndecidableError
        When the route has no exact form.

    Examples
    --------
    >>> from pkmodels.models import pentixather
    >>> from pkmodels.system import assemble
    >>> scan = pentixather.schedule()
    >>> system = assemble(pentixather.model(), scan.form)
    >>> tracer_doses(system, scan.administrations[0], 0, "pentixather", "Y-90")
    []
    """
    if given.label != label:
        return []
    constant = next(
        c.symbol for c in system.decay_constants if c.slot == slot or c.nuclide == label
    )
    change = sympy.S.Zero if given.delivered is Delivery.CONSTANT else -constant
    found = []
    for name, activity in _parts(given):
        if name != ligand:
            continue
        route = _route(system, given, name)
        state = _head(system, slot, label, route.amount)
        times = _times(route, given)
        amount = _rational(activity) * route.bioavailability
        if times[0] > _fraction(given.time_h):  # decays before it arrives
            amount *= sympy.Symbol(f"undecayed_{label}_after_lag_of_{given.route}")
        found.append(Dose(state.symbol, amount, *times, change=change))
    return found


def _head(system: System, slot: int, label: str, amount: Amount) -> Tracer:
    return next(
        tracer
        for tracer in system.tracers
        if tracer.slot == slot
        and tracer.amount == amount
        and tracer.nuclide in (None, label)
        and tracer.moves
    )


def stretches(
    schedule: Schedule,
    system: System,
    doses: Sequence[Dose],
    rates: Mapping[int, sympy.Symbol],
    from_h: float,
) -> tuple[Stretch, ...]:
    """Cut time wherever a dose, an input or a reset changes something.

    Parameters
    ----------
    schedule : Schedule
        Whose windows and resets count.
    system : System
        Whose inputs count.
    doses : sequence of Dose
        What enters.
    rates : mapping of int to symbol
        For each dose that takes time, by its number, the symbol of its rate.
    from_h : float
        What ends before is not read, h.

    Returns
    -------
    tuple of Stretch

    Raises
    ------
    UndecidableError
        When a reset falls into an infusion, or a schedule has resets and lags.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.system import assemble
    >>> scan = organ_exchange.schedule()
    >>> system = assemble(organ_exchange.model(("kidney",)), scan.form)
    >>> x, r = sympy.symbols("x r")
    >>> infusion = Dose(x, sympy.Integer(10), Fraction(0), Fraction(2))
    >>> [(s.length, s.given, s.read)
    ...  for s in stretches(scan, system, [infusion], {0: r}, from_h=4.0)]
    [(Fraction(2, 1), {r: 5}, False), (None, {r: 0}, True)]
    """
    resets = {_fraction(t) for t in schedule.resets_h}
    given_h = [_fraction(a.time_h) for a in schedule.administrations]
    if resets and any(dose.start_h not in given_h for dose in doses):
        raise UndecidableError("a reset and a dose with a lag are in one schedule")
    for dose in doses:
        if any(dose.start_h < t < dose.end_h for t in resets):
            raise UndecidableError("a reset falls into an infusion")
    windows = [w for w in schedule.windows if w.name in {i.name for i in system.inputs}]
    changes = {Fraction(0)} | resets
    changes |= {t for dose in doses for t in (dose.start_h, dose.end_h)}
    changes |= {_fraction(w.start_h) for w in windows}
    changes |= {_fraction(w.end_h) for w in windows if math.isfinite(w.end_h)}
    times = sorted(t for t in changes if t >= 0)
    found = []
    for begin, end in zip(times, [*times[1:], None], strict=True):
        given = _values_of_inputs(windows, system, begin)
        added: dict[sympy.Symbol, sympy.Expr] = {}
        emptied: list[sympy.Symbol] = []
        for n, dose in enumerate(doses):
            _enter(dose, rates.get(n), begin, given, added, emptied)
        found.append(
            Stretch(
                length=None if end is None else end - begin,
                added=added,
                given=given,
                emptied=tuple(emptied),
                restarted=begin in resets,
                read=end is None or end > _fraction(from_h),
            )
        )
    return tuple(found)


def _values_of_inputs(
    windows: Sequence[Window], system: System, begin: Fraction
) -> dict[sympy.Symbol, sympy.Expr]:
    found: dict[sympy.Symbol, sympy.Expr] = {}
    for each in system.inputs:
        value = each.otherwise
        for w in windows:
            if w.name == each.name and w.start_h <= begin < w.end_h:
                value = w.value
        found[each] = _rational(value)
    return found


def _enter(
    dose: Dose,
    rate: sympy.Symbol | None,
    begin: Fraction,
    given: dict[sympy.Symbol, sympy.Expr],
    added: dict[sympy.Symbol, sympy.Expr],
    emptied: list[sympy.Symbol],
) -> None:
    """Say what a dose does in the stretch that begins at a time."""
    if rate is None:
        if dose.start_h == begin:
            added[dose.state] = added.get(dose.state, sympy.S.Zero) + dose.amount
        return
    length = _rational(dose.duration_h)
    if dose.change == 0:
        running = dose.start_h <= begin < dose.end_h
        given[rate] = dose.amount / length if running else sympy.S.Zero
    elif dose.start_h == begin:
        added[rate] = dose.amount / length
    elif dose.end_h == begin:
        emptied.append(rate)
