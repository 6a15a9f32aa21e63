"""Organs that take a tracer up from blood and release it out of the body.

Equations, for blood B and each organ O_i, without physical decay:

    dB/dt   = -(e + sum_i u_i) B,    B(0) = dose
    dO_i/dt = u_i B - w_i O_i

with u_i = f_i k, e = (1 - sum_i f_i) k, k = ln 2 / blood half-time and
w_i = ln 2 / biological half-life of organ i. The fractions f_i and the eliminated
fraction 1 - sum f_i make up a simplex. A label decays on top, so that an effective
half-life never exceeds the physical one.

Grown, with ``rest=True`` and ``bladder=True``, it follows what was eliminated above:

    drest/dt    = f_rest k B - w_rest rest
    dbladder/dt = e B + w_rest rest + sum over kidneys w_i O_i - v bladder

where e is what is left of k once f_rest is a fraction, too, and v the rate of voiding.
Kidneys are the regions whose names begin with "kidney". What other organs release
leaves the body (by the gut, say). `population` describes the 19 patients of Haenscheid
2022, to whom its values are tuned, and `priors` the clinic's wide beliefs.

Assumptions: a tracer amount of ligand (nothing saturates, so the ligand's mass has
no effect); what an organ releases leaves the body and is not taken up again; one
rate of release per organ; the kinetics do not change between administrations; the
bladder empties at a constant rate. The eliminated fraction covers excretion and,
without ``rest``, every organ that was not measured.

It cannot describe a second phase of washout, return to blood, an emptying of the
bladder at a known time, or a therapy whose ligand mass saturates receptors. Without
``rest`` and ``bladder`` it has no region that holds what others release.

References
----------
Compartment scheme and decay convention: Siegel et al., MIRD pamphlet 16, J Nucl Med
1999;40:37S-61S. The parametrization is this project's own.
Population: Haenscheid et al., J Nucl Med 2022 (abstract).
"""

from collections.abc import Mapping

import numpy as np
import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import organ_exchange_values
from pkmodels.models import values as numbers
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter
from pkmodels.values import ParameterValue, PriorSet, draw_values, logit_normal

NAME = "organ_exchange"
TESTED_AGAINST = (
    "closed form and another integrator; Haenscheid 2022 (19 patients), tuned to it"
)
BLOOD_HALF_TIME = "blood_half_time"
VOIDING = "voiding"
BLADDER, REST = "bladder", "rest"
_KIDNEY = "kidney"
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


def model(
    regions: tuple[str, ...] = SHOWN_REGIONS,
    *,
    bladder: bool = False,
    rest: bool = False,
) -> Model:
    """Return the organ-exchange model of the given regions.

    Parameters
    ----------
    regions : tuple of str
        Names of the regions, at least one, each an identifier; those of
        `SHOWN_REGIONS` where the model is only looked at.
    bladder : bool
        Whether what blood, kidneys and the rest send out collects in a bladder.
    rest : bool
        Whether the rest of the body is a region, too. `bladder` and `rest` are
        observables where they are asked for, and with `rest` so are ``blood`` and
        ``whole_body``, the sum of all.

    Returns
    -------
    Model
        Its parameters are ``blood_half_time`` (h) and, for each region (`rest`
        included), ``fraction_<region>`` (of the dose) and
        ``biological_half_life_<region>`` (h); with a bladder ``voiding`` (1/h).

    Raises
    ------
    ModelError
        When there is no region, or one is called ``blood``, ``bladder`` or ``rest``
        where the model has its own.

    Examples
    --------
    >>> print(model(("kidney",)).reactions[1])
    washout_kidney: kidney -> outside, rate kidney*log(2)/biological_half_life_kidney
    >>> print(model(("kidney",), bladder=True).reactions[1])
    washout_kidney: kidney -> bladder, rate kidney*log(2)/biological_half_life_kidney
    """
    _check_regions(regions, bladder=bladder, rest=rest)
    blood = Amount("blood", "nmol")
    urine = Amount(BLADDER, "nmol") if bladder else None
    rate = sympy.log(2) / Parameter(BLOOD_HALF_TIME, "h")
    reactions, organs = [], {}
    eliminated: sympy.Expr = sympy.S.One
    for region in _with_rest(regions, rest=rest):
        organ = Amount(region, "nmol")
        fraction = Parameter(fraction_name(region), "1")
        washout = sympy.log(2) / Parameter(half_life_name(region), "h")
        by_urine = region == REST or region.startswith(_KIDNEY)
        reactions += [
            flow(f"uptake_{region}", blood, organ, fraction * rate * blood),
            flow(
                f"washout_{region}", organ, urine if by_urine else None, washout * organ
            ),
        ]
        eliminated -= fraction
        organs[region] = organ
    reactions.append(flow("elimination", blood, urine, eliminated * rate * blood))
    reactions += _voiding(urine)
    if urine is not None:
        organs[BLADDER] = urine
    if rest:
        organs = {**organs, "blood": blood, "whole_body": sum(organs.values(), blood)}
    return Model(NAME, tuple(reactions), {INTRAVENOUS: blood}, organs)


def _voiding(urine: Amount | None) -> list[Reaction]:
    if urine is None:
        return []
    return [flow("voiding", urine, None, Parameter(VOIDING, "1/h") * urine)]


def _with_rest(regions: tuple[str, ...], *, rest: bool) -> tuple[str, ...]:
    return (*regions, REST) if rest else tuple(regions)


def _check_regions(regions: tuple[str, ...], *, bladder: bool, rest: bool) -> None:
    if not regions:
        raise ModelError("organ_exchange needs at least one region")
    own = {"blood": True, BLADDER: bladder, REST: rest, "whole_body": rest}
    for name, is_own in own.items():
        if is_own and name in regions:
            raise ModelError(
                f"organ_exchange has its own {name}: rename the region {name!r}"
            )


def organ_of(region: str) -> str:
    """Return the organ whose values a region takes by its name.

    Parameters
    ----------
    region : str
        Name of the region: that of an organ, with or without a side.

    Returns
    -------
    str

    Examples
    --------
    >>> organ_of("kidney_left"), organ_of("spleen")
    ('kidney', 'spleen')
    """
    return region.removesuffix("_left").removesuffix("_right")


def values(
    regions: tuple[str, ...] = SHOWN_REGIONS,
    *,
    bladder: bool = False,
    rest: bool = False,
    ligand: str = "pentixather",
) -> dict[str, ParameterValue]:
    """Return what is known of each parameter of one ligand, as wide as in the clinic.

    Each fraction stands alone here, logit-normal, where `priors` has them share what
    is there: in some draws (6 in 1,000 with `rest`) they add up to more than 1, which a
    simulation refuses. For virtual patients take `draw_patients`.

    Parameters
    ----------
    regions, bladder, rest
        As of `model`; a region is the organ of its name (`organ_of`).
    ligand : str
        The ligand.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    ModelError
        As `model` does.

    Examples
    --------
    >>> print(values()["fraction_spleen"])  # doctest: +ELLIPSIS
    logit-normal, median 0.00990099, sd of logit 1 (derived: from dose and half-life ...
    """
    _check_regions(regions, bladder=bladder, rest=rest)
    known = priors(ligand, {region: organ_of(region) for region in regions})
    found: dict[str, ParameterValue] = dict(known.independent)
    for name, odds in known.odds.items():
        ratio, spread = odds.parameters["median"], odds.parameters["log_sd"]
        found[name] = logit_normal(
            ratio / (1.0 + ratio), spread, odds.source, odds.certainty
        )
    if rest:
        found[fraction_name(REST)] = organ_exchange_values.REST_FRACTION
        found[half_life_name(REST)] = numbers.biological_half_life(ligand, REST)
    if bladder:
        found[VOIDING] = organ_exchange_values.VOIDING
    return found


def schedule() -> Schedule:
    """Return the dosimetry of Haenscheid 2022: 200 MBq of 177Lu-pentixather.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> schedule().labels
    ('Lu-177',)
    """
    return Schedule((Administration(0.0, 0.0, "pentixather", "Lu-177", 200.0),))


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
        half_life_name(region): numbers.biological_half_life(ligand, organ)
        for region, organ in organs.items()
    }
    odds = {
        fraction_name(region): numbers.uptake_odds(ligand, organ)
        for region, organ in organs.items()
    }
    return PriorSet({BLOOD_HALF_TIME: numbers.BLOOD_HALF_TIME, **half_lives}, odds)


def population(ligand: str = "pentixather", *, rest: bool = True) -> PriorSet:
    """Return how the patients of a published cohort differ, by region.

    Unlike `priors`, which is wide so that a patient's scans decide, this is as narrow
    as the cohort was: draw virtual patients from it with `draw_patients`. Its medians
    and spreads are tuned to the table that it is compared with.

    Parameters
    ----------
    ligand : str
        ``"pentixather"``: of no other ligand is there a population here.
    rest : bool
        Whether the rest of the body is a region, as of `model`.

    Returns
    -------
    PriorSet
        Of the regions ``kidneys``, ``liver``, ``spleen`` and ``red_marrow``.

    Raises
    ------
    ModelError
        When the ligand is another.

    References
    ----------
    Haenscheid et al., J Nucl Med 2022 (abstract).

    Examples
    --------
    >>> population().odds["fraction_kidneys"].certainty
    <Certainty.JUDGEMENT: 'judgement'>
    """
    if ligand != "pentixather":
        raise ModelError(
            f"organ_exchange has no population of {ligand!r}: take 'pentixather', or "
            "priors() for the clinic's wide ones"
        )
    regions = organ_exchange_values.POPULATION
    odds = {fraction_name(name): of.odds for name, of in regions.items()}
    half_lives = {half_life_name(name): of.half_life for name, of in regions.items()}
    if rest:
        odds[fraction_name(REST)] = organ_exchange_values.REST_ODDS
        half_lives[half_life_name(REST)] = numbers.biological_half_life(ligand, REST)
    blood = {BLOOD_HALF_TIME: organ_exchange_values.BLOOD_HALF_TIME}
    return PriorSet({**blood, **half_lives}, odds)


def draw_patients(known: PriorSet, n_draws: int, seed: int) -> dict[str, np.ndarray]:
    """Draw virtual patients: fractions share the dose, all else is independent.

    fraction_i = odds_i / (1 + sum odds).

    Parameters
    ----------
    known : PriorSet
        From `population` or `priors`.
    n_draws : int
        Number of patients, >= 1.
    seed : int
        Repeats the draws, >= 0.

    Returns
    -------
    dict of str to (n_draws,) array
        Every parameter by name.

    Raises
    ------
    InputError
        When fewer than one is asked for.

    Examples
    --------
    >>> drawn = draw_patients(population(), 1000, seed=0)
    >>> round(float(np.median(drawn["fraction_kidneys"])), 3)
    0.057
    """
    odds = draw_values(known.odds, n_draws, seed)
    whole = 1.0 + sum(odds.values())
    fractions = {name: drawn / whole for name, drawn in odds.items()}
    return {**draw_values(known.independent, n_draws, seed), **fractions}
