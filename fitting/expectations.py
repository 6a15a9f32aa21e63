"""Expectations: what the model says that each row should be, on average."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import pytensor.tensor as pt

from pkmodels.exact import ExactSystem
from pkmodels.fitting.likelihood import shared_factors
from pkmodels.fitting.observations import Observations
from pkmodels.fitting.operations import solved_rows
from pkmodels.fitting.stacks import Readout
from pkmodels.label_courses import LabelCourse
from pkmodels.saturable import SaturableSystem

CALIBRATION, RECOVERY, MASS = "calibration", "recovery", "mass"
OVERLAP = "overlap"

Kinetics = Mapping[str, ExactSystem | SaturableSystem]


def expect(
    compiled: Kinetics,
    seen: Observations,
    vectors: Sequence[Any],
    drawn: Mapping[str, Any],
    masses: Mapping[str, Any],
) -> Any:
    """Return what each row should be: the prediction of `Observations`.

    Parameters
    ----------
    compiled : mapping of str to ExactSystem or SaturableSystem
        The kinetics of each experiment.
    seen : Observations
        The rows.
    vectors : sequence of PyTensor vectors
        Parameters of each experiment.
    drawn : mapping of str to PyTensor vector
        The model's variables by name: factors, shares, errors that rows share.
    masses : mapping of str to float or PyTensor scalar
        Mass of each region that is weighed, g.

    Returns
    -------
    (n,) PyTensor vector
        In each row's unit; counts as the mean activity, MBq.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> posterior = worked_example.posterior()
    >>> compiled = {"dosimetry": posterior.compiled}
    >>> half_life = pt.constant([60.0])
    >>> expect(compiled, posterior.observations, [half_life], {}, {}).eval().round(2)
    array([68.28, 31.83, 14.84])
    """
    means: Any = solved_rows(row_means, (compiled, seen))(*vectors)
    if seen.overlaps:
        n_rows = len(seen.value)
        shares: Any = pt.concatenate([pt.zeros(1), drawn[OVERLAP]])
        means = means[:n_rows] + shares[seen.overlap] * means[n_rows:]
    factors = seen.factor * shared_factors(seen.noise, drawn)
    return means * factors * _scale(seen, drawn, masses)


def row_means(compiled: Kinetics, seen: Observations) -> Callable[..., Any]:
    """Return what gives each row's mean over its frame, of parameters.

    Parameters
    ----------
    compiled : mapping of str to ExactSystem or SaturableSystem
        The kinetics of each experiment.
    seen : Observations
        The rows.

    Returns
    -------
    callable
        ``means(*vectors) -> (n,)`` of one parameter vector for each experiment, in
        their order: the mean of each row's activity (MBq), without calibration, mass
        and recovery; with overlaps (2 n,), the mean of what lies over its region after
        that; traceable.

    Examples
    --------
    >>> import numpy as np
    >>> from pkmodels.fitting import worked_example
    >>> posterior = worked_example.posterior()
    >>> means = row_means({"dosimetry": posterior.compiled}, posterior.observations)
    >>> np.asarray(means(np.array([60.0]))).round(2).tolist()
    [68.28, 31.83, 14.84]
    """

    def means(*vectors: Any) -> Any:
        own = dict(zip(compiled, vectors, strict=True))
        parts = []
        for readout in seen.readouts:
            system, values = compiled[readout.experiment], own[readout.experiment]
            activities = _activities(system, values, readout)
            parts.append((activities @ system.observe(values).T).ravel())
        stack = jnp.concatenate(parts)
        of_regions = jnp.sum(seen.weight * stack[seen.node], axis=1)
        if not seen.overlaps:
            return of_regions
        of_others = jnp.sum(seen.other_weight * stack[seen.other_node], axis=1)
        return jnp.concatenate([of_regions, of_others])

    return means


def _activities(
    system: ExactSystem | SaturableSystem, values: Any, readout: Readout
) -> Any:
    """Return what each amount holds of each label, (..., n_times, n_amounts), MBq."""
    if isinstance(readout.given, LabelCourse):
        assert isinstance(system, SaturableSystem)
        return system.solve_labels(values, readout.given, readout.times_h)
    return system.solve(values, readout.given, readout.times_h)


def _scale(
    seen: Observations, drawn: Mapping[str, Any], masses: Mapping[str, Any]
) -> Any:
    """Return each row's product of calibration, recovery and power of the mass."""
    scale: Any = pt.ones(len(seen.value))
    if seen.calibrations:
        factors: Any = pt.concatenate([pt.ones(1), drawn[CALIBRATION]])
        scale = scale * factors[seen.calibration]
    if seen.recoveries:
        scale = scale * pt.exp(seen.recovery @ pt.log(drawn[RECOVERY]))
    if seen.weighed:
        weights: Any = pt.stack([1.0, *(masses[region] for region in seen.weighed)])
        scale = scale * weights[seen.mass] ** -seen.mass_exponent
    return scale
