"""Responses: draws of alpha/beta and of repair for the targets that have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from pkmodels.clinic.patient import Patient, StatedRadiobiology
from pkmodels.dosimetry.radiobiology import (
    KNOWN,
    Radiobiology,
    draw_radiobiology,
    stated_radiobiology,
)


@dataclass(frozen=True, eq=False)
class Response:
    """Draws of how an organ responds to dose: alpha/beta, Gy, and repair, h."""

    alpha_beta_Gy: np.ndarray
    repair_half_time_h: np.ndarray


def organ_of(patient: Patient, target: str) -> str:
    """Return the organ of a region or group; both kidneys respond as one.

    Parameters
    ----------
    patient : Patient
        The patient.
    target : str
        Name of a region or group.

    Returns
    -------
    str
    """
    return responding_organ(patient.regions_of(target)[0].organ)


def responding_organ(organ: str) -> str:
    """Return the organ under whose name a response is kept: kidney for both.

    Parameters
    ----------
    organ : str
        An organ of patient.toml.

    Returns
    -------
    str

    Examples
    --------
    >>> responding_organ("kidneys"), responding_organ("liver")
    ('kidney', 'liver')
    """
    return "kidney" if organ == "kidneys" else organ


def radiobiologies(patient: Patient) -> dict[str, Radiobiology]:
    """Return how each organ of a patient responds, where it is known.

    Parameters
    ----------
    patient : Patient
        What its file states comes before what pkmodels knows; of the kidneys under
        either name.

    Returns
    -------
    dict of str to Radiobiology
        By organ.
    """
    stated = {responding_organ(s.organ): _stated(s) for s in patient.radiobiology}
    organs = dict.fromkeys(organ_of(patient, r.name) for r in patient.regions)
    known = {**KNOWN, **stated}
    return {organ: known[organ] for organ in organs if organ in known}


def _stated(each: StatedRadiobiology) -> Radiobiology:
    return stated_radiobiology(
        each.organ,
        alpha_beta_Gy=each.alpha_beta_Gy,
        alpha_beta_cv=each.alpha_beta_cv,
        repair_half_time_h=each.repair_half_time_h,
        repair_half_time_cv=each.repair_half_time_cv,
        source="by the patient's file",
    )


def draw_responses(
    patient: Patient,
    targets: tuple[str, ...],
    n_draws: int,
    seed: Sequence[int],
) -> dict[str, Response]:
    """Draw the response of each target, once for all targets of an organ.

    Parameters
    ----------
    patient : Patient
        The patient.
    targets : tuple of str
        Regions and groups.
    n_draws : int
        Number of draws.
    seed : sequence of int
        Repeats the draws, each >= 0. An organ has its own, whatever else is drawn.

    Returns
    -------
    dict of str to Response
        Without the targets of which nothing is known.
    """
    drawn = {}
    for organ, known in radiobiologies(patient).items():
        generator = np.random.default_rng([*seed, crc32(organ.encode())])
        drawn[organ] = Response(*draw_radiobiology(known, n_draws, generator))
    organs = {target: organ_of(patient, target) for target in targets}
    return {t: drawn[organ] for t, organ in organs.items() if organ in drawn}
