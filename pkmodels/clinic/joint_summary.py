"""What `pkmodels check` says of joint data: sharing, overlaps, samples, counts."""

from collections.abc import Iterator

from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import patient_model, saturates

_HOW = {"shared": "one value for all occasions", "free": "a value of its own"}


def sharing_lines(patient: Patient) -> Iterator[str]:
    """Yield what parameters of one occasion have to do with the others'.

    Parameters
    ----------
    patient : Patient

    Yields
    ------
    str
        One line for each parameter that the file names, and for each set of occasions
        the other parameters that they share; nothing of one occasion.

    Raises
    ------
    ModelError
        When a region does not fit the model; `check_answerable` says so before.
    """
    for each in patient.sharings:
        how = _HOW.get(each.how) or (
            f"linked by a ratio to the shared value, median {each.ratio_median:g}, sd "
            f"of ln {each.ratio_log_sd:g}"
        )
        source = "" if each.source is None else f" ({each.source})"
        yield f"{each.parameter} of {each.occasion}: {how}{source}"
    if len(patient.occasions) > 1:
        yield from _as_the_model_has_it(patient)


def _as_the_model_has_it(patient: Patient) -> Iterator[str]:
    """Yield the parameters of which the file says nothing, by whose they are."""
    if not saturates(patient):
        yield "every other parameter: as the model has it"
        return
    models = {n: patient_model(patient, n) for n in patient.schedule.ligands}
    stated = {(each.occasion, each.parameter) for each in patient.sharings}
    owners: dict[str, list[str]] = {}
    for occasion in patient.occasions:
        [ligand] = occasion.schedule.ligands
        for name in models[ligand].priors:
            if (occasion.name, name) not in stated:
                owners.setdefault(name, []).append(occasion.name)
    for own in dict.fromkeys(tuple(names) for names in owners.values()):
        of_these = ", ".join(n for n, names in owners.items() if tuple(names) == own)
        how = "one value for" if len(own) > 1 else "fitted on"
        yield f"{how} {' and '.join(own)}, as the model has it: {of_these}"


def noise_lines(patient: Patient) -> Iterator[str]:
    """Yield what the file says of rows that are no plain values of one region.

    Parameters
    ----------
    patient : Patient

    Yields
    ------
    str
        One line for each table.
    """
    for each in patient.overlaps:
        others = ", ".join(f"{weight:g} {name}" for name, weight in each.others.items())
        yield (
            f"{each.modality} of {each.region}: counts a share of {others} with it, "
            f"median {each.share_median:g}, sd of logit {each.share_logit_sd:g} "
            f"({each.source})"
        )
    for each in patient.maximum_excess:
        yield (
            f"{each.modality}: a largest voxel exceeds the mean by {each.median:g} "
            f"(median), sd of ln {each.log_sd:g} ({each.source})"
        )
    for each in patient.countings:
        more = "overdispersed" if each.overdispersed else "Poisson"
        yield (
            f"{each.modality}: {each.counts_per_s_per_MBq:g} counts per s and MBq, "
            f"{more}, background's sd of ln {each.background_log_sd:g}"
        )
    if patient.sample_volume_cv is not None:
        yield f"samples: volume cv {100 * patient.sample_volume_cv:g} %"
    limits = sum(m.below for m in patient.measurements)
    if limits:
        yield f"{limits} of the values are limits that were not reached"
