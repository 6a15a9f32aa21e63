"""Organ curves of one, two or three exponentials, with an uptake phase if wanted.

The biological curve of a region, per amount administered and without decay, is that of
washout shares s_i (adding up to 1) with biological half-lives T_i, k_i = ln 2 / T_i,
filled from a pool that empties at u = ln 2 / uptake half-time:

    b(t) = f sum_i s_i u / (u - k_i) (exp(-k_i t) - exp(-u t))

or, filled at once, b(t) = f sum_i s_i exp(-k_i t). A label decays on top: every rate b
becomes the effective rate b + lambda, so that no effective half-life exceeds the
physical one. With the terms c_i exp(-l_i t) of the whole curve

    TIAC = sum_i c_i / l_i
    G = (2 / TIAC^2) sum_ij c_i c_j / ((l_i + l_j) (l_i + mu)),  mu = ln 2 / repair time

`pkmodels.models.exponential_terms` gives the terms, the TIAC and effective half-lives;
G is `pkmodels.dosimetry.biological_dose.g_factor_of_exponentials` of the terms.

As compartments, what reaches a region enters its fastest phase n, from which s_i (k_n -
k_i) settles into each slower phase i and sum_i s_i k_i leaves the body: the sum over
the phases is the curve above, exactly, and nothing is made or lost. Half-lives are in
order by their parameters: T_i = ratio_i T_(i-1), with ratios below 1, and T_1 (the
slowest, called biological_half_life) is the one that scans over days determine.
Shares are parts of what the faster phases leave: s_3 = share_3, s_2 = (1 - share_3)
share_2, s_1 the rest. Fractions are f_i = o_i / (1 + sum_j o_j), o the uptake odds
relative to all that no region takes up, so that they never add up to more than 1.

Assumptions: a tracer amount of ligand (nothing saturates, so its mass has no effect);
one uptake half-time for all regions, that of the pool; what a region releases leaves
the body and is not taken up again. Filled at once there is one region only: fit
several one by one, which is the same, since they do not exchange anything.

It cannot describe regions that hold what others release (bladder, remainder), a
therapy whose ligand mass saturates receptors, or uptake that differs between regions.

Priors of uptake and half-life are those of `pkmodels.models.values`: derived from
publications and widened, judgement where an organ has none. Those of shares, ratios and
the uptake half-time are judgement.

References
----------
Siegel et al., MIRD pamphlet 16, J Nucl Med 1999;40:37S-61S (sums of exponentials);
Haenscheid et al., J Nucl Med 2022 (activity rises during the first day); Baechler et
al., Med Phys 2008;35:1123 (G of several exponentials). The compartments that give the
same curve are this project's own.
"""

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import exponentials_values
from pkmodels.models import values as numbers
from pkmodels.reactions import Reaction, flow
from pkmodels.routes import Route
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter
from pkmodels.values import ParameterValue

NAME = "exponentials"
TESTED_AGAINST = (
    "tables of G-factors, of 90Y/177Lu ratios and of single-scan errors computed "
    "elsewhere; a published fit of a patient; closed form"
)
UPTAKE_HALF_TIME = "uptake_half_time"
SHOWN_REGIONS = ("kidneys", "liver", "spleen")
# A third rate is the most that scans of a week have ever told apart.
MOST_PHASES = 3


def model(
    regions: tuple[str, ...] = SHOWN_REGIONS, phases: int = 2, uptake: bool = True
) -> Model:
    """Return the model of some regions, each a sum of exponentials.

    Parameters
    ----------
    regions : tuple of str
        Names of the regions, at least one, each an identifier; only one where there
        is no uptake phase.
    phases : int
        Number of washout phases of each region, 1 to 3.
    uptake : bool
        Whether the regions fill from a pool; else the one region fills at once.

    Returns
    -------
    Model
        Its parameters are ``uptake_half_time`` (h) and for each region
        ``uptake_odds_<region>``, ``biological_half_life_<region>`` (h, the slowest) and
        for each faster phase i from 2 on ``share_<region>_<i>`` and
        ``half_life_ratio_<region>_<i>``, each in (0, 1).

    Raises
    ------
    ModelError
        When there is no region, one is called ``pool``, there are several without an
        uptake phase, or the number of phases is none of 1, 2, 3.

    Examples
    --------
    >>> print(model(("kidneys",), phases=1))
    model exponentials
      uptake_kidneys: pool -> kidneys, rate \
pool*uptake_odds_kidneys*log(2)/(uptake_half_time*(uptake_odds_kidneys + 1))
      release_kidneys_1: kidneys -> outside, rate \
kidneys*log(2)/biological_half_life_kidneys
      elimination: pool -> outside, rate \
pool*log(2)/(uptake_half_time*(uptake_odds_kidneys + 1))
      dose by intravenous -> pool
      observed kidneys = kidneys
    """
    check_form(regions, phases, uptake)
    odds = {region: Parameter(f"uptake_odds_{region}", "1") for region in regions}
    whole = 1 + sympy.Add(*odds.values())
    reactions: list[Reaction] = []
    observables: dict[str, sympy.Expr] = {}
    entries: dict[str, Amount] = {}
    for region in regions:
        amounts = _amounts(region, phases)
        reactions += _washout(region, amounts)
        entries[region], observables[region] = amounts[-1], sympy.Add(*amounts)
    if not uptake:
        (region,) = regions
        route = Route(entries[region], bioavailability=odds[region] / whole)
        return Model(NAME, tuple(reactions), {INTRAVENOUS: route}, observables)
    pool = Amount("pool", "nmol")
    rate = sympy.log(2) / Parameter(UPTAKE_HALF_TIME, "h")
    filling = [
        flow(
            f"uptake_{region}",
            pool,
            entries[region],
            odds[region] / whole * rate * pool,
        )
        for region in regions
    ]
    lost = flow("elimination", pool, None, rate / whole * pool)
    return Model(NAME, (*filling, *reactions, lost), {INTRAVENOUS: pool}, observables)


def values(
    regions: tuple[str, ...] = SHOWN_REGIONS,
    phases: int = 2,
    uptake: bool = True,
    *,
    ligand: str = "pentixather",
) -> dict[str, ParameterValue]:
    """Return what is known of every parameter of `model` with the same arguments.

    Parameters
    ----------
    regions, phases, uptake
        As `model` takes them; a region is an organ of `pkmodels.models.values`, or
        gets the wide prior of any organ.
    ligand : str
        The ligand whose priors are wanted.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    ModelError
        As `model` does.

    Examples
    --------
    >>> known = values(("kidneys",), phases=2)
    >>> sorted(known)  # doctest: +NORMALIZE_WHITESPACE
    ['biological_half_life_kidneys', 'half_life_ratio_kidneys_2', 'share_kidneys_2',
     'uptake_half_time', 'uptake_odds_kidneys']
    >>> known["biological_half_life_kidneys"].parameters["median"]
    55.0
    """
    check_form(regions, phases, uptake)
    known: dict[str, ParameterValue] = {}
    if uptake:
        known[UPTAKE_HALF_TIME] = exponentials_values.UPTAKE_HALF_TIME
    for region in regions:
        known[f"uptake_odds_{region}"] = numbers.uptake_odds(ligand, region)
        half_life = numbers.biological_half_life(ligand, region)
        known[f"biological_half_life_{region}"] = half_life
        for i in range(2, phases + 1):
            known[f"share_{region}_{i}"] = exponentials_values.SHARE
            known[f"half_life_ratio_{region}_{i}"] = exponentials_values.HALF_LIFE_RATIO
    return known


def schedule() -> Schedule:
    """Return an administration of [177Lu]pentixather for dosimetry, 200 MBq in 75 ug.

    Returns
    -------
    Schedule

    References
    ----------
    Haenscheid et al., J Nucl Med 2022 (200 MBq).

    Examples
    --------
    >>> schedule().administrations[0].activity_MBq
    200.0
    """
    return Schedule(
        (
            Administration(
                0.0,
                0.0,
                "pentixather",
                "Lu-177",
                exponentials_values.ACTIVITY.value,
                ligand_mass_ug=exponentials_values.LIGAND_MASS.value,
                molar_mass_g_per_mol=numbers.LIGANDS[
                    "pentixather"
                ].molar_mass_g_per_mol.value,
            ),
        )
    )


def check_form(regions: tuple[str, ...], phases: int, uptake: bool) -> None:
    """Refuse a form that the model does not have.

    Parameters
    ----------
    regions, phases, uptake
        As `model` takes them.

    Raises
    ------
    ModelError
        As `model` does.

    Examples
    --------
    >>> check_form(("kidneys",), 4, True)
    Traceback (most recent call last):
    pkmodels.errors.ModelError: exponentials has 1, 2 or 3 phases; got 4
    """
    if not regions:
        raise ModelError("exponentials needs at least one region")
    if "pool" in regions:
        raise ModelError("exponentials has its own pool: rename the region 'pool'")
    if phases not in range(1, MOST_PHASES + 1):
        raise ModelError(f"exponentials has 1, 2 or 3 phases; got {phases!r}")
    if not uptake and len(regions) > 1:
        raise ModelError(
            f"exponentials: {', '.join(regions)} cannot all be filled at once by one "
            "dose: take uptake=True, or one model for each region"
        )


def _amounts(region: str, phases: int) -> tuple[Amount, ...]:
    """Return the amounts of a region, the slowest phase first."""
    if phases == 1:
        return (Amount(region, "nmol"),)
    return tuple(Amount(f"{region}_phase_{i}", "nmol") for i in range(1, phases + 1))


def _washout(region: str, amounts: tuple[Amount, ...]) -> list[Reaction]:
    """Return the reactions of a region that is filled through its fastest phase."""
    count, entry = len(amounts), amounts[-1]
    share = {i: Parameter(f"share_{region}_{i}", "1") for i in range(2, count + 1)}
    ratio = {
        i: Parameter(f"half_life_ratio_{region}_{i}", "1") for i in range(2, count + 1)
    }
    slowest = sympy.log(2) / Parameter(f"biological_half_life_{region}", "h")
    # Of phase i: its rate, and its part of what enters.
    rate = [
        slowest / sympy.Mul(*(ratio[j] for j in range(2, i + 1)))
        for i in range(1, count + 1)
    ]
    left = [
        sympy.Mul(*(1 - share[j] for j in range(i + 1, count + 1)))
        for i in range(1, count + 1)
    ]
    part = [left[0], *(share[i] * left[i - 1] for i in range(2, count + 1))]
    reactions = []
    for i in range(1, count):
        # k_n (1 - k_i / k_n), k_i / k_n being the product of the ratios between.
        slower = sympy.Mul(*(ratio[j] for j in range(i + 1, count + 1)))
        settling = part[i - 1] * rate[-1] * (1 - slower)
        name = f"settling_{region}_{i}"
        reactions.append(flow(name, entry, amounts[i - 1], settling * entry))
    mean = sympy.Add(*(p * k for p, k in zip(part, rate, strict=True)))
    for i in range(1, count):
        name = f"release_{region}_{i}"
        reactions.append(flow(name, amounts[i - 1], None, rate[i - 1] * amounts[i - 1]))
    reactions.append(flow(f"release_{region}_{count}", entry, None, mean * entry))
    return reactions
