"""What must agree between the tables of patient.toml, whatever was measured."""

from collections import Counter
from collections.abc import Iterator

from pkmodels.administrations import Administration
from pkmodels.clinic.patient import Group, Patient
from pkmodels.clinic.patient_models import saturates
from pkmodels.clinic.patient_toml import FILE_NAME, key_of
from pkmodels.errors import suggest
from pkmodels.models.values import LIGANDS
from pkmodels.nuclides import nuclide
from pkmodels.units import NMOL_PER_UMOL

# Organs that may not be passed over in silence, by the name that waives them.
CRITICAL_ORGANS = {
    "kidneys": ("kidney", "kidneys"),
    "red_marrow": ("red_marrow",),
}

# ICRP Publication 110: the reference phantoms are of adults, here from 18 years on.
ADULT_YEARS = 18.0


def table_problems(patient: Patient) -> Iterator[str]:
    """Yield what is wrong with the patient's tables, one message for each mistake.

    Parameters
    ----------
    patient : Patient
        Its measurements are not looked at.

    Yields
    ------
    str
        File, key, what was found and the remedy.
    """
    yield from _administration_problems(patient)
    yield from _ligand_problems(patient)
    yield from _kidney_problems(patient)
    # A limit on a wrong name or group would be followed by mistakes that are none.
    unresolved = [*_group_problems(patient), *_unknown_targets(patient)]
    yield from unresolved
    if not unresolved:
        for name, organs in CRITICAL_ORGANS.items():
            yield from _coverage_problems(patient, name, organs)
        yield from _mass_problems(patient)
    yield from _outline_problems(patient)


def _administration_problems(patient: Patient) -> Iterator[str]:
    given = patient.schedule.administrations
    first_h = min(a.time_h for a in given)
    if first_h != 0.0:
        yield (
            f"{FILE_NAME}: [[administration]] time_h: the first starts at {first_h:g} "
            "h, and time zero is the start of the first; take that time off every "
            "time, in measurements.csv too"
        )
    for administration in given:
        yield from _carrier_free_problem(administration)
    last = max(a.time_h + a.duration_h for a in given)
    for number, plan in enumerate(patient.plans, start=1):
        if plan.start_h is not None and plan.start_h < last:
            yield (
                f"{FILE_NAME}: [[plan]] number {number} start_h = {plan.start_h:g}: "
                f"the last administration ends at {last:g} h, and a plan comes after "
                "what was given; mend start_h (h after the first administration)"
            )
    labels = Counter(plan.label for plan in patient.plans)
    for label, count in labels.items():
        if count > 1:
            yield (
                f"{FILE_NAME}: [[plan]] label: {label} is planned {count} times; keep "
                "one plan a label, since results are named by label"
            )


def _carrier_free_problem(administration: Administration) -> Iterator[str]:
    ligand = LIGANDS.get(administration.ligand)
    mass_ug = administration.ligand_mass_ug
    if ligand is None or mass_ug is None or administration.label is None:
        return
    amount_nmol = mass_ug / ligand.molar_mass_g_per_mol.value * NMOL_PER_UMOL
    label = nuclide(administration.label)
    highest_MBq = amount_nmol * label.carrier_free_MBq_per_nmol
    if administration.activity_MBq > highest_MBq:
        yield (
            f"{FILE_NAME}: [[administration]] at {administration.time_h:g} h: "
            f"activity_MBq {administration.activity_MBq:g} is more than "
            f"{mass_ug:g} ug ({amount_nmol:.4g} nmol) of {administration.ligand} can "
            f"carry, {highest_MBq:.4g} MBq with {label.name} on every molecule; mend "
            "activity_MBq (MBq) or ligand_mass_ug (ug)"
        )


def _ligand_problems(patient: Patient) -> Iterator[str]:
    given = list(dict.fromkeys(a.ligand for a in patient.schedule.administrations))
    if len(given) > 1 and not saturates(patient):
        yield (
            f"{FILE_NAME}: [[administration]] ligand: found {', '.join(given)}; "
            "organ_exchange fits one ligand, since what two have in common is in no "
            "parameter of it: name a model of both in [decision], as model = "
            '"pentixather", or make one folder for each'
        )
    for number, plan in enumerate(patient.plans, start=1):
        if plan.ligand not in given:
            yield (
                f"{FILE_NAME}: [[plan]] number {number} ligand: {plan.ligand!r} was "
                "not administered, and the kinetics of one ligand are not carried to "
                f"another; {suggest(plan.ligand, given)}"
            )


def _kidney_problems(patient: Patient) -> Iterator[str]:
    both = [region.name for region in patient.regions if region.organ == "kidneys"]
    single = [region for region in patient.regions if region.organ == "kidney"]
    if (both and single) or len(both) > 1:
        names = ", ".join([*both, *(region.name for region in single)])
        yield (
            f'{FILE_NAME}: [regions]: {names}: organ "kidneys" is both kidneys '
            "outlined as one region, so that it holds the others too: keep it alone, "
            "or outline each kidney"
        )
    for side in ("left", "right"):
        of_side = [region.name for region in single if region.side == side]
        if len(of_side) > 1:
            yield (
                f"{FILE_NAME}: [regions]: {', '.join(of_side)} are both the {side} "
                "kidney; mend the side of one"
            )


def _group_problems(patient: Patient) -> Iterator[str]:
    organs = {region.name: region.organ for region in patient.regions}
    for group in patient.groups:
        where = f"{FILE_NAME}: {key_of('groups', group.name)}"
        if group.name in organs:
            yield f"{where}: a region has this name too; rename one of them"
        for name in dict.fromkeys(group.regions):
            if name not in organs:
                yield (
                    f"{where} regions: unknown region {name!r}; {suggest(name, organs)}"
                )
            if group.regions.count(name) > 1:
                yield f"{where} regions: {name!r} is listed twice; remove one"
        yield from _mixed_organs(group, organs, where)


def _mixed_organs(group: Group, organs: dict[str, str], where: str) -> Iterator[str]:
    found = {name: organs[name] for name in group.regions if name in organs}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} ({organ})" for name, organ in found.items())
        yield (
            f"{where} regions: {listed} are of different organs; a group shares one "
            "limit, so that its regions are of one organ"
        )


def _unknown_targets(patient: Patient) -> Iterator[str]:
    named = (*patient.regions, *patient.groups)
    known = list(dict.fromkeys(each.name for each in named))
    for limit in patient.limits:
        if limit.target not in known:
            yield (
                f"{FILE_NAME}: {key_of('limits', limit.target)}: no region or group "
                f"has this name; {suggest(limit.target, known)}"
            )


def _coverage_problems(
    patient: Patient, name: str, organs: tuple[str, ...]
) -> Iterator[str]:
    """Find regions of a critical organ under no limit, unless they are waived."""
    waived = [waiver.target for waiver in patient.waived]
    if name in waived:
        return
    targets = [limit.target for limit in patient.limits] + waived
    covered = {r.name for target in targets for r in patient.regions_of(target)}
    organ = organs[0]
    regions = [region.name for region in patient.regions if region.organ in organs]
    bare = [region for region in regions if region not in covered]
    if bare and len(bare) < len(regions):
        yield (
            f"{FILE_NAME}: [limits]: {', '.join(bare)} (organ {organ}) has no limit "
            f"while another {organ} region has; limit a group of them all, limit each, "
            "or waive it with a reason"
        )
    elif bare or not regions:
        near = [t for t in waived if suggest(t, [name]).startswith("did")]
        spelled = f" ({key_of('limits', near[0])} is not that name)" if near else ""
        yield (
            f"{FILE_NAME}: {key_of('limits', name)} is missing{spelled}: {name} must "
            f"carry a limit, on a region or group of organ {organ}, or be waived with "
            "waived = true and a reason"
        )


def _mass_problems(patient: Patient) -> Iterator[str]:
    for limit in patient.limits:
        for region in patient.regions_of(limit.target):
            if region.mass_g is None:
                yield (
                    f"{FILE_NAME}: {key_of('limits', limit.target)} needs the mass of "
                    f"region {region.name!r}, since a dose is energy over mass; add "
                    f"mass_g (CT, not phantom) and mass_cv to "
                    f"{key_of('regions', region.name)}"
                )


def _outline_problems(patient: Patient) -> Iterator[str]:
    for region in patient.regions:
        if region.mass_cv is not None and region.mass_cv > 1.0:
            yield (
                f"{FILE_NAME}: {key_of('regions', region.name)}: voxel_mm "
                f"{region.voxel_mm:g} and fwhm_mm {region.fwhm_mm:g} give the mass a "
                f"relative standard deviation of {region.mass_cv:.3g}, above 1: so "
                "small a region cannot be outlined in this image; outline it in a "
                "finer one (CT), or give mass_cv"
            )


def table_warnings(patient: Patient) -> Iterator[str]:
    """Yield what a reader of the result must know of the patient's tables.

    Parameters
    ----------
    patient : Patient
        Its measurements are not looked at.

    Yields
    ------
    str
        One sentence or two.
    """
    for ligand in dict.fromkeys(a.ligand for a in patient.schedule.administrations):
        if ligand not in LIGANDS:
            yield (
                f"ligand {ligand!r} is not in the library, so that its activity was "
                "not compared with the carrier-free one; "
                f"{suggest(ligand, LIGANDS)}"
            )
    kidneys = [region for region in patient.regions if region.organ == "kidney"]
    if len(kidneys) == 1 and not saturates(patient):
        yield (
            f"{kidneys[0].name} is the only kidney region: it is taken as one kidney, "
            "or as all kidney tissue where its activity and mass are the sum of both"
        )
    age = patient.covariates.get("age")
    if isinstance(age, float) and age < ADULT_YEARS:
        yield (
            f"the patient is {age:g} years old: phantoms, S-values and priors are "
            "those of adults"
        )
    if not patient.limits:
        yield "every limit is waived: nothing bounds the activity"
    known = {r.name for r in patient.regions} | {g.name for g in patient.groups}
    for waiver in patient.waived:
        if waiver.target not in known | set(CRITICAL_ORGANS):
            yield (
                f"the waived limit {waiver.target!r} names no region or group of this "
                "patient"
            )
