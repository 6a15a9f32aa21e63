"""A worked example, small enough for every docstring of this package to run."""

from functools import cache

from pkmodels.design.curves import tabulate_curves
from pkmodels.design.questions import Question
from pkmodels.design.scans import Modality
from pkmodels.design.unknowns import quantity_slopes, unknowns_of
from pkmodels.fitting import worked_example


@cache
def question() -> Question:
    """Return the question of an organ's half-life, by exact SPECT with 10 % scatter.

    The organ of `pkmodels.fitting.worked_example`: 100 MBq of Lu-177, released with one
    half-life, of which 60 h (sd of ln 1) is known.

    Returns
    -------
    Question

    Examples
    --------
    >>> question().unknowns.names
    ('half_life',)
    """
    example = worked_example.experiment()
    posterior = worked_example.posterior()
    unknowns = unknowns_of(posterior.table.priors, example.compiled.parameters)
    points = unknowns.centre[None]
    curves = tabulate_curves(
        example.compiled,
        posterior.observations.readouts[0].given,  # pyright: ignore[reportArgumentType]
        unknowns,
        points,
        1.0,
        400.0,
    )
    target = quantity_slopes(unknowns, points, lambda values: values[:, 0])
    spect = Modality("SPECT", ("organ",), 0.1, 0.0, per_region=False)
    return Question(curves, unknowns, target, (spect,))
