"""Organs that take a tracer up from blood and release it out of the body.

Equations, for blood B and each organ O_i, without physical decay:

    dB/dt   = -(e + sum_i u_i) B,    B(0) = dose
    dO_i/dt = u_i B - w_i O_i

with u_i = f_i k, e = (1 - sum_i f_i) k, k = ln 2 / blood half-time and
w_i = ln 2 / biological half-life of organ i. The fractions f_i and the eliminated
fraction 1 - sum f_i make up a simplex. A label decays on top, so that an effective
half-life never exceeds the physical one.

Assumptions: a tracer amount of ligand (nothing saturates, so the ligand's mass has
no effect); what an organ releases leaves the body and is not taken up again; one
rate of release per organ; the kinetics do not change between administrations. The
eliminated fraction covers excretion and every organ that was not measured.

It cannot describe regions that hold what others release (bladder, remainder of the
body, whole body), a second phase of washout, or a therapy whose ligand mass
saturates receptors.

References
----------
Compartment scheme and decay convention: Siegel et al., MIRD pamphlet 16, J Nucl Med
1999;40:37S-61S. The parametrization is this project's own.
"""

from collections.abc import Mapping

import sympy

from pkmodels.administrations import INTRAVENOUS
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import values
from pkmodels.reactions import flow
from pkmodels.symbols import Amount, Parameter
from pkmodels.values import PriorSet

NAME = "organ_exchange"
BLOOD_HALF_TIME = "blood_half_time"
# What the model is shown with where no patient says which regions there are.
SHOWN_REGIONS = ("kidney_left", "kidney_right", "liver", "spleen")


def fraction_name(region: str) -> str:
    """Return the name of a region's uptake-fraction parameter.

    Parameters
    ----------
    region : str
        Name of the region.

    Returns
    -------
    str

    Examples
    --------
    >>> fraction_name("liver")
    'fraction_liver'
    """
    return f"fraction_{region}"


def half_life_name(region: str) -> str:
    """Return the name of a region's biological-half-life parameter.

    Parameters
    ----------
    region : str
        Name of the region.

    Returns
    -------
    str

    Examples
    --------
    >>> half_life_name("liver")
    'biological_half_life_liver'
    """
    return f"biological_half_life_{region}"


def model(regions: tuple[str, ...] = SHOWN_REGIONS) -> Model:
    """Return the organ-exchange model of the given regions.

    Parameters
    ----------
    regions : tuple of str
        Names of the regions, at least one, each an identifier; those of
        `SHOWN_REGIONS` where the model is only looked at.

    Returns
    -------
    Model
        Its parameters are ``blood_half_time`` (h) and, for each region,
        ``fraction_<region>`` (of the dose) and ``biological_half_life_<region>`` (h).

    Raises
    ------
    ModelError
        When there is no region, or one is called ``blood``.

    Examples
    --------
    >>> print(model(("kidney",)).reactions[1])
    washout_kidney: kidney -> outside, rate kidney*log(2)/biological_half_life_kidney
    """
    if not regions:
        raise ModelError("organ_exchange needs at least one region")
    if "blood" in regions:
        raise ModelError("organ_exchange has its own blood: rename the region 'blood'")
    blood = Amount("blood", "nmol")
    rate = sympy.log(2) / Parameter(BLOOD_HALF_TIME, "h")
    reactions, organs = [], {}
    eliminated: sympy.Expr = sympy.S.One
    for region in regions:
        organ = Amount(region, "nmol")
        fraction = Parameter(fraction_name(region), "1")
        washout = sympy.log(2) / Parameter(half_life_name(region), "h")
        reactions.append(
            flow(f"uptake_{region}", blood, organ, fraction * rate * blood)
        )
        reactions.append(flow(f"washout_{region}", organ, None, washout * organ))
        eliminated -= fraction
        organs[region] = organ
    reactions.append(flow("elimination", blood, None, eliminated * rate * blood))
    return Model(NAME, tuple(reactions), {INTRAVENOUS: blood}, organs)


def priors(ligand: str, organs: Mapping[str, str]) -> PriorSet:
    """Return the priors of the model's parameters for one ligand.

    Parameters
    ----------
    ligand : str
        The ligand.
    organs : mapping of str to str
        For each region of the model, its organ.

    Returns
    -------
    PriorSet

    Examples
    --------
    >>> sorted(priors("dotatate", {"kidney_left": "kidney"}).independent)
    ['biological_half_life_kidney_left', 'blood_half_time']
    """
    half_lives = {
        half_life_name(region): values.biological_half_life(ligand, organ)
        for region, organ in organs.items()
    }
    odds = {
        fraction_name(region): values.uptake_odds(ligand, organ)
        for region, organ in organs.items()
    }
    return PriorSet({BLOOD_HALF_TIME: values.BLOOD_HALF_TIME, **half_lives}, odds)
