"""The scale that a cohort's measurements share: its cameras' calibration."""

import math
from collections import Counter
from collections.abc import Sequence

from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import measured_organs


def shared_calibration(patients: Sequence[Patient]) -> float:
    """Return how well the factor is known that patients' uptakes share.

    A modality's name stands for one camera. Of the modalities by which two patients or
    more had organs measured, the largest stated cv counts for all. A free calibration
    rests on another modality of the same patient, whose cv counts.

    Parameters
    ----------
    patients : sequence of Patient
        Of the cohort.

    Returns
    -------
    float
        The sd of the factor's ln, sqrt(ln(1 + cv^2)); 0 where none is stated.
    """
    users: Counter[str] = Counter()
    known: dict[str, float] = {}
    for patient in patients:
        organs = measured_organs(patient)
        used = {m.modality for m in patient.measurements if m.region in organs}
        users.update(used)
        for each in patient.calibrations:
            if each.modality in used and each.cv is not None:
                known[each.modality] = max(each.cv, known.get(each.modality, 0.0))
    cv = max((cv for name, cv in known.items() if users[name] > 1), default=0.0)
    return math.sqrt(math.log1p(cv**2))
