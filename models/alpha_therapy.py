"""225Ac- or 213Bi-pentixather whose daughters leave the ligand when they recoil.

    Ac-225 -> Fr-221 -> At-217 -> Bi-213 -> Po-213 | Tl-209 -> Pb-209

Four alphas a decay of Ac-225, one of the ligand's label and three of daughters that
recoil has set free: Fr-221 (4.9 min) and, where it has gone, Bi-213 (46 min). At-217
and Po-213 decay where they arise, within 0.1 s. The ligand goes between plasma (unbound
part f_u), a tumour with receptors (binding, internalization, release), kidneys
(filtration, reabsorbed part, release) and the rest of the body. A daughter set free

    in plasma                 is in plasma
    in interstitium, surface  is in interstitium, leaves at <element>_escape
    inside cells              leaves to the interstitium at escape_from_cells
    in kidneys, in the rest   is there; francium leaves kidneys at francium_escape

Free francium goes from plasma into the rest of the body and stays, its half-life being
short; free bismuth into kidneys, urine and the rest, all at one half-time, and stays
there. So the part of a daughter's decays that a cell keeps is lambda / (lambda +
escape_from_cells): this is what "partial release" comes to. Tl-209 and Pb-209 go with
the bismuth that they come from.

`model` takes which daughter is the first that is free: ``"Fr-221"`` (recoil always
breaks the bond), ``"Bi-213"`` (that of Fr-221's and At-217's alphas only) or None
(nothing leaves the ligand). All activities and doses are linear in these fates, so
that for any probabilities they are the mean of the three with the weights of
`fates`: no approximation.

Doses are `pkmodels.models.chain_doses`: alphas and electrons absorbed where they are
emitted, with an RBE of alphas that the caller states.

Assumptions: unlike in `pentixather`, CXCL12 is part of K_D and ligand in interstitium
is all free; one tumour, kidneys as one retaining space; constant kinetics of free
elements, the same in each patient's tissue whatever set them free; receptors that are
replaced at the surface at once. Ligand that lost its label in a recoil still counts as
ligand (a mass fraction of 1e-3 at most).

It cannot describe marrow, red cells or salivary glands, chemistry of bismuth in the
nephron, doses below the scale of a region, or damage to the ligand by radiation.

No biokinetics of 225Ac- or 213Bi-pentixather are published, nor any of recoil daughters
in people: all numbers are judgement with wide priors, but for the plasma volume and
what kidneys take up and release. Binding rates are not measured values.

References
----------
de Kruijff, Wolterbeek and Denkova, Pharmaceuticals 2015;8:321-336 (recoil); Sgouros et
al., MIRD pamphlet 22, J Nucl Med 2010;51:311 (alpha dosimetry); Newton et al., Hum Exp
Toxicol 2001 (bismuth in man); ICRP Publication 107 (2008).
"""

from collections.abc import Mapping

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import DaughterEntry, Fate, Model
from pkmodels.errors import InputError, ModelError, suggest
from pkmodels.models import alpha_therapy_values, free_daughters
from pkmodels.models.blocks import (
    binding,
    exchange,
    filtration,
    internalization_and_release,
)
from pkmodels.models.chain_doses import chain_doses, integrate_chain
from pkmodels.models.values import LIGANDS
from pkmodels.reactions import Reaction, flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter, amounts, parameters, receptors
from pkmodels.values import ParameterValue

NAME = "alpha_therapy"
TESTED_AGAINST = (
    "Bateman's chain; energies added up from ICRP 107; another integrator; energy over "
    "the body"
)
FRANCIUM, BISMUTH = "Fr-221", "Bi-213"
REGIONS = ("plasma", "tumour", "kidneys", "rest")


def model(released: str | None = FRANCIUM) -> Model:
    """Return the model with one fate of the recoiling daughters.

    Parameters
    ----------
    released : str or None
        The first daughter that is free, ``"Fr-221"`` or ``"Bi-213"``; None where all
        stay with the ligand.

    Returns
    -------
    Model
        Its observables are the `REGIONS`, each of the label or daughter that is read.

    Raises
    ------
    ModelError
        When `released` is none of these.

    Examples
    --------
    >>> print(str(model("Bi-213")).splitlines()[-3])  # doctest: +NORMALIZE_WHITESPACE
      Bi-213 is set free: plasma -> bismuth_plasma, interstitium ->
      bismuth_interstitium, bound -> bismuth_interstitium, internalized ->
      bismuth_cells, kidneys -> bismuth_kidneys, rest -> bismuth_rest
    """
    if released not in (FRANCIUM, BISMUTH, None):
        raise ModelError(
            f"released is {released!r}: {suggest(str(released), (FRANCIUM, BISMUTH))}, "
            "or None where daughters stay with the ligand"
        )
    ligand, reactions, start = _ligand()
    of_region = {
        "plasma": [ligand["plasma"]],
        "tumour": [ligand[n] for n in ("interstitium", "bound", "internalized")],
        "kidneys": [ligand["kidneys"]],
        "rest": [ligand["rest"]],
    }
    daughters: dict[str, DaughterEntry] = dict.fromkeys(
        ("Fr-221", "Bi-213", "Tl-209", "Pb-209"), Fate.WITH_LIGAND
    )
    bismuth, moves = free_daughters.bismuth()
    if released is not None:
        reactions = (*reactions, *moves)
        _add(of_region, bismuth)
    if released == FRANCIUM:
        francium, moves = free_daughters.francium()
        reactions = (*reactions, *moves)
        _add(of_region, francium)
        daughters[FRANCIUM] = _set_free(ligand, francium)
        daughters[BISMUTH] = {francium[p]: bismuth[p] for p in francium}
    elif released == BISMUTH:
        daughters[BISMUTH] = _set_free(ligand, bismuth)
    observables = {region: sympy.Add(*found) for region, found in of_region.items()}
    routes = {INTRAVENOUS: ligand["plasma"]}
    return Model(NAME, reactions, routes, observables, start, daughters)


def values(released: str | None = FRANCIUM) -> dict[str, ParameterValue]:
    """Return what is known of every parameter of `model` with the same argument.

    Parameters
    ----------
    released : str or None
        As `model` takes it.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    ModelError
        As `model` does.

    Examples
    --------
    >>> "escape_from_cells" in values(), "escape_from_cells" in values(None)
    (True, False)
    """
    known = alpha_therapy_values.OF_LIGAND | alpha_therapy_values.OF_DAUGHTERS
    return {p.name: known[p.name] for p in model(released).parameters}


def schedule(label: str = "Ac-225") -> Schedule:
    """Return a therapy that nobody has published: 8 MBq of 225Ac on 75 ug.

    Parameters
    ----------
    label : str
        ``"Ac-225"``, or another head of the chain with the same activity.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> schedule().administrations[0].activity_MBq
    8.0
    """
    dose = Administration(
        0.0,
        0.0,
        "pentixather",
        label,
        alpha_therapy_values.ACTIVITY.value,
        ligand_mass_ug=alpha_therapy_values.LIGAND_MASS.value,
        molar_mass_g_per_mol=LIGANDS["pentixather"].molar_mass_g_per_mol.value,
    )
    return Schedule((dose,))


def fates(francium: float, bismuth: float) -> dict[str | None, float]:
    """Return how probable each fate of a chain of daughters is.

    Parameters
    ----------
    francium : float
        Probability that the recoil of Ac-225 sets Fr-221 free, 0 to 1.
    bismuth : float
        That one of the two alphas from Fr-221 to Bi-213 sets Bi-213 free, where Fr-221
        stayed, 0 to 1.

    Returns
    -------
    dict of str or None to float
        By what `model` calls `released`; they add up to 1, and those of probability 0
        are left out.

    Raises
    ------
    InputError
        When a probability is not from 0 to 1.

    Examples
    --------
    >>> fates(0.5, 0.75)
    {'Fr-221': 0.5, 'Bi-213': 0.375, None: 0.125}
    """
    for name, probability in ((FRANCIUM, francium), (BISMUTH, bismuth)):
        if not 0.0 <= probability <= 1.0:
            raise InputError(
                f"the probability that {name} is set free is {probability}; it must be "
                "from 0 to 1"
            )
    kept = 1.0 - francium
    found = {FRANCIUM: francium, BISMUTH: kept * bismuth, None: kept * (1.0 - bismuth)}
    return {fate: weight for fate, weight in found.items() if weight > 0.0}


def doses(
    given: Mapping[str, float],
    plan: Schedule,
    masses_g: Mapping[str, float],
    *,
    francium_release: float,
    bismuth_release: float,
    rbe_alpha: float,
) -> dict[str, float]:
    """Return the dose of regions for any probability that recoil sets daughters free.

    The mean over `fates`, of which each is solved: exact, since a daughter's activity
    is in proportion to how much of it had each fate.

    Parameters
    ----------
    given : mapping of str to float
        Every parameter of ``model()`` by name.
    plan : Schedule
        What is done, with one label.
    masses_g : mapping of str to float
        Mass of each region wanted, g.
    francium_release, bismuth_release : float
        As `fates` takes them.
    rbe_alpha : float
        Relative biological effectiveness of alphas, > 0: 1 gives absorbed dose.

    Returns
    -------
    dict of str to float
        Gy, weighted by the RBE.

    Raises
    ------
    InputError
        When a probability, a mass, the RBE or a parameter is wrong.
    SolveError
        When the model cannot be solved.

    Examples
    --------
    >>> from pkmodels.values import typical
    >>> kept, freed = (
    ...     doses(typical(values()), schedule(), {"tumour": 50.0, "kidneys": 310.0},
    ...           francium_release=p, bismuth_release=p, rbe_alpha=5.0)
    ...     for p in (0.0, 1.0))
    >>> freed["tumour"] < kept["tumour"]
    True
    """
    total = dict.fromkeys(masses_g, 0.0)
    for fate, weight in fates(francium_release, bismuth_release).items():
        found = model(fate)
        missing = [p.name for p in found.parameters if p.name not in given]
        if missing:
            raise InputError(f"parameters without a value: {', '.join(missing)}")
        used = {p.name: given[p.name] for p in found.parameters}
        integrals = integrate_chain(found, used, plan, tuple(masses_g))
        for region, dose in chain_doses(
            integrals, masses_g, rbe_alpha=rbe_alpha
        ).items():
            total[region] += weight * dose
    return total


def _ligand() -> tuple[
    dict[str, Amount], tuple[Reaction, ...], dict[Amount, sympy.Expr]
]:
    """Return the ligand's amounts, its reactions, and the receptors at the start."""
    made = amounts("plasma interstitium bound internalized kidneys rest", unit="nmol")
    ligand = {amount.name: amount for amount in made}
    (free,) = receptors("tumour_receptor", unit="nmol")
    plasma_volume, rest_volume, tumour_volume = parameters(
        "plasma_volume rest_volume tumour_volume", unit="L"
    )
    rest_exchange, tumour_exchange, filtered = parameters(
        "rest_exchange tumour_exchange filtration_rate", unit="L/h"
    )
    unbound, kept = parameters("unbound_fraction reabsorbed_fraction", unit="1")
    off, internalization, release, loss = parameters(
        "dissociation internalization tumour_release kidney_release", unit="1/h"
    )
    (affinity,) = parameters("dissociation_constant", unit="nmol/L")
    # Plasma over the volume in which it would all be unbound.
    apparent = plasma_volume / unbound
    reactions = (
        *exchange(
            "rest",
            ligand["plasma"],
            ligand["rest"],
            first_volume=apparent,
            second_volume=rest_volume,
            clearance=rest_exchange,
        ),
        *exchange(
            "tumour",
            ligand["plasma"],
            ligand["interstitium"],
            first_volume=apparent,
            second_volume=tumour_volume,
            clearance=tumour_exchange,
        ),
        *binding(
            "tumour",
            ligand["interstitium"],
            free,
            ligand["bound"],
            volume=tumour_volume,
            k_on=off / affinity,
            k_off=off,
        ),
        *internalization_and_release(
            "tumour",
            ligand["bound"],
            ligand["internalized"],
            internalization=internalization,
            release=release,
            receptor=free,
            released=ligand["interstitium"],
        ),
        *filtration(
            "glomerulus",
            ligand["plasma"],
            ligand["kidneys"],
            None,
            volume=apparent,
            filtration_rate=filtered,
            reabsorbed_fraction=kept,
        ),
        flow("kidney_release", ligand["kidneys"], None, loss * ligand["kidneys"]),
    )
    return ligand, reactions, {free: Parameter("tumour_receptors", "nmol")}


def _set_free(
    ligand: Mapping[str, Amount], free: Mapping[str, Amount]
) -> dict[Amount, Amount]:
    """Return where a daughter is free that arises in each amount of the ligand."""
    where = {"bound": "interstitium", "internalized": "cells"}
    return {amount: free[where.get(name, name)] for name, amount in ligand.items()}


def _add(regions: dict[str, list[Amount]], free: Mapping[str, Amount]) -> None:
    """Count a free element in the regions that it is in."""
    for place, amount in free.items():
        in_tumour = place in ("interstitium", "cells")
        regions["tumour" if in_tumour else place].append(amount)
