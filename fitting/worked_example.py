"""A worked example, small enough for every docstring of this package to run."""

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.exact import compile_exactly
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.posterior import Posterior
from pkmodels.measurements import Measurement, Quantity
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter
from pkmodels.system import assemble
from pkmodels.values import Certainty, PriorSet, half_normal, log_normal


def experiment() -> Experiment:
    """Return an organ that was given 100 MBq of Lu-177, and three scans of it.

    It held all of it at once and releases it with one biological half-life; the scans
    found 70, 35 and 16 MBq after 24, 72 and 120 h.

    Returns
    -------
    Experiment

    Examples
    --------
    >>> experiment().compiled.parameters
    ('half_life',)
    """
    organ, half_life = Amount("organ", "nmol"), Parameter("half_life", "h")
    release = flow("release", organ, None, sympy.log(2) / half_life * organ)
    model = Model("one organ", (release,), {INTRAVENOUS: organ}, {"organ": organ})
    given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    compiled = compile_exactly(assemble(model, given.form))
    scans = tuple(
        Measurement(
            region="organ",
            label="Lu-177",
            modality="SPECT",
            start_h=time,
            end_h=time,
            value=value,
            quantity=Quantity.ACTIVITY,
            sd=None,
            decay_corrected_to_h=None,
            source="worked example",
        )
        for time, value in ((24.0, 70.0), (72.0, 35.0), (120.0, 16.0))
    )
    return Experiment("dosimetry", compiled, given, scans)


def posterior() -> Posterior:
    """Return the posterior of that organ's half-life.

    Returns
    -------
    Posterior

    Examples
    --------
    >>> posterior().observations.value.tolist()
    [70.0, 35.0, 16.0]
    """
    only = experiment()
    wide = log_normal(60.0, 1.0, "h", "wide", Certainty.JUDGEMENT)
    priors = PriorSet({"half_life": wide}, {})
    return Posterior(
        experiments=(only,),
        table=alone(only, priors),
        observations=arrange([only], []),
        masses={},
        exact_masses={},
        relative_noise=half_normal(0.1, "", "wide", Certainty.JUDGEMENT),
        minimum_noise=0.01,
        noise_floor={},
        floor_everywhere=False,
    )
