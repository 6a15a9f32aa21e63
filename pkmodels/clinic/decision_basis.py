"""What a decision rests on: earlier history, and numbers that were judged."""

from pkmodels.clinic.assessment import Assessment
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.responses import organ_of, radiobiologies
from pkmodels.clinic.result_dosimetry import Dose
from pkmodels.dosimetry.radiobiology import Radiobiology
from pkmodels.values import Certainty


def history_texts(patient: Patient) -> list[str]:
    """Return every history in words, with what it counts against.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    list of str
    """
    waived = {waiver.target for waiver in patient.waived}
    texts = []
    for each in patient.history:
        what = "BED" if each.quantity == "bed" else "absorbed dose"
        against = "; counts against nothing (waived)" if each.target in waived else ""
        texts.append(
            f"{each.target}: {each.value_Gy:g} Gy (sd {each.sd_Gy:g}) of {what}, "
            f"{each.source}{against}"
        )
    return texts


def history_counted(patient: Patient) -> dict[str, Dose]:
    """Return the limited targets whose dose holds a history, and in which quantity.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to "absorbed_dose" or "bed"
        By target; without those whose limit is waived.
    """
    limited = {limit.target for limit in patient.limits}
    return {h.target: h.quantity for h in patient.history if h.target in limited}


def history_left_out(patient: Patient, targets: list[str]) -> dict[str, list[str]]:
    """Return whose history is not in the dose of targets that share regions with it.

    A history of both kidneys does not say what each of them received.

    Parameters
    ----------
    patient : Patient
        The patient.
    targets : list of str
        Regions and groups.

    Returns
    -------
    dict of str to list of str
        By target: the other targets, with a history that counts.
    """
    counted = history_counted(patient)
    regions = {t: {r.name for r in patient.regions_of(t)} for t in (*targets, *counted)}
    found = {
        target: [t for t in counted if t != target and regions[t] & regions[target]]
        for target in targets
    }
    return {target: others for target, others in found.items() if others}


def judgements(patient: Patient, assessment: Assessment, label: str) -> list[str]:
    """Name the judged numbers that the limited doses of a label rest on.

    Parameters
    ----------
    patient : Patient
        The patient.
    assessment : Assessment
        Its doses.
    label : str
        A label that it decides on.

    Returns
    -------
    list of str
        S-values of limited regions, alpha/beta and repair of limits in BED.
    """
    known = radiobiologies(patient)
    found = []
    for limit in patient.limits:
        if limit.quantity == "bed":
            judged = _judged_responses(known[organ_of(patient, limit.target)])
            if judged:
                found.append(f"{' and '.join(judged)} in the BED of {limit.target}")
    limited = {r.name for x in patient.limits for r in patient.regions_of(x.target)}
    given = patient.schedule.labels if patient.count_administrations else ()
    for each in dict.fromkeys([label, *given]):
        found += [
            f"the S-value of {each} for {pair.target} from {pair.source}"
            for pair in assessment.dosimetry.irradiations[each].pairs
            if pair.target in limited and pair.value.certainty is Certainty.JUDGEMENT
        ]
    return found


def _judged_responses(known: Radiobiology) -> list[str]:
    priors = {
        "alpha/beta": known.alpha_beta_Gy,
        "half-time of repair": known.repair_half_time_h,
    }
    return [
        f"{name} ({prior.parameters['median']:g} {prior.unit})"
        for name, prior in priors.items()
        if prior.certainty is Certainty.JUDGEMENT
    ]
