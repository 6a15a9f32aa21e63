"""What a patient received before: administrations of the file, and history."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkmodels.clinic.exposure import Dosimetry, Exposure
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.syringes import Syringe, syringe_given
from pkmodels.decision import DoseLimit, draw_histories
from pkmodels.dosimetry.biological_dose import biologically_effective_dose
from pkmodels.units import MBQ_PER_GBQ


@dataclass(frozen=True, eq=False)
class Received:
    """Draws of what was received, by region and group.

    Parameters
    ----------
    dose_Gy : mapping of str to (n_draws,) array or None
        Absorbed dose of the file's administrations; None where a label's is not known.
    bed_Gy : mapping of str to (n_draws,) array or None
        Their BED; None where it is not known.
    history_Gy : mapping of str to (n_draws,) array
        What came before the file, by limit, in the limit's quantity.
    """

    dose_Gy: Mapping[str, np.ndarray | None]
    bed_Gy: Mapping[str, np.ndarray | None]
    history_Gy: Mapping[str, np.ndarray]


def dose_limits(patient: Patient) -> list[DoseLimit]:
    """Return the limits that count, as the decision takes them.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    list of DoseLimit
    """
    return [DoseLimit(x.target, x.quantity, x.value_Gy) for x in patient.limits]


def receive(
    patient: Patient,
    dosimetry: Dosimetry,
    exposures: Mapping[Syringe, Mapping[str, Exposure]],
    generator: np.random.Generator,
) -> Received:
    """Add up what was received before.

    The BEDs of administrations add, as between cycles: they are days apart, many
    half-times of repair, and their dose rates overlap only at the end.

    Parameters
    ----------
    patient : Patient
        The patient.
    dosimetry : Dosimetry
        From `pkmodels.clinic.exposure.prepare_dosimetry`.
    exposures : mapping of Syringe to mapping of str to Exposure
        Of each that was given.
    generator : numpy Generator
        Draws the history.

    Returns
    -------
    Received

    Raises
    ------
    InputError
        When a history counts against no limit, or is in another quantity.
    """
    doses: dict[str, np.ndarray | None] = {}
    beds: dict[str, np.ndarray | None] = {}
    for label, given in patient.schedule.labelled:
        for target, exposure in exposures[syringe_given(patient, label, given)].items():
            dose = bed = None
            if exposure.dose_Gy_per_GBq is not None:
                dose = exposure.dose_Gy_per_GBq * (given.activity_MBq / MBQ_PER_GBQ)
            if dose is not None and exposure.protraction is not None:
                response = dosimetry.responses[target]
                bed = biologically_effective_dose(
                    dose, exposure.protraction, response.alpha_beta_Gy
                )
            doses[target] = _add(doses.get(target, np.zeros(1)), dose)
            beds[target] = _add(beds.get(target, np.zeros(1)), bed)
    n_draws = next(iter(dosimetry.model_factors.values())).size
    history = draw_histories(
        patient.history,
        dose_limits(patient),
        n_draws,
        generator,
        waived=[waiver.target for waiver in patient.waived],
    )
    return Received(doses, beds, history)


def _add(before: np.ndarray | None, more: np.ndarray | None) -> np.ndarray | None:
    return None if before is None or more is None else before + more
