"""A cohort as the prior of the next patient: what it says, and of which parameters.

Regions go by what patients have in common: the organ, with the side of a kidney where
both were measured. One kidney's region alone is nobody else's: whether it is one of
two, the only one or both, its name does not say, and each takes up another share. Nor
are tumours, or several regions of one organ without a side. An uptake fraction is
learnt as its ratio to the eliminated fraction, which holds all that was not measured:
so it serves patients of the same organs only. Tumours are not counted among those: what
they take up (2 % by the prior's median) moves the ratios of the others by as much.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkmodels.errors import InputError
from pkmodels.values import Prior, PriorSet

if TYPE_CHECKING:
    from pkmodels.clinic.patient import Patient

MODEL = "organ_exchange"
# The names of organ_exchange's parameters, whose module would load SymPy for a check; a
# test compares them.
BLOOD_HALF_TIME = "blood_half_time"
_FILE = "patient.toml"
_OWN_ALONE = ("tumour",)
_SIDES = ("left", "right")
_KIDNEY, _KIDNEYS = "kidney", "kidneys"
_UNKEYED = "region "


@dataclass(frozen=True)
class CohortPrior:
    """What a file of a cohort says.

    Parameters
    ----------
    file, cohort : str
        Name of the file, and of the cohort.
    model, ligand : str
        Of its patients.
    ligand_mass_ug : (float, float) or None
        The smallest and largest mass given; None where a patient's is not known.
    organs : tuple of str
        Keys of the regions whose fractions were learnt together.
    patients : int
        That it was learnt from.
    priors : mapping of str to Prior
        Of the next patient, by the parameter's name with keys for regions.
    scale_counted : bool
        Whether the priors hold the calibration that its patients share.
    subjects, measured : frozenset of str
        Digests of its patients' ids, and of what was measured of them.
    """

    file: str
    cohort: str
    model: str
    ligand: str
    ligand_mass_ug: tuple[float, float] | None
    organs: tuple[str, ...]
    patients: int
    priors: Mapping[str, Prior]
    scale_counted: bool
    subjects: frozenset[str]
    measured: frozenset[str]


def fraction_of(region: str) -> str:
    """Return the name of a region's uptake fraction.

    Examples
    --------
    >>> fraction_of("liver")
    'fraction_liver'
    """
    return f"fraction_{region}"


def half_life_of(region: str) -> str:
    """Return the name of a region's biological half-life.

    Examples
    --------
    >>> half_life_of("liver")
    'biological_half_life_liver'
    """
    return f"biological_half_life_{region}"


def region_keys(patient: "Patient") -> dict[str, str | None]:
    """Return what each measured region is called in a cohort.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to (str or None)
        By name of the region: ``liver``; ``kidney_left`` and ``kidney_right`` where
        both were measured, as two regions; ``kidneys`` where they are one; None where
        no other patient has its like.
    """
    from pkmodels.clinic.patient_models import measured_organs

    organs = measured_organs(patient)
    sides = {region.name: region.side for region in patient.regions}
    alone = Counter(organs.values())
    keys: dict[str, str | None] = {}
    kidneys = {}
    for name in (name for name, organ in organs.items() if organ == _KIDNEY):
        suffix = name.rsplit("_", 1)[-1]
        kidneys[name] = sides[name] or (suffix if suffix in _SIDES else None)
    pair = sorted(map(str, kidneys.values())) == sorted(_SIDES)
    for name, organ in organs.items():
        if organ in _OWN_ALONE:
            keys[name] = None
        elif organ == _KIDNEY:
            keys[name] = f"{_KIDNEY}_{kidneys[name]}" if pair else None
        else:
            keys[name] = organ if alone[organ] == 1 else None
    return keys


def compared_organs(patient: "Patient") -> tuple[str, ...]:
    """Return what decides whether two patients' uptake fractions mean the same.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    tuple of str
        Keys of its regions, sorted; tumours are left out, and a region that has no key
        stands by its own name, with which no two patients are alike.
    """
    from pkmodels.clinic.patient_models import measured_organs

    organs, keys = measured_organs(patient), region_keys(patient)
    return tuple(
        sorted(
            keys[name] or f"{_UNKEYED}{name}"
            for name, organ in organs.items()
            if organ not in _OWN_ALONE
        )
    )


def parameter_keys(patient: "Patient") -> dict[str, str]:
    """Return the name in a cohort of each parameter of a patient that has one.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to str
        By the parameter's name in the patient's model.
    """
    found = {BLOOD_HALF_TIME: BLOOD_HALF_TIME}
    for name, key in region_keys(patient).items():
        if key is not None:
            found[fraction_of(name)] = fraction_of(key)
            found[half_life_of(name)] = half_life_of(key)
    return found


def with_cohort(patient: "Patient", own: PriorSet) -> PriorSet:
    """Return a patient's priors, those of its cohort in the place of the model's own.

    Parameters
    ----------
    patient : Patient
        The patient.
    own : PriorSet
        The model's own.

    Returns
    -------
    PriorSet
        The same where the file names no cohort.
    """
    used = cohort_parameters(patient)
    return PriorSet(
        {name: used.get(name, prior) for name, prior in own.independent.items()},
        {name: used.get(name, prior) for name, prior in own.odds.items()},
    )


def cohort_parameters(patient: "Patient") -> dict[str, Prior]:
    """Return the parameters of a patient whose prior is the cohort's.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to Prior
        By the parameter's name in the patient's model; empty without a cohort.
    """
    cohort = patient.cohort_prior
    if cohort is None:
        return {}
    alike = _alike(compared_organs(patient), cohort)
    fractions = {fraction_of(name) for name in region_keys(patient)}
    return {
        name: cohort.priors[key]
        for name, key in parameter_keys(patient).items()
        if key in cohort.priors and (alike or name not in fractions)
    }


def _alike(own: tuple[str, ...], cohort: CohortPrior) -> bool:
    """Say whether uptake fractions mean the same: a region without a key does not."""
    return own == cohort.organs and not any(n.startswith(_UNKEYED) for n in own)


def subject_digest(patient_id: str) -> str:
    """Return a digest of a patient's id, however its letters are written.

    Parameters
    ----------
    patient_id : str
        The pseudonym.

    Returns
    -------
    str
        64 hexadecimal digits. It hides no name: whoever knows all pseudonyms can try
        them.

    Examples
    --------
    >>> subject_digest("P1") == subject_digest(" p1 ")
    True
    """
    told = f"pkmodels patient\n{patient_id.strip().casefold()}"
    return hashlib.sha256(told.encode()).hexdigest()


def measured_digest(patient: "Patient") -> str:
    """Return a digest of what was measured, whatever the files are called or say else.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    rows = sorted((m.label, m.start_h, m.end_h, m.value) for m in patient.measurements)
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def cohort_problems(patient: "Patient") -> Iterator[str]:
    """Yield why a cohort is no prior of this patient, one message for each mistake.

    Parameters
    ----------
    patient : Patient
        With its measurements.

    Yields
    ------
    str
        File, key, what was found and the remedy.
    """
    from pkmodels.clinic.patient_models import name_of

    cohort = patient.cohort_prior
    if cohort is None:
        return
    where = f"{_FILE}: [cohort_prior] file: {cohort.file!r}"
    if name_of(patient) != cohort.model:
        yield (
            f"{where} is of the model {cohort.model}, and this patient is fitted with "
            f"{name_of(patient)}, whose parameters are others: remove the table, or "
            "name that model"
        )
    for ligand in patient.schedule.ligands:
        if ligand != cohort.ligand:
            yield (
                f"{where} is of the ligand {cohort.ligand}, and this patient was given "
                f"{ligand}, whose kinetics are others: remove the table"
            )
    same = (
        "would count twice: take the cohort without this patient, or remove the table"
    )
    if subject_digest(patient.id) in cohort.subjects:
        yield (
            f"{where} was learnt from a patient of the id {patient.id!r}, too, whose "
            f"scans {same}"
        )
    elif measured_digest(patient) in cohort.measured:
        yield f"{where} was learnt from these very measurements, which {same}"


def cohort_warnings(patient: "Patient") -> Iterator[str]:
    """Yield what a reader must know of a patient's cohort.

    Parameters
    ----------
    patient : Patient
        A patient that `cohort_problems` finds nothing wrong with.

    Yields
    ------
    str
        One sentence or two.
    """
    cohort = patient.cohort_prior
    if cohort is None:
        return
    used = cohort_parameters(patient)
    every = [BLOOD_HALF_TIME]
    for name in region_keys(patient):
        every += [fraction_of(name), half_life_of(name)]
    bare = [name for name in every if name not in used]
    if bare:
        named = ", ".join(bare)
        yield f"not told of by the cohort, so with the model's own prior: {named}"
    own = compared_organs(patient)
    kidneys = [n for n, key in region_keys(patient).items() if key == _KIDNEYS]
    if any(name in used for n in kidneys for name in (fraction_of(n), half_life_of(n))):
        yield (
            "the cohort's kidneys are both kidneys outlined as one region: where this "
            "patient has one kidney only, remove [cohort_prior]"
        )
    if not _alike(own, cohort):
        yield (
            f"the cohort's uptake fractions are not used: they are of patients with "
            f"{', '.join(cohort.organs)}, and this one has {', '.join(own)}, so that "
            "what is eliminated is not the same"
        )
    if not cohort.scale_counted:
        yield (
            "the cohort's file does not say that a calibration shared by its patients "
            "was counted, without which uptakes seem better known than they are: write "
            "it anew with `pkmodels cohort FOLDER --prior-out FILE`"
        )
    yield from _mass_warning(patient, cohort)
    if patient.without_scans_reason is not None:
        yield (
            "[cohort_prior] without_scans_reason: where the cohort speaks and not this "
            "patient's scans, an activity is given all the same: "
            f"{patient.without_scans_reason}"
        )


def _mass_warning(patient: "Patient", cohort: CohortPrior) -> Iterator[str]:
    given = [a.ligand_mass_ug for a in patient.schedule.administrations]
    if cohort.ligand_mass_ug is None or None in given:
        yield (
            "the ligand mass of the cohort or of this patient is not stated: whether "
            "they were measured at the same one is not known, and receptors fill up"
        )
        return
    low, high = cohort.ligand_mass_ug
    for mass in given:
        if mass is not None and not low <= mass <= high:
            yield (
                f"measured with {mass:g} ug of ligand, and the cohort with {low:g} to "
                f"{high:g} ug: receptors fill up, so that its kinetics may be others"
            )


def check_usable(patient: "Patient") -> None:
    """Refuse a cohort where another model than its own is to be fitted.

    Parameters
    ----------
    patient : Patient
        The patient, perhaps with another model than its file names.

    Raises
    ------
    InputError
        When the model is another.
    """
    problems = list(cohort_problems(patient))
    if problems:
        raise InputError("\n".join(problems))
