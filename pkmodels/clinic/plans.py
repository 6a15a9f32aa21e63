"""Plans: which therapies are decided on, and how they differ from what was measured."""

from dataclasses import replace

from pkmodels.clinic.dose_weights import COMPARED, self_value
from pkmodels.clinic.patient import Patient, Plan
from pkmodels.clinic.patient_models import measured_samples, saturates


def plans_to_compare(patient: Patient) -> list[Plan]:
    """Return the plans, and the first one with each other label to compare.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    list of Plan
        Without labels for which a limited target has no S-value, or no BED.
    """
    planned = {plan.label for plan in patient.plans}
    first = patient.plans[0]
    others = [replace(first, label=n) for n in COMPARED if n not in planned]
    limited = [r for x in patient.limits for r in patient.regions_of(x.target)]
    return [
        *patient.plans,
        *(
            plan
            for plan in others
            if limited
            and all(self_value(patient, r, plan.label) is not None for r in limited)
        ),
    ]


def mass_changes(patient: Patient, plan: Plan) -> bool:
    """Return whether a plan's ligand mass may change what no solve accounts for.

    A model that saturates is solved with the mass of each; in another, the mass is not
    known to be the one measured.

    Parameters
    ----------
    patient : Patient
        The patient.
    plan : Plan
        One of its plans.

    Returns
    -------
    bool
    """
    if saturates(patient):
        return False
    given = {a.ligand_mass_ug for a in patient.schedule.administrations}
    return plan.ligand_mass_ug is None or given != {plan.ligand_mass_ug}


def last_scans_h(patient: Patient, ligand: str) -> dict[str, float]:
    """Return for each region the longest time from a dose to a scan that shows it.

    A limit that a value fell below (`below`) shows no activity, and tells of no tail; a
    scan of another ligand tells nothing of this one's.

    Parameters
    ----------
    patient : Patient
        The patient.
    ligand : str
        The ligand whose tail is asked.

    Returns
    -------
    dict of str to float
        h, by measured region, samples apart: one region's late scan tells nothing of
        another's tail. Of occasions that give `ligand`; of the others where a region
        was measured on no such one. 0 where nothing but limits was found.
    """
    samples = measured_samples(patient)
    own: dict[str, float] = {}
    others: dict[str, float] = {}
    for scan in patient.measurements:
        if scan.region in samples:
            continue
        schedule = patient.occasion_of(scan).schedule
        given = schedule.of_label(scan.label).administrations
        starts = [a.time_h for a in given if a.time_h <= scan.start_h]
        since = 0.0 if scan.below else scan.end_h - max(starts)
        found = own if ligand in schedule.ligands else others
        found[scan.region] = max(found.get(scan.region, 0.0), since)
    return others | own
