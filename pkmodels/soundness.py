"""Soundness of a solution: nothing is negative, and no reaction runs backwards."""

from collections.abc import Mapping

import numpy as np
import sympy

from pkmodels.errors import SolveError
from pkmodels.kernels.printing import numpy_function
from pkmodels.readings import Sample
from pkmodels.symbols import Amount, symbols_in
from pkmodels.system import System

# Far above the error of the solution, relative to the largest of its kind.
_TOLERANCE = 1e-6


def refuse_impossible(
    system: System,
    parameters: Mapping[str, float],
    times_h: np.ndarray,
    sample: Sample,
) -> None:
    """Refuse a solution that no body can have.

    Parameters
    ----------
    system : System
        The system.
    parameters : mapping of str to float
        Values by name.
    times_h : (n_times,) array
        Times, h.
    sample : Sample
        The solution there.

    Raises
    ------
    SolveError
        When it is not finite, an amount is negative, or a rate is: as where a fraction
        is above 1.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.given import Given
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("x", "intravenous"),)))
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": 2.0,
    ...           "biological_half_life_kidney": 60.0}
    >>> one = np.ones(1)
    >>> shown = dict.fromkeys(system.amounts, one)
    >>> sample = Sample(shown, {}, {}, Given(one, one, 0.1))
    >>> refuse_impossible(system, values, one, sample)
    Traceback (most recent call last):
    pkmodels.errors.SolveError: reaction 'elimination' of 'organ_exchange' runs \
backwards at 1 h: its rate blood*(1 - fraction_kidney)*log(2)/blood_half_time is \
negative with blood_half_time = 1, fraction_kidney = 2: is a fraction above 1?
    """
    for reaction in system.reactions:
        symbols = tuple(symbols_in(reaction.rate))
        values = [_value(s, parameters, sample) for s in symbols]
        (rate,) = numpy_function(symbols, (reaction.rate,))(values)
        rate = np.broadcast_to(rate, np.shape(times_h))
        wrong = rate < -_TOLERANCE * np.abs(rate).max(initial=0.0)
        if wrong.any():
            known = {**{n: v[wrong][0] for n, v in sample.inputs.items()}, **parameters}
            said = ", ".join(
                f"{s} = {known[s.name]:.6g}" for s in symbols if s.name in known
            )
            raise SolveError(
                f"reaction {reaction.name!r} of {system.name!r} runs backwards at "
                f"{np.asarray(times_h)[wrong][0]:g} h: its rate {reaction.rate} is "
                f"negative with {said}: is a fraction above 1?"
            )
    for shown in (sample.shown, sample.ligand):
        largest = max((np.abs(c).max(initial=0.0) for c in shown.values()), default=0.0)
        for amount, curve in shown.items():
            _refuse_unsound(system, parameters, times_h, amount, curve, largest)


def _refuse_unsound(
    system: System,
    parameters: Mapping[str, float],
    times_h: np.ndarray,
    amount: Amount,
    curve: np.ndarray,
    largest: float,
) -> None:
    wrong = ~np.isfinite(curve) | (curve < -_TOLERANCE * largest)
    if wrong.any():
        raise SolveError(
            f"{amount} of {system.name!r} is {curve[wrong][0]:.6g} at "
            f"{np.asarray(times_h)[wrong][0]:g} h with {dict(parameters)}: check the "
            "sizes of the rates and fractions"
        )


def _value(
    symbol: sympy.Symbol, parameters: Mapping[str, float], sample: Sample
) -> object:
    """Return what a symbol of a rate is; 1 for an amount that is not followed."""
    if isinstance(symbol, Amount):
        source = sample.ligand or sample.shown
        return source.get(symbol, np.ones(()))
    if symbol.name in sample.inputs:
        return sample.inputs[symbol.name]
    return parameters[symbol.name]
