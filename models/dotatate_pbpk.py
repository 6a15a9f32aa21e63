"""DOTATATE in the whole body: receptors of organs and tumours, kidneys, protein.

The physiologically based model of Kletting et al. 2016 and Budiansah et al. 2025, whose
equations are those of `pkmodels.models.peptide_pbpk`. Somatostatin receptors are in
kidneys, liver, spleen, tumours and the rest of the body, with densities of their own,
and in adrenals, prostate or uterus, muscle, gut with pancreas, and red marrow, with
densities that are multiples of the kidneys'. Amounts are all ligand, labelled or not:
where one syringe holds both, the label rides along and costs no equations.

Assumptions: one affinity for every label and organ; an internalized receptor is
replaced at once; what cells release leaves the body; no free label, no metabolites;
peptide that plasma protein has bound stays bound; lesions differ in volume and
receptors, and share internalization, release and perfusion; both kidneys are one
compartment of which one holds a constant share. The published curves assume a constant
labelled rate of infusion (`pkmodels.administrations.Delivery.CONSTANT`), which differs
from a decaying syringe by 0.4 % and takes label equations besides.

It cannot describe: amino acids that block reabsorption, receptors that change between
occasions, radiation that ends uptake, bladder and urine.

Limits of validity: estimated in eight patients with 75 nmol and 140 MBq of 111In over
51 min; adults of about 71 kg. The estimates and their spread are published, the
physiology is stated without spread, the spread of the densities that are multiples is a
judgement. **Published kidney integrals are about 2.3 times what the published
parameters give**: the paper contradicts itself there. This is the model of its
parameters, not tuned to its table; a dose to kidneys from the typical values alone is
more likely too low than too high.

References
----------
Kletting et al., J Nucl Med 2016;57:503-508. Budiansah et al., EJNMMI Phys 2025;12:26.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.models import dotatate_values as numbers
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

NAME = "dotatate_pbpk"
TESTED_AGAINST = (
    "curves and time integrals of 8 patients from an independent rewrite of the "
    "published equations, to 1e-3 (Budiansah 2025)"
)
# What the model is shown with where no patient says which regions there are.
SHOWN_REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "kidneys": "kidneys",
        "liver": "liver",
        "spleen": "spleen",
        "red_marrow": "red_marrow",
        "tumour": "tumour",
    }
)
# What the body calls the organs that a region may be.
_OWN_NAMES = {
    "liver": "liver",
    "spleen": "spleen",
    "red_marrow": "red_marrow",
    "adrenal": "adrenals",
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
        Whose sex says whether there is a prostate or a uterus.

    Returns
    -------
    Model
        Observables, in MBq where a label is read: each region, ``whole_body``, and
        ``serum``, the concentration in plasma (per L).

    Raises
    ------
    ModelError
        When an organ is unknown or described twice, or a region's name is taken.

    Examples
    --------
    >>> from pkmodels.definition import derivatives
    >>> len(derivatives(model({"liver": "liver"})))
    60
    """
    tumours = tumours_of(regions)
    frame = whole_body(organs(body), tumours, _sites(body, tumours))
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
        Sex, weight, body surface and haematocrit. A patient's own volumes replace
        ``volume_kidneys`` (both), ``volume_liver``, ``volume_spleen`` and
        ``volume_<region>`` of each tumour, L.

    Returns
    -------
    dict of str to Value or Prior

    Examples
    --------
    >>> print(values()["receptor_density_spleen"])
    log-normal, median 7.37 nmol/L, sd of ln 0.489 (published: receptors of the \
spleen, CV 52 % between 8 patients, Budiansah et al., EJNMMI Phys 2025;12:26)
    """
    tumours = tumours_of(regions)
    known = body_values(body, organs(body))
    known |= numbers.PEPTIDE
    known |= {density_name(organ): prior for organ, prior in numbers.DENSITIES.items()}
    known |= {
        ratio_name(organ): prior
        for organ, prior in numbers.RATIOS.items()
        if organ in organs(body)
    }
    if tumours:
        known |= numbers.neuroendocrine_tumour(body)
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

    The densities of the measured organs and lesions, what all organs share, and what
    lesions share; every other prior is held at its median.

    Parameters
    ----------
    regions : mapping of str to str
        As of `model`.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> fitted({"liver": "liver"})
    ('receptor_density_liver', 'receptor_density_rest', 'protein_binding', \
'internalization', 'release', 'filtration_rate')
    """
    own = {"kidney": "kidneys"} | {o: o for o in ("kidneys", "liver", "spleen")}
    densities = [own[organ] for organ in regions.values() if organ in own]
    tumours = tumours_of(regions)
    names = [density_name(n) for n in (*dict.fromkeys(densities), *tumours, "rest")]
    multiples = {"red_marrow": "red_marrow", "adrenal": "adrenals"}
    names += [ratio_name(multiples[o]) for o in regions.values() if o in multiples]
    names += ["protein_binding", "internalization", "release", "filtration_rate"]
    names += list(numbers.TUMOUR_RATES) if tumours else []
    share = share_name(regions)
    return (*names, share) if share else tuple(names)


def schedule() -> Schedule:
    """Return the administration of the study: 75 nmol, 140 MBq of 111In over 51 min.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> schedule().administrations[0].ligand_nmol
    75.0
    """
    hours = 51.0 / MINUTES_PER_HOUR
    given = Administration(0.0, hours, "dotatate", "In-111", 140.0, ligand_nmol=75.0)
    return Schedule((given,))


def _sites(body: Body, tumours: tuple[str, ...]) -> dict[str, Sites]:
    """Return the receptors of organs and lesions."""
    rates = Parameter("internalization", "1/h"), Parameter("release", "1/h")
    sites = {
        organ: Sites(Parameter(density_name(organ), "nmol/L"), *rates)
        for organ in numbers.DENSITIES
    }
    kidneys = sites["kidneys"].density
    for organ in numbers.RATIOS:
        if organ in organs(body):
            sites[organ] = Sites(Parameter(ratio_name(organ), "1") * kidneys, *rates)
    rates = tuple(Parameter(name, "1/h") for name in numbers.TUMOUR_RATES)
    for tumour in tumours:
        sites[tumour] = Sites(Parameter(density_name(tumour), "nmol/L"), *rates)
    return sites
