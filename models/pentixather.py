"""Pentixather and pentixafor in a whole body: CXCR4, kidneys, liver and the rest.

A minimal physiological model of one patient, the same for [177Lu]- and [90Y]pentixather
and, by ratios, for [68Ga]pentixafor. Amounts are nmol of all ligand, labelled or not.

**The binding rates are not measured values.** Nobody has published k_on, k_off, the
internalization or the release of these peptides: they are wide judgements
(`pkmodels.models.cxcr4_values`). Uptakes, releases and their spread between patients
are tuned to the published doses of 19 patients, which therefore cannot validate them.

Equations, with C = P / V_P the concentration in plasma of which the free fraction f_u
leaves it, and f_i that of the interstitium (protein there is a part r of plasma's):

    1 / f_i - 1 = r (1 / f_u - 1)

Receptor organs (spleen, red marrow, adrenals, each tumour), of the volume V with the
interstitium s, complex B, ligand inside N and free receptor R:

    c = f_i s / V_s
    ds/dt = CL (f_u C - c) - k_on c R + k_off B,   CL = F PS / (F + f_u PS)
    dB/dt = k_on c R - (k_off + k_int) B,          dN/dt = k_int B - k_rel N
    R + B = BP K_D V,   k_on = k_off / (K_D (1 + [CXCL12] / K_CXCL12))

CL is that of an organ whose plasma is at a quasi-steady state between the flow F and
the permeability PS. An internalized receptor is replaced at once. CXCL12 is far faster
and in excess: at a constant local concentration it occupies a constant share of what
the peptide has left free, which slows the association by 1 + [CXCL12] / K_CXCL12, and
costs no equations. BP = receptors / K_D is what uptake informs; K_D itself decides
when receptors fill up, so that K_D and BP are independent in the priors.

Kidneys: free ligand is filtered at GFR f_u C into the tubule, from where it is
reabsorbed (T_m / K trace, saturable, blocked by the input `amino_acid_block`) or
excreted into the bladder. What is retained is released at one rate, in part back to
plasma, else to the bladder. Liver: taken up from free plasma, released at one rate into
plasma or bile (intestine). Rest of the body: exchange with one interstitium.

Assumptions: what cells of receptor organs release is metabolized and appears in the
bladder at once; protein binding is instantaneous and does not saturate; bound ligand
does not leave the vessels; both kidneys are one compartment, of which one holds a
constant share; the bladder empties at a constant rate; blood in the marrow's cavities
is that of its vascular share; no free label. Interstitium of liver and kidneys is in
no pool: theirs take up from plasma, and the rest's interstitium is without it.

It cannot describe: receptors that change (study each occasion with its own binding
potential), normal organs that release at different rates (all share one), radiation
that ends uptake, kidney receptors, recirculating metabolites, a bladder's content at
one moment, daughters. Limits: adults; 10 to 500 ug.

[68Ga]Pentixafor is `model(ligand="pentixafor")`: the same parameters, so that one
patient has one set, and five ratios between the ligands besides. **It is not
calibrated.** At the medians, 150 MBq give 6.9 mGy to kidneys, 2.3 to the liver, 9.4 to
the spleen and 6.5 to the marrow; recalled are 5.3, 2.7, 8.1 and 2.1 (Herrmann 2015):
the marrow does not fit. Its free fraction, 14 % at the medians, is that of a ratio that
was chosen; `pkmodels.models.xenograft`, tuned to mice, has 53 %. A PET and a therapy
days apart are simulated each with its own model and the shared values; given together,
`both()` lets them compete for the same receptors.

References
----------
Structure after Kletting et al., J Nucl Med 2016;57:503-508. Biokinetics: Haenscheid et
al., J Nucl Med 2022 (177Lu-pentixather). Protein binding: Schottelius et al.,
Theranostics 2017;7:2350-2362 (above 96 %). Doses of [68Ga]pentixafor: Herrmann et al.
2015, recalled, not read again.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import sympy

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.composition import merge
from pkmodels.definition import Model
from pkmodels.errors import ModelError, suggest
from pkmodels.models import pentixather_values as table
from pkmodels.models.pentixather_organs import (
    AMINO_ACID_BLOCK,
    NORMAL,
    kidneys,
    liver,
    pools,
    receptor_organ,
    rest,
)
from pkmodels.models.physiology import Body, reference_body
from pkmodels.models.regions import (
    check_regions,
    observe_regions,
    share_name,
    tumours_of,
)
from pkmodels.models.values import LIGANDS as MOLECULES
from pkmodels.models.values import SHARE_OF_ONE_KIDNEY
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, parameters
from pkmodels.values import ParameterValue, Prior, Value, typical
from pkmodels.variants import for_ligand

__all__ = [
    "AMINO_ACID_BLOCK",
    "LIGANDS",
    "MOLECULAR",
    "NAME",
    "ORGANS",
    "SHOWN_REGIONS",
    "TESTED_AGAINST",
    "both",
    "fitted",
    "model",
    "one_molecule",
    "schedule",
    "values",
]

NAME = "pentixather"
TESTED_AGAINST = (
    "its equations typed anew; closed forms; doses, half-lives and uptakes of 19 "
    "patients, to which it is tuned (Haenscheid 2022); pentixafor is not calibrated: "
    "its marrow gets three times the recalled dose (Herrmann 2015)"
)
LIGANDS = ("pentixather", "pentixafor")
# What is measured of a patient, by the name of the region; several may be tumours.
SHOWN_REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "kidneys": "kidneys",
        "liver": "liver",
        "spleen": "spleen",
        "red_marrow": "red_marrow",
        "adrenals": "adrenal",
        "tumour": "tumour",
    }
)
# The organs that a region may be: kidney is one of two, adrenal both together.
ORGANS = (
    "kidney",
    "kidneys",
    "liver",
    "spleen",
    "red_marrow",
    "adrenal",
    "tumour",
    "bladder",
    "intestine",
    "whole_body",
)
# Constants of the molecule: unknown, but the same in every patient.
MOLECULAR = (
    "dissociation_constant",
    "dissociation",
    "internalization",
    "cxcl12_dissociation_constant",
    "reabsorption_half_saturation",
    *table.RATIOS,
)
# What moves the course of blood, whichever organs are scanned.
_OF_BLOOD = (
    "interstitial_protein_ratio",
    "biliary_fraction",
    "kidney_returned_fraction",
    "binding_potential_red_marrow",
)
# Names that stand for one organ of `ORGANS`, or for no region at all.
_TAKEN = {
    "adrenals": "adrenal",
    "rest": "",
    "blood": "",
    "urine": "",
    **{
        name: name for name in (*NORMAL[:2], "kidneys", "liver", "bladder", "intestine")
    },
    "whole_body": "whole_body",
}


def model(
    regions: Mapping[str, str] = SHOWN_REGIONS, ligand: str = "pentixather"
) -> Model:
    """Return the model of one ligand, observed in the given regions.

    Every organ is there whether it is observed or not; tumours are those of `regions`.

    Parameters
    ----------
    regions : mapping of str to str
        Name of each region, an identifier, to its organ, one of `ORGANS`; one
        ``kidney`` or two, or ``kidneys``.
    ligand : str
        One of `LIGANDS`.

    Returns
    -------
    Model
        Observables, in MBq where a label is read: each region, ``bladder``,
        ``intestine``, ``rest`` (all that is in none of the organs), ``whole_body``,
        ``urine`` (all that the bladder has emptied, no part of the body), and
        ``blood``, the concentration in whole blood (per L).

    Raises
    ------
    ModelError
        When the ligand or an organ is unknown, or a region's name is taken.

    Examples
    --------
    >>> print(model().reactions[1])
    kidney_reabsorption: tubule -> kidneys, rate tubule*reabsorbed_fraction*\
reabsorption_half_saturation*tubular_flow*(1 - amino_acid_block)/\
((1 - reabsorbed_fraction)*(tubule*(1 - amino_acid_block) + \
reabsorption_half_saturation*tubular_volume))
    """
    _check(regions, ligand)
    shared = pools(ligand)
    renal, in_kidneys = kidneys(shared)
    hepatic, in_liver, intestine = liver(shared)
    reactions = [*renal, *hepatic, *rest(shared)]
    organs = {"kidneys": in_kidneys, "liver": in_liver}
    start: dict[Amount, sympy.Expr] = {}
    for name in (*NORMAL, *tumours_of(regions)):
        organ = receptor_organ(shared, name)
        reactions.extend(organ.reactions)
        organs[name], start[organ.receptor] = organ.held, organ.sites
    organs |= {"bladder": shared.bladder, "intestine": intestine}
    inside = dict.fromkeys(a for r in reactions for a, _ in (*r.reactants, *r.products))
    left = {*start, shared.urine}
    whole = sum((a for a in inside if a not in left), sympy.S.Zero)
    (haematocrit,) = parameters("haematocrit", unit="1")
    shown: dict[str, sympy.Expr] = {
        "blood": shared.plasma * (1 - haematocrit) / shared.volume,
        "bladder": shared.bladder,
        "urine": shared.urine,
        "intestine": intestine,
        "rest": sympy.collect(
            sympy.expand(whole - sum(organs.values())), shared.plasma
        ),
        "whole_body": whole,
    }
    held = {**organs, "whole_body": whole}
    shown |= observe_regions(regions, held, {"adrenal": "adrenals"})
    return Model(NAME, tuple(reactions), {INTRAVENOUS: shared.plasma}, shown, start)


def values(
    regions: Mapping[str, str] = SHOWN_REGIONS,
    ligand: str = "pentixather",
    body: Body | None = None,
) -> dict[str, ParameterValue]:
    """Return what is known of each parameter of the model, with its source.

    Parameters
    ----------
    regions, ligand
        As of `model`. The values of pentixafor are those of pentixather and of the
        ratios between the two: they serve `both`, too.
    body : Body or None
        Sex and size, for volumes and flows; None is the reference man. Put a patient's
        own volumes in as ``{**values(...), "volume_spleen": Value(...)}``.

    Returns
    -------
    dict of str to Value or Prior
        By name of the parameter, all of `model(regions, ligand)` and no other.

    Raises
    ------
    ModelError
        As `model`.

    Examples
    --------
    >>> print(values()["unbound_fraction"])  # doctest: +ELLIPSIS
    logit-normal, median 0.04, sd of logit 0.25 (judgement: ...)
    """
    _check(regions, ligand)
    tumours = tumours_of(regions)
    body = reference_body("male") if body is None else body
    known = table.of_body(body) | dict(table.OF_LIGAND) | dict(table.OF_PATIENT)
    if tumours:
        known |= table.of_tumours(body, tumours)
    share = share_name(regions)
    if share is not None:
        known[share] = SHARE_OF_ONE_KIDNEY
    if ligand == "pentixafor":
        known |= table.RATIOS
    return known


def fitted(
    regions: Mapping[str, str] = SHOWN_REGIONS,
    ligand: str = "pentixather",
    sampled: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the parameters that a patient's scans of these regions are to inform.

    All others with a prior are held at their medians. K_D is among them although scans
    at one mass of ligand hardly inform it: what is not known of it belongs to the dose
    at another mass. So are the ratios of pentixafor to pentixather: held, they would
    let a PET tell more of a therapy than it can.

    Parameters
    ----------
    regions : mapping of str to str
        As of `model`: those that were measured.
    ligand : str
        One of `LIGANDS`; of pentixafor, the ratios are among them.
    sampled : collection of str
        What was sampled. With ``"blood"``, all that moves its course is among them:
        what holds ligand back in the interstitium, what liver and kidneys give back,
        and what marrow, a large organ, takes up. Held, they would let blood tell more
        of the others than it can.

    Returns
    -------
    tuple of str
        Names of parameters.

    Raises
    ------
    ModelError
        As `model`.

    Examples
    --------
    >>> fitted({"kidney_left": "kidney", "kidney_right": "kidney"})
    ('dissociation_constant', 'unbound_fraction', 'glomerular_filtration_rate', \
'reabsorbed_fraction', 'kidney_release', 'share_kidney_left')
    >>> [name for name in fitted(sampled=["blood"]) if name not in fitted()]
    ['interstitial_protein_ratio', 'biliary_fraction', 'kidney_returned_fraction']
    """
    _check(regions, ligand)
    found = ["dissociation_constant", "unbound_fraction", "glomerular_filtration_rate"]
    organs = set(regions.values())
    if organs & {"kidney", "kidneys"}:
        found += ["reabsorbed_fraction", "kidney_release"]
    share = share_name(regions)
    found += [] if share is None else [share]
    if "liver" in organs:
        found += ["liver_uptake", "liver_release"]
    receptor_organs = [
        *(n for n in NORMAL if _TAKEN[n] in organs),
        *tumours_of(regions),
    ]
    found += [f"binding_potential_{name}" for name in receptor_organs]
    if "red_marrow" in receptor_organs:
        found.append("permeability_red_marrow")
    if receptor_organs:
        found.append("internalization")
    if set(receptor_organs) & set(NORMAL):
        found.append("release")
    if set(receptor_organs) - set(NORMAL):
        found.append("release_tumour")
    if "blood" in sampled:
        found += [name for name in _OF_BLOOD if name not in found]
    if ligand == "pentixafor":
        found += _ratios_seen(found)
    return tuple(found)


def _ratios_seen(informed: Sequence[str]) -> list[str]:
    """Return the ratios that act on something of which scans tell."""
    needs = {
        "pentixafor_internalization_ratio": "internalization",
        "pentixafor_reabsorption_odds_ratio": "reabsorbed_fraction",
        "pentixafor_liver_uptake_ratio": "liver_uptake",
    }
    return [n for n in table.RATIOS if n not in needs or needs[n] in informed]


def schedule(ligand: str = "pentixather") -> Schedule:
    """Return one customary administration, as a bolus.

    Parameters
    ----------
    ligand : str
        One of `LIGANDS`: 200 MBq 177Lu on 75 ug of pentixather, or 150 MBq 68Ga on
        20 ug of pentixafor.

    Returns
    -------
    Schedule

    Raises
    ------
    ModelError
        When the ligand is unknown.

    Examples
    --------
    >>> round(schedule().administrations[0].ligand_nmol, 1)
    55.7
    """
    _check({}, ligand)
    label, activity, mass = table.CUSTOMARY[ligand]
    given = Administration(
        0.0,
        0.0,
        ligand,
        label,
        activity.value,
        ligand_mass_ug=mass.value,
        molar_mass_g_per_mol=MOLECULES[ligand].molar_mass_g_per_mol.value,
    )
    return Schedule((given,))


def both(regions: Mapping[str, str] = SHOWN_REGIONS) -> Model:
    """Return the model of both ligands in one body, competing for the same receptors.

    Each saturates the tubular carrier by itself, which no clinical mass comes near to.
    Its parameters are those of ``values(regions, "pentixafor")``.

    Parameters
    ----------
    regions : mapping of str to str
        As of `model`.

    Returns
    -------
    Model
        Observables of pentixather as of `model`, those of pentixafor end with
        ``_pentixafor``.

    Raises
    ------
    ModelError
        As `model`.

    Examples
    --------
    >>> both({}).ligands
    ('pentixather', 'pentixafor')
    """
    first, second = model(regions), model(regions, "pentixafor")
    names = {p.name for p in second.parameters}
    second = for_ligand(second, "pentixafor", keep=names)
    inputs_too = {i.name for i in first.inputs}
    shared = {p.name for p in first.parameters} | inputs_too
    return merge("pentixather_and_pentixafor", first, second, shared=shared)


def one_molecule(known: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """Return what is known with constants of the molecule held at their medians.

    Virtual patients differ in their bodies, but get one molecule: what is not known of
    K_D is no spread between patients.

    Parameters
    ----------
    known : mapping of str to Value or Prior
        As `values` returns it.

    Returns
    -------
    dict of str to Value or Prior
        Those of `MOLECULAR` as values.

    Examples
    --------
    >>> one_molecule(values())["dissociation_constant"].value
    10.0
    """
    held = {n: v for n, v in known.items() if n in MOLECULAR and isinstance(v, Prior)}
    medians = typical(held)
    fixed = {
        name: Value(medians[name], prior.unit, f"median: {prior}", prior.certainty)
        for name, prior in held.items()
    }
    return {**known, **fixed}


def _check(regions: Mapping[str, str], ligand: str) -> None:
    if ligand not in LIGANDS:
        raise ModelError(f"{NAME} has no ligand {ligand!r}: {suggest(ligand, LIGANDS)}")
    check_regions(NAME, regions, ORGANS, _TAKEN)
