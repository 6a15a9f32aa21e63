"""Signs: where an amount of a solution is negative, or a reaction runs backwards."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from pkmodels.kernels.printing import numpy_function
from pkmodels.reactions import Reaction
from pkmodels.readings import Sample
from pkmodels.symbols import Amount, Input, amounts_in, symbols_in
from pkmodels.system import System

# Far above the error of the solution, relative to what was given.
_TOLERANCE = 1e-6


def negative_amounts(
    sample: Sample, given_MBq: float, given_nmol: float
) -> Iterator[tuple[Amount, np.ndarray]]:
    """Yield where an amount is negative beyond rounding, or is not finite.

    Parameters
    ----------
    sample : Sample
        A solution; its curves may have an axis of many bodies after that of the times.
    given_MBq, given_nmol : float
        All that was ever given of labels and of ligand, whose rounding is no sign.

    Yields
    ------
    amount : Amount
        What it is.
    mask : (n_times, ...) array of bool
        Where; each body is measured by its own largest amount.

    Examples
    --------
    >>> from pkmodels.given import Given
    >>> plasma, one = Amount("plasma", "nmol"), np.ones(2)
    >>> sample = Sample({plasma: np.array([1.0, -0.1])}, {}, {}, Given(one, one, 0.1))
    >>> print([mask for _, mask in negative_amounts(sample, 1.0, 0.0)])
    [array([False,  True])]
    """
    for curves, given in ((sample.shown, given_MBq), (sample.ligand, given_nmol)):
        largest: Any = given
        for curve in curves.values():
            highest = np.abs(curve).max(axis=0, initial=0.0)
            largest = np.fmax(largest, highest)
        for amount, curve in curves.items():
            yield amount, ~np.isfinite(curve) | (curve < -_TOLERANCE * largest)


def backward_rates(
    system: System, parameters: Mapping[str, Any], sample: Sample
) -> Iterator[tuple[Reaction, np.ndarray]]:
    """Yield where a reaction runs backwards, beyond rounding.

    Parameters
    ----------
    system : System
        The system.
    parameters : mapping of str to number or array
        Values by name, >= 0; an array has one for each body.
    sample : Sample
        As of `negative_amounts`.

    Yields
    ------
    reaction : Reaction
        Each whose sign can be told, and does not follow from those of what is in it.
    mask : (n_times, ...) array of bool
        Where its rate is negative.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.given import Given
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> model = organ_exchange.model(("kidney",))
    >>> system = assemble(model, ScheduleForm((("x", "intravenous"),)))
    >>> values = {"blood_half_time": 1.0, "fraction_kidney": np.array([0.5, 2.0]),
    ...           "biological_half_life_kidney": 60.0}
    >>> one = np.ones((1, 2))
    >>> sample = Sample(dict.fromkeys(system.amounts, one), {}, {}, Given(one, one, 0))
    >>> for reaction, mask in backward_rates(system, values, sample):
    ...     print(reaction.name, mask)
    elimination [[False  True]]
    """
    source = sample.ligand or sample.shown
    shape = next((curve.shape for curve in source.values()), ())
    known = {**parameters, **sample.inputs}
    for reaction in system.reactions:
        missing = frozenset(a for a in amounts_in(reaction.rate) if a not in source)
        terms = _signed_terms(reaction.rate, missing)
        if terms is None:
            continue
        symbols = tuple(symbols_in(sympy.Tuple(*terms)))
        # Rounding below 0 is no reaction that runs backwards.
        values = [
            np.maximum(source[s], 0.0) if isinstance(s, Amount) else known[s.name]
            for s in symbols
        ]
        rate, size = np.zeros(shape), np.zeros(shape)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for term in numpy_function(symbols, terms)(values):
                rate += term
                size += np.abs(term)
            yield reaction, rate < -_TOLERANCE * size


@lru_cache(maxsize=1024)
def _signed_terms(
    rate: sympy.Expr, missing: frozenset[Amount]
) -> tuple[sympy.Expr, ...] | None:
    """Return the terms whose sum has the sign of a rate; None where it is no question.

    What is missing is a positive factor, or the sign cannot be told.
    """
    factor, rest = rate.as_independent(*missing, as_Add=False)
    if not rest.free_symbols <= missing or not rest.is_nonnegative:
        return None
    # What is not negative for all that is positive is not where something is 0; an
    # input may be set to any number.
    stand_ins = {
        s: sympy.Dummy(**{"real" if isinstance(s, Input) else "positive": True})
        for s in symbols_in(factor)
    }
    if factor.xreplace(stand_ins).is_nonnegative:
        return None
    return tuple(sympy.Add.make_args(sympy.expand(factor)))
