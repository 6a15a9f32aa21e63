"""Soundness of a solution: nothing is negative, and no reaction runs backwards."""

from collections.abc import Mapping

import numpy as np

from pkmodels.errors import SolveError
from pkmodels.readings import Sample
from pkmodels.signs import backward_rates, negative_amounts
from pkmodels.symbols import symbols_in
from pkmodels.system import System


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
    times = np.asarray(times_h)
    for reaction, wrong in backward_rates(system, parameters, sample):
        if wrong.any():
            inputs = {n: v[wrong][0] for n, v in sample.inputs.items()}
            known = {**parameters, **inputs}
            symbols = symbols_in(reaction.rate)
            said = ", ".join(
                f"{s} = {known[s.name]:.6g}" for s in symbols if s.name in known
            )
            raise SolveError(
                f"reaction {reaction.name!r} of {system.name!r} runs backwards at "
                f"{times[wrong][0]:g} h: its rate {reaction.rate} is "
                f"negative with {said}: is a fraction above 1?"
            )
    curves = (*sample.shown.values(), *sample.ligand.values())
    found = negative_amounts(sample, given_MBq, given_nmol)
    for curve, (amount, wrong) in zip(curves, found, strict=True):
        if wrong.any():
            raise SolveError(
                f"{amount} of {system.name!r} is {curve[wrong][0]:.6g} at "
                f"{times[wrong][0]:g} h with {dict(parameters)}: "
                "check the sizes of the rates and fractions"
            )
