"""Soundness of a solution: nothing is negative, and no reaction runs backwards."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import sympy

from pkmodels.errors import SolveError
from pkmodels.kernels.printing import numpy_function
from pkmodels.reactions import Reaction
from pkmodels.readings import Sample
from pkmodels.symbols import Amount, amounts_in, symbols_in
from pkmodels.system import System

# Far above the error of the solution, relative to what was given.
_TOLERANCE = 1e-6


def refuse_impossible(
    system: System,
    parameters: Mapping[str, float],
    times_h: np.ndarray,
    sample: Sample,
    given_MBq: float,
    given_nmol: float,
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
    given_MBq, given_nmol : float
        All that was ever given of labels and of ligand, whose rounding is no sign.

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
    >>> refuse_impossible(system, values, one, sample, 1.0, 0.0)
    Traceback (most recent call last):
    pkmodels.errors.SolveError: reaction 'elimination' of 'organ_exchange' runs \
backwards at 1 h: its rate blood*(1 - fraction_kidney)*log(2)/blood_half_time is \
negative with blood_half_time = 1, fraction_kidney = 2: is a fraction above 1?
    """
    for reaction in system.reactions:
        _refuse_backwards(system, parameters, times_h, sample, reaction)
    for shown, given in ((sample.shown, given_MBq), (sample.ligand, given_nmol)):
        largest = max((np.abs(c).max(initial=0.0) for c in shown.values()), default=0.0)
        for amount, curve in shown.items():
            wrong = ~np.isfinite(curve) | (curve < -_TOLERANCE * max(largest, given))
            if wrong.any():
                raise SolveError(
                    f"{amount} of {system.name!r} is {curve[wrong][0]:.6g} at "
                    f"{np.asarray(times_h)[wrong][0]:g} h with {dict(parameters)}: "
                    "check the sizes of the rates and fractions"
                )


def _refuse_backwards(
    system: System,
    parameters: Mapping[str, float],
    times_h: np.ndarray,
    sample: Sample,
    reaction: Reaction,
) -> None:
    source = sample.ligand or sample.shown
    missing = [a for a in amounts_in(reaction.rate) if a not in source]
    # What is not followed is a positive factor, or the sign cannot be told.
    rate, rest = reaction.rate.as_independent(*missing, as_Add=False)
    if not rest.free_symbols <= set(missing) or not rest.is_nonnegative:
        return
    symbols = tuple(symbols_in(rate))
    values = []
    for symbol in symbols:
        if isinstance(symbol, Amount):
            # Rounding below 0 is no reaction that runs backwards.
            values.append(np.maximum(source[symbol], 0.0))
        else:
            named = {**parameters, **sample.inputs}
            values.append(named[symbol.name])
    terms = numpy_function(symbols, _terms(rate))(values)
    terms = np.array([np.broadcast_to(term, np.shape(times_h)) for term in terms])
    found, size = terms.sum(axis=0), np.abs(terms).sum(axis=0)
    wrong = found < -_TOLERANCE * size
    if wrong.any():
        inputs = {n: v[wrong][0] for n, v in sample.inputs.items()}
        known = {**parameters, **inputs}
        said = ", ".join(
            f"{s} = {known[s.name]:.6g}" for s in symbols if s.name in known
        )
        raise SolveError(
            f"reaction {reaction.name!r} of {system.name!r} runs backwards at "
            f"{np.asarray(times_h)[wrong][0]:g} h: its rate {reaction.rate} is "
            f"negative with {said}: is a fraction above 1?"
        )


@lru_cache(maxsize=1024)
def _terms(rate: sympy.Expr) -> tuple[sympy.Expr, ...]:
    return tuple(sympy.Add.make_args(sympy.expand(rate)))
