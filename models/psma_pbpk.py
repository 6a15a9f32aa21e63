"""PSMA I&T in the whole body: kidneys, salivary glands, lesions, prostate.

The physiologically based model of Golzaryan et al. 2025 (from Kletting et al. 2016) for
[177Lu]Lu-PSMA I&T, with the equations of `pkmodels.models.peptide_pbpk` and the body of
`pkmodels.models.physiology`. PSMA is in kidneys, salivary glands, prostate and lesions,
with densities of their own, and in liver, spleen and gut with pancreas, with densities
that are multiples of the prostate's. Amounts are all ligand, labelled or not: the label
rides along and costs no equations.

Assumptions: one affinity for every organ; one internalization; an internalized
receptor is replaced at once; what cells release leaves the body; no free label; peptide
that plasma protein has bound stays bound; lesions differ in volume and receptors and
share the rest; both kidneys are one compartment of which one holds a constant share.

What differs from the paper: liver, spleen, gut and the interstitium of bone and rest
are those of the shared body (the paper: 1.91, 0.183 and 1.187 L; V_s / V_v 8.4 and
4.1), the red marrow is as slow as muscle (the paper: 100 times faster), and the
adrenals have a compartment. All are parameters: with the paper's numbers in them the
model is the paper's. Its kidney region leaves out the tubular cells and adds a share of
the protein-bound peptide; here a region holds what its organ holds, the tubular cells
included. What is not measured of a patient's lesions is one more lesion here, to which
the paper gives 266 nmol/L and 10 or 50 mL.

It cannot describe: women, amino acids, receptors that change between cycles, radiation
that ends uptake, bladder and urine, lacrimal glands, salivary glands other than the
parotids.

Limits of validity: five patients of unpublished weight and haematocrit (71 kg and 0.45
are assumed), 74-302 nmol in 10 min. Spreads between five patients are themselves poorly
known, and where a number was fixed its spread is a judgement. Three of the five
perfusions of the salivary glands are perhaps miscopied in print.

Just before a second equal injection after 12, 24 and 36 h, 28, 9.7 and 3.2 % of the
receptors of lesion 1 are still occupied (mean of the five patients with their published
fits); the paper says 25, 9 and 3 %. Another implementation of the paper (nlmixr2lib)
gives 28, 10 and 3 %, too. Neither weight nor haematocrit, which are not published, nor
the paper's own organ volumes explain the 25 %; nothing is tuned to it.

References
----------
Golzaryan et al., Sci Rep 2025, doi 10.1038/s41598-025-86159-9, supplement, tables S1-S9
and equations S1-S13. Kletting et al., PLoS One 2016;11:e0162303, table 1.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.models import psma_values as numbers
from pkmodels.models.peptide_pbpk import Sites, whole_body
from pkmodels.models.peptide_regions import (
    body_values,
    density_name,
    observables,
    ratio_name,
)
from pkmodels.models.physiology import Body, organs, reference_body
from pkmodels.models.regions import share_name, tumours_of
from pkmodels.models.values import SHARE_OF_ONE_KIDNEY
from pkmodels.schedule import Schedule
from pkmodels.symbols import Parameter
from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import ParameterValue

NAME = "psma_pbpk"
TESTED_AGAINST = (
    "receptors of lesions still occupied after 12, 24 and 36 h in five patients "
    "(Golzaryan 2025): 28, 10, 3 % for 25, 9, 3 % published; an independent rewrite"
)
# What the model is shown with where no patient says which regions there are.
SHOWN_REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "kidneys": "kidneys",
        "salivary_glands": "salivary_gland",
        "liver": "liver",
        "spleen": "spleen",
        "red_marrow": "red_marrow",
        "tumour": "tumour",
    }
)
_SALIVARY_GLANDS = "salivary_glands"
# What the body calls the organs that a region may be.
_OWN_NAMES = {
    "salivary_gland": _SALIVARY_GLANDS,
    "liver": "liver",
    "spleen": "spleen",
    "red_marrow": "red_marrow",
}
ORGANS = ("kidney", "kidneys", "tumour", "whole_body", *_OWN_NAMES)
_REFERENCE = reference_body("male")


def model(regions: Mapping[str, str] = SHOWN_REGIONS, body: Body = _REFERENCE) -> Model:
    """Return the model, observed in the given regions.

    Every organ is there whether it is observed or not; tumours are those of `regions`.

    Parameters
    ----------
    regions : mapping of str to str
        Name of each region, an identifier, to its organ, one of `ORGANS`; one
        ``kidney`` or two, or ``kidneys``; any number of ``tumour``.
    body : Body
        A man's.

    Returns
    -------
    Model
        Observables, in MBq where a label is read: each region, ``whole_body``, and
        ``serum``, the concentration in plasma (per L).

    Raises
    ------
    ModelError
        When an organ is unknown or described twice, a region's name is taken, or the
        body is a woman's.

    Examples
    --------
    >>> print(model().observables["salivary_glands"])
    salivary_glands_bound + salivary_glands_internalized + \
salivary_glands_interstitium + salivary_glands_vascular
    """
    tumours = tumours_of(regions)
    frame = whole_body(
        (*_organs(body), _SALIVARY_GLANDS),
        tumours,
        _sites(tumours),
        by_volume=(_SALIVARY_GLANDS,),
    )
    shown = observables(NAME, frame, regions, _OWN_NAMES)
    return Model(NAME, frame.reactions, {INTRAVENOUS: frame.venous}, shown, frame.start)


def values(
    regions: Mapping[str, str] = SHOWN_REGIONS, body: Body = _REFERENCE
) -> dict[str, ParameterValue]:
    """Return what is known of every parameter of `model`.

    Parameters
    ----------
    regions : mapping of str to str
        As of `model`.
    body : Body
        Weight, body surface and haematocrit of a man. A patient's own volumes replace
        ``volume_kidneys`` (both), ``volume_salivary_glands``, ``volume_liver``,
        ``volume_spleen`` and ``volume_<region>`` of each tumour, L.

    Returns
    -------
    dict of str to Value or Prior

    Raises
    ------
    ModelError
        When the body is a woman's.

    Examples
    --------
    >>> round(values()["receptor_density_kidneys"].parameters["median"], 1)
    25.4
    """
    tumours = tumours_of(regions)
    known = body_values(body, _organs(body)) | numbers.salivary_glands(body)
    known |= numbers.PEPTIDE
    known[f"release_{_SALIVARY_GLANDS}"] = numbers.RELEASE_SALIVARY_GLANDS
    known |= {density_name(organ): prior for organ, prior in numbers.DENSITIES.items()}
    known |= {ratio_name(organ): prior for organ, prior in numbers.RATIOS.items()}
    if tumours:
        known |= numbers.lesions(body)
        known |= numbers.TUMOUR_RATES
    for tumour in tumours:
        known[f"volume_{tumour}"] = numbers.TUMOUR_VOLUME
        known[density_name(tumour)] = numbers.DENSITY_TUMOUR
    share = share_name(regions)
    if share is not None:
        known[share] = SHARE_OF_ONE_KIDNEY
    return known


def fitted(regions: Mapping[str, str] = SHOWN_REGIONS) -> tuple[str, ...]:
    """Return the parameters that scans of these regions are asked to inform.

    The paper's own choice (densities, releases, perfusion of the salivary glands),
    besides protein binding, internalization and filtration; every other prior is held
    at its median.

    Parameters
    ----------
    regions : mapping of str to str
        As of `model`.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> fitted({"kidneys": "kidneys"})
    ('receptor_density_kidneys', 'release', 'internalization', 'protein_binding', \
'filtration_rate')
    """
    measured, tumours = set(regions.values()), tumours_of(regions)
    names = [density_name("kidneys")] if measured & {"kidney", "kidneys"} else []
    names += [density_name(tumour) for tumour in tumours]
    names += [ratio_name(organ) for organ in ("liver", "spleen") if organ in measured]
    if "salivary_gland" in measured:
        names += [density_name(_SALIVARY_GLANDS), f"release_{_SALIVARY_GLANDS}"]
        names += [f"perfusion_{_SALIVARY_GLANDS}"]
    names += ["release", "internalization", "protein_binding", "filtration_rate"]
    names += list(numbers.TUMOUR_RATES) if tumours else []
    share = share_name(regions)
    return (*names, share) if share else tuple(names)


def schedule() -> Schedule:
    """Return the cycle of the paper's second patient: 5.4 GBq on 98.5 nmol in 10 min.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> schedule().administrations[0].activity_MBq
    5400.0
    """
    hours = 10.0 / MINUTES_PER_HOUR
    labelled, unlabelled = 7.5, 91.0
    given = Administration(
        0.0, hours, "psma_it", "Lu-177", 5400.0, ligand_nmol=labelled + unlabelled
    )
    return Schedule((given,))


def _organs(body: Body) -> tuple[str, ...]:
    if body.sex != "male":
        raise ModelError(
            f"psma_pbpk describes men, and the body is {body.sex}: its receptors are "
            "multiples of the prostate's"
        )
    return organs(body)


def _sites(tumours: tuple[str, ...]) -> dict[str, Sites]:
    """Return the receptors of organs and lesions."""
    taken_in, release = Parameter("internalization", "1/h"), Parameter("release", "1/h")
    sites = {
        organ: Sites(Parameter(density_name(organ), "nmol/L"), taken_in, release)
        for organ in numbers.DENSITIES
    }
    prostate = sites["prostate"].density
    for organ in numbers.RATIOS:
        ratio = Parameter(ratio_name(organ), "1")
        sites[organ] = Sites(ratio * prostate, taken_in, release)
    glands = Parameter(f"release_{_SALIVARY_GLANDS}", "1/h")
    density = sites[_SALIVARY_GLANDS].density
    sites[_SALIVARY_GLANDS] = Sites(density, taken_in, glands)
    (lesional,) = (Parameter(name, "1/h") for name in numbers.TUMOUR_RATES)
    for tumour in tumours:
        density = Parameter(density_name(tumour), "nmol/L")
        sites[tumour] = Sites(density, taken_in, lesional)
    return sites
