"""HA-DOTATATE from the 68Ga scan to the 177Lu therapy: linked tracers that saturate.

Equations, for blood B and each tissue X = spleen, kidneys, tumour and the other organs
with receptors, in amounts of peptide (nmol), without physical decay:

    dB/dt = -f_el k_el B - sum_X uptake_X - k_rest f_u B
    dX/dt = uptake_X - d_X X,   uptake_X = f_X k_X f_u B (1 - X / (B_max,X V_X))

k_spleen is multiplied by exp(-0.4 V_all), V_all the volume (L) of all lesions: a tumour
sink. k_tumour is multiplied by (V_tumour / V_cohort)^e, V_tumour that of the lesions in
the tumour compartment. The rest of the body takes up k_rest f_u B without limit.

The tracers share structure and symbols. With ``tracer="Ga-68"`` the folds f are 1; with
``tracer="Lu-177"`` they are parameters, `fold_...`, estimated from therapy scans. What
a patient's 68Ga scan says of `uptake_...` and `elimination` reaches the therapy through
them, and through the mass of peptide, 151 for 5 ug. With 5 ug receptors are nearly
empty, so that patients differ in rates of uptake; with 151 ug they fill, so that they
differ in capacities. `values` puts the variation between patients there, as the paper
does. A fold's spread is the standard error of the cohort's estimate. The large group of
other organs fills first and leaves more in blood, so that an organ far from full, the
spleen, holds a larger share of a larger mass: a scan does not scale to a therapy.

Assumptions: nothing returns from tissue to blood (what is degraded leaves the body); a
capacity is filled by what is in the tissue, bound or internalized, and freed as that is
degraded; receptor density does not change between scan and therapy. The paper works in
ug; here amounts are nmol by its molar mass. Its observations are decay-corrected: read
all ligand (label "ligand"). A dose needs the label, with its decay. The paper's table
has no capacity of the rest; that f_u limits uptake there, too, is an interpretation.

Limits: 9 patients with neuroendocrine tumours; all numbers of 68Ga were fixed from an
earlier PBPK model, one scan a patient only checked them, and no blood was sampled. The
kidneys' first hour is urine. Folds and amino acids cannot be told apart: the scan was
without them and the therapy with.

References
----------
Siebinga et al., Predicting [177Lu]Lu-HA-DOTATATE kidney and tumor accumulation based on
[68Ga]Ga-HA-DOTATATE diagnostic imaging using semi-physiological population
pharmacokinetic modeling, EJNMMI Phys 2023;10:48, equations 1-5, tables 1 and 2.
"""

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import ModelError, suggest
from pkmodels.models import siebinga_values
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter, amounts, parameters
from pkmodels.values import ParameterValue

NAME = "sstr_tracer_to_therapy"
TESTED_AGAINST = "the paper's equations in ug by another integrator; closed form"
LIGAND = "ha_dotatate"
# Those with a capacity; and those of which concentrations are measured.
RECEPTOR_TISSUES: tuple[str, ...] = ("spleen", "kidneys", "tumour", "receptor_organs")
_CONCENTRATIONS: tuple[str, ...] = ("blood", "spleen", "kidneys", "tumour")


def model(tracer: str = "Lu-177") -> Model:
    """Return the model of one tracer.

    Parameters
    ----------
    tracer : str
        ``"Ga-68"``, the scan, or ``"Lu-177"``, the therapy, which has parameters
        ``fold_...`` besides: its rates over those of the scan.

    Returns
    -------
    Model
        Observables: every tissue and ``blood`` (MBq), and ``<tissue>_concentration``
        (MBq/L) of blood, spleen, kidneys and tumour.

    Raises
    ------
    ModelError
        When the tracer is neither.

    Examples
    --------
    >>> scan, therapy = model("Ga-68"), model("Lu-177")
    >>> sorted(set(map(str, therapy.parameters)) - set(map(str, scan.parameters)))
    ['fold_degradation_tumour', 'fold_elimination', 'fold_uptake_kidneys', \
'fold_uptake_spleen', 'fold_uptake_tumour']
    """
    _check(tracer)
    is_therapy = tracer == "Lu-177"
    names = (*RECEPTOR_TISSUES, "rest")
    (blood,) = amounts("blood", unit="nmol")
    tissues = dict(zip(names, amounts(" ".join(names), unit="nmol"), strict=True))
    volumes = {name: Parameter(_volume_name(name), "L") for name in _CONCENTRATIONS}
    seen = {"blood": blood, **tissues}
    eliminated = _linked("elimination", is_therapy) * blood
    return Model(
        name=NAME,
        reactions=(
            flow("excretion", blood, None, eliminated),
            *_uptakes(blood, tissues, is_therapy),
            *_degradations(tissues, is_therapy),
        ),
        routes={INTRAVENOUS: blood},
        observables={
            **seen,
            **{f"{n}_concentration": seen[n] / v for n, v in volumes.items()},
        },
    )


def _uptakes(
    blood: Amount, tissues: dict[str, Amount], is_therapy: bool
) -> list[Reaction]:
    (unbound,) = parameters("fraction_unbound", unit="1")
    reactions = []
    for name, tissue in tissues.items():
        rate = _linked(f"uptake_{name}", is_therapy) * _covariates(name)
        free = sympy.S.One
        if name in RECEPTOR_TISSUES:
            capacity = Parameter(f"capacity_{name}", "nmol/L")
            free = 1 - tissue / (capacity * Parameter(_volume_name(name), "L"))
        taken_up = rate * unbound * blood * free
        reactions.append(flow(f"uptake_{name}", blood, tissue, taken_up))
    return reactions


def _degradations(tissues: dict[str, Amount], is_therapy: bool) -> list[Reaction]:
    return [
        flow(
            f"degradation_{name}",
            tissue,
            None,
            _linked(f"degradation_{name}", is_therapy) * tissue,
        )
        for name, tissue in tissues.items()
    ]


def _covariates(name: str) -> sympy.Expr:
    """Return what the volumes of tumours do to the rate of uptake of a tissue."""
    volume, other, of_cohort = parameters(
        "tumour_volume other_tumour_volume tumour_volume_of_cohort", unit="L"
    )
    if name == "spleen":
        return sympy.exp(-Parameter("tumour_sink", "1/L") * (volume + other))
    if name == "tumour":
        return (volume / of_cohort) ** Parameter("tumour_volume_exponent", "1")
    return sympy.S.One


def _linked(name: str, is_therapy: bool) -> sympy.Expr:
    """Return a rate of the scan, times its fold where the therapy has one."""
    rate = Parameter(name, "1/h")
    if not is_therapy or f"fold_{name}" not in siebinga_values.ha_dotatate("Lu-177"):
        return rate
    return rate * Parameter(f"fold_{name}", "1")


def _volume_name(tissue: str) -> str:
    return "tumour_volume" if tissue == "tumour" else f"volume_{tissue}"


def _check(tracer: str) -> None:
    if tracer not in siebinga_values.HA_TRACERS:
        raise ModelError(
            f"tracer {tracer!r} of HA-DOTATATE: "
            f"{suggest(tracer, siebinga_values.HA_TRACERS)}"
        )


def values(tracer: str = "Lu-177") -> dict[str, ParameterValue]:
    """Return what is known of each parameter.

    Parameters
    ----------
    tracer : str
        As of `model`.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    ModelError
        When the tracer is neither.

    Examples
    --------
    >>> fold = values()["fold_uptake_kidneys"]
    >>> round(0.22 * fold.parameters["median"], 3)
    0.107
    """
    _check(tracer)
    return siebinga_values.ha_dotatate(tracer)


def schedule(tracer: str = "Lu-177") -> Schedule:
    """Return the median patient's administration: 96 MBq in 5.23 ug, 7271 in 151 ug.

    Parameters
    ----------
    tracer : str
        As of `model`.

    Returns
    -------
    Schedule

    Raises
    ------
    ModelError
        When the tracer is neither.

    Examples
    --------
    >>> round(schedule().administrations[0].ligand_nmol, 1)
    92.7
    """
    _check(tracer)
    activity, mass_ug = siebinga_values.HA_ADMINISTERED[tracer]
    dose = Administration(
        0.0,
        0.0,
        LIGAND,
        tracer,
        activity,
        ligand_mass_ug=mass_ug,
        molar_mass_g_per_mol=siebinga_values.HA_DOTATATE_MOLAR_MASS.value,
    )
    return Schedule((dose,))
