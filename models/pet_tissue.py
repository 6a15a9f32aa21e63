"""One- and two-tissue PET models with an arterial input.

With c_p the concentration of parent tracer in arterial plasma and c_b that of all
activity in whole blood, both a delay later than where they were sampled:

    dC_1/dt = K_1 c_p - (k_2 + k_3) C_1 + k_4 C_2,   dC_2/dt = k_3 C_1 - k_4 C_2
    scan    = (1 - v_B) (C_1 + C_2) + v_B c_b

One tissue: no C_2, k_3, k_4. Irreversible: k_4 = 0. The letters are those of the
consensus nomenclature. The rest:

    V_T = K_1 / k_2 (1 + k_3 / k_4)   (reversible only)
    K_i = K_1 k_3 / (k_2 + k_3)       (two tissues, irreversible)

Two arterial inputs. ``"exponential"``: a dose into plasma that empties with one
half-time, of which the tissue takes K_1 V c_p and gives back to venous blood, which is
not followed; this can be simulated, fitted and given to any label. ``"sampled"``: a
measured curve, linear between its samples. The model integrates how fast it rises and
falls (`sampled_schedule`), without any error of interpolation; it is not depleted by
the tissue, and is read as it was measured, corrected for decay. For fits
`pkmodels.models.tissue_responses` gives the same from closed forms, frame by frame and
much faster, and V_T and K_i.

Assumptions: one well-mixed voxel or region; tracer amounts (nothing saturates);
nothing but parent tracer enters the tissue; the blood in it is arterial, undispersed.

It cannot describe receptors that saturate (`pkmodels.models.pentixather` does),
labelled metabolites in tissue, or spread of a bolus between sampling and tissue.
Delay and K_1 are confounded where frames are longer than the bolus.

Every prior is judgement: they are for showing and testing, not for fitting a new
tracer without thought.

References
----------
Innis et al., J Cereb Blood Flow Metab 2007;27:1533-1539 (nomenclature); Gunn, Gunn and
Cunningham, J Cereb Blood Flow Metab 2001;21:635-652 (impulse responses); Matheson,
EJNMMI Res 2017;7:58 and kinfitr's [11C]PBR28 data (test).
"""

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import ModelError, suggest
from pkmodels.models import arterial_input, pet_tissue_values
from pkmodels.models.arterial_input import ArterialInput
from pkmodels.models.tissue_responses import check_tissues
from pkmodels.models.values import LIGANDS
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter, amounts, inputs, receptors
from pkmodels.values import ParameterValue

NAME = "pet_tissue"
TESTED_AGAINST = (
    "closed form of an exponential input; another integrator; fits of [11C]PBR28 brain "
    "scans made elsewhere (kinfitr's data)"
)
EXPONENTIAL, SAMPLED = "exponential", "sampled"


def model(
    tissues: int = 2, reversible: bool = True, arterial: str = EXPONENTIAL
) -> Model:
    """Return the model of one region.

    Parameters
    ----------
    tissues : int
        1 or 2 compartments of tissue.
    reversible : bool
        Whether the last compartment releases the tracer; always where there is one.
    arterial : str
        ``"exponential"`` or ``"sampled"``.

    Returns
    -------
    Model
        Its parameters are ``K1``, ``k2``, ``k3``, ``k4`` (1/h, as far as they are
        there), ``blood_fraction``, ``tissue_volume`` (L), and with an exponential
        input ``plasma_volume`` (L), ``plasma_half_time`` (h) and ``blood_to_plasma``.

    Raises
    ------
    ModelError
        When an argument is none of these.

    Examples
    --------
    >>> print(model(tissues=1).reactions[2])
    washout: free -> outside, rate free*k2
    >>> print(model(arterial="sampled").reactions[4])
    uptake: outside -> free, rate K1*tissue_volume*(-plasma_fallen + plasma_risen)
    """
    _check(tissues, reversible, arterial)
    volume = Parameter("tissue_volume", "L")
    tissue, moves = _tissue(tissues, reversible)
    free = tissue[0]
    clearance = Parameter("K1", "1/h") * volume
    if arterial == EXPONENTIAL:
        (plasma,) = amounts("plasma", unit="nmol")
        in_plasma = plasma / Parameter("plasma_volume", "L")
        loss = sympy.log(2) / Parameter("plasma_half_time", "h")
        supply = (
            flow("uptake", plasma, free, clearance * in_plasma),
            flow("elimination", plasma, None, loss * plasma),
        )
        in_blood = Parameter("blood_to_plasma", "1") * in_plasma
        routes, start = {INTRAVENOUS: plasma}, {}
    else:
        supply, (in_plasma, in_blood), start = _sampled_input()
        supply = (*supply, flow("uptake", None, free, clearance * in_plasma))
        routes = {}
    fraction = Parameter("blood_fraction", "1")
    inside = sympy.Add(*tissue)
    observables = {
        "scan": (1 - fraction) * inside / volume + fraction * in_blood,
        "tissue": inside,
        "plasma": in_plasma,
    }
    return Model(NAME, (*supply, *moves), routes, observables, start)


def values(
    tissues: int = 2, reversible: bool = True, arterial: str = EXPONENTIAL
) -> dict[str, ParameterValue]:
    """Return what is known of every parameter of `model` with the same arguments.

    Parameters
    ----------
    tissues, reversible, arterial
        As `model` takes them.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    ModelError
        As `model` does.

    Examples
    --------
    >>> sorted(values(tissues=1, arterial="sampled"))
    ['K1', 'blood_fraction', 'k2', 'tissue_volume']
    """
    _check(tissues, reversible, arterial)
    known = pet_tissue_values
    found: dict[str, ParameterValue] = {"K1": known.K1, "k2": known.K2}
    if tissues == 2:
        found["k3"] = known.K3
        if reversible:
            found["k4"] = known.K4
    found["blood_fraction"] = known.BLOOD_FRACTION
    found["tissue_volume"] = known.TISSUE_VOLUME
    if arterial == EXPONENTIAL:
        found["plasma_volume"] = known.PLASMA_VOLUME
        found["plasma_half_time"] = known.PLASMA_HALF_TIME
        found["blood_to_plasma"] = known.BLOOD_TO_PLASMA
    return found


def schedule() -> Schedule:
    """Return a PET dose of [68Ga]pentixafor for the model with exponential input.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> schedule().labels
    ('Ga-68',)
    """
    dose = Administration(
        0.0,
        0.0,
        "pentixafor",
        "Ga-68",
        pet_tissue_values.ACTIVITY.value,
        ligand_mass_ug=pet_tissue_values.LIGAND_MASS.value,
        molar_mass_g_per_mol=LIGANDS["pentixafor"].molar_mass_g_per_mol.value,
    )
    return Schedule((dose,))


def sampled_schedule(arterial: ArterialInput, delay_h: float = 0.0) -> Schedule:
    """Return what drives the model with sampled input: no dose, only windows.

    Parameters
    ----------
    arterial : ArterialInput
        Plasma and whole blood.
    delay_h : float
        How much later than where they were sampled they reach the tissue, h.

    Returns
    -------
    Schedule
        Read ``label="ligand"``: concentrations are in the samples' unit.

    Raises
    ------
    InputError
        When a curve would start before 0 h.

    Examples
    --------
    >>> curve = ArterialInput([0.0, 0.01, 1.0], [0.0, 90.0, 0.0], [0.0, 50.0, 0.0])
    >>> len(sampled_schedule(curve).windows)
    4
    """
    return Schedule(
        (), arterial_input.windows(arterial_input.delayed(arterial, delay_h))
    )


def _tissue(
    tissues: int, reversible: bool
) -> tuple[tuple[Amount, ...], tuple[Reaction, ...]]:
    """Return the amounts in tissue, and what moves them."""
    (free,) = amounts("free", unit="nmol")
    washout = flow("washout", free, None, Parameter("k2", "1/h") * free)
    if tissues == 1:
        return (free,), (washout,)
    (bound,) = amounts("bound", unit="nmol")
    moves = [washout, flow("binding", free, bound, Parameter("k3", "1/h") * free)]
    if reversible:
        moves.append(flow("release", bound, free, Parameter("k4", "1/h") * bound))
    return (free, bound), tuple(moves)


def _sampled_input() -> tuple[
    tuple[Reaction, ...], tuple[sympy.Expr, sympy.Expr], dict[Amount, sympy.Expr]
]:
    """Return what integrates rise and fall, both curves, and the start.

    The arterial curve is data: no ligand, so that nothing is taken out of it.
    """
    moves, curves, start = [], [], {}
    for curve, names in (
        ("plasma", (arterial_input.PLASMA_RISE, arterial_input.PLASMA_FALL)),
        ("blood", (arterial_input.BLOOD_RISE, arterial_input.BLOOD_FALL)),
    ):
        sums = receptors(f"{curve}_risen {curve}_fallen", unit="nmol/L")
        for name, total in zip(names, sums, strict=True):
            (slope,) = inputs(name, unit="nmol/(L h)", otherwise=0.0)
            moves.append(flow(name, None, total, slope))
            start[total] = sympy.S.Zero
        curves.append(sums[0] - sums[1])
    return tuple(moves), (curves[0], curves[1]), start


def _check(tissues: int, reversible: bool, arterial: str) -> None:
    check_tissues(tissues, reversible)
    if arterial not in (EXPONENTIAL, SAMPLED):
        raise ModelError(
            f"arterial input {arterial!r}: {suggest(arterial, (EXPONENTIAL, SAMPLED))}"
        )
