"""The scale that a cohort's measurements share: its cameras' calibration."""

import math
from collections import defaultdict
from collections.abc import Sequence

from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import measured_organs


def shared_calibration(patients: Sequence[Patient]) -> tuple[float, dict[str, str]]:
    """Return how well the factor is known that patients' uptakes share.

    A modality's name stands for one camera. Of the modalities by which two patients or
    more had organs measured, the largest stated cv counts for all.

    Parameters
    ----------
    patients : sequence of Patient
        Of the cohort.

    Returns
    -------
    (float, dict of str to str)
        The sd of the factor's ln, sqrt(ln(1 + cv^2)), 0 where no calibration is stated;
        and what cannot be learnt, with its reason: uptakes, where a calibration that is
        shared is free, so that nothing fixes their scale.
    """
    known: dict[str, list[float | None]] = defaultdict(list)
    for patient in patients:
        organs = measured_organs(patient)
        used = {m.modality for m in patient.measurements if m.region in organs}
        stated = {each.modality: each.cv for each in patient.calibrations}
        for modality in used:
            known[modality].append(stated.get(modality, 0.0))
    several = {name: of for name, of in known.items() if len(of) > 1}
    free = sorted(name for name, of in several.items() if None in of)
    if free:
        return 0.0, {
            "uptake fractions": f"the calibration of {', '.join(free)} is free, and "
            "the patients share it: nothing fixes their scale; state its cv"
        }
    cv = max((c for of in several.values() for c in of if c is not None), default=0.0)
    return math.sqrt(math.log1p(cv**2)), {}
