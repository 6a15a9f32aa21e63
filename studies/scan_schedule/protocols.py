"""Simulated pentixather patients, the kinds of scan, and how they may be scheduled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pkmodels import Administration, Schedule
from pkmodels.design.curves import tabulate_curves
from pkmodels.design.questions import Question
from pkmodels.design.scans import Calendar, Modality, Scan
from pkmodels.design.unknowns import Unknowns, quantity_slopes, unknowns_of
from pkmodels.exact import doses_of
from pkmodels.fitting.prediction import predict
from pkmodels.models import pentixather
from pkmodels.models.values import FREE_CALIBRATION_LOG_SD, LIGANDS
from pkmodels.saturable import SaturableSystem, compile_saturable
from pkmodels.values import Prior, PriorSet, log_sd_of_cv, typical

REGIONS = {"kidneys": "kidneys", "spleen": "spleen"}
LIGAND = "pentixather"
# Tracer and therapy: 75 ug with 177Lu before, 250 ug with 90Y, as customary.
TRACER = ("Lu-177", 200.0, 75.0)
THERAPY = ("Y-90", 4000.0, 250.0)

# Scatter of a value: at least this, and half-normal in quadrature (sd of ln).
LEAST_SCATTER, SCATTER = 0.05, 0.05
# What the design takes it for: the root of the mean square.
DESIGN_SCATTER = float(np.hypot(LEAST_SCATTER, SCATTER))
SPECT, PLANAR = "SPECT", "planar"
# One error of quantification that all SPECT of a patient share.
SPECT_CV = 0.05
MODALITIES = (
    Modality(
        SPECT, tuple(REGIONS), DESIGN_SCATTER, log_sd_of_cv(SPECT_CV), per_region=False
    ),
    Modality(
        PLANAR,
        tuple(REGIONS),
        DESIGN_SCATTER,
        FREE_CALIBRATION_LOG_SD.value,
        per_region=True,
    ),
)
# Until 5 days: a 177Lu tracer of 200 MBq is measured 4 to 5 (ours: no later).
EARLIEST_H, LATEST_H = 1.0, 120.0
GIVEN_AT, OPEN, GAP_H = 10.0, (8.0, 17.0), 2.0
ANY_TIME = Calendar(EARLIEST_H, LATEST_H, GAP_H)
WORKING = Calendar(EARLIEST_H, LATEST_H, GAP_H, GIVEN_AT, OPEN)
# No two on one day, whose errors might be shared (outlining, motion: ours).
APART_H = 12.0
APART = Calendar(EARLIEST_H, LATEST_H, APART_H, GIVEN_AT, OPEN)
# 90Y is measured for 3 to 4 days, since little happens after: the same for its tracer.
FOUR_DAYS = Calendar(EARLIEST_H, 96.0, GAP_H, GIVEN_AT, OPEN)


def spects(*times_h: float) -> tuple[Scan, ...]:
    return tuple(Scan(t, SPECT) for t in times_h)


def planars(*times_h: float) -> tuple[Scan, ...]:
    return tuple(Scan(t, PLANAR) for t in times_h)


CUSTOMARY = {
    "4, 24, 48 h": spects(4.0, 24.0, 48.0),
    "4, 24, 72 h": spects(4.0, 24.0, 72.0),
    "4, 24, 96 h": spects(4.0, 24.0, 96.0),
    "24, 48, 96 h": spects(24.0, 48.0, 96.0),
    "24, 72, 120 h": spects(24.0, 72.0, 120.0),
}
# What a gap of 12 h leads to, at round times: no protocol that we know of.
ROUND = {"24, 48, 120 h": spects(24.0, 48.0, 120.0)}
FEWER = {
    "no scan": (),
    "4 h": spects(4.0),
    "24 h": spects(24.0),
    "72 h": spects(72.0),
    "4, 24 h": spects(4.0, 24.0),
    "24, 120 h": spects(24.0, 120.0),
}
HYBRID = {
    "planar 2, 24, 48, 96 h, SPECT 24 h": (
        *planars(2.0, 24.0, 48.0, 96.0),
        *spects(24.0),
    )
}
# How many to choose, from what and when.
CHOSEN = {
    "chosen, any time": (ANY_TIME, 3, (SPECT,)),
    "chosen, working hours": (WORKING, 3, (SPECT,)),
    "chosen, 12 h apart": (APART, 3, (SPECT,)),
    "chosen, 4 days": (FOUR_DAYS, 3, (SPECT,)),
    "chosen, two": (WORKING, 2, (SPECT,)),
    "chosen, one": (WORKING, 1, (SPECT,)),
    "chosen, SPECT or planar": (WORKING, 5, (SPECT, PLANAR)),
}


def schedule_of(label: str, MBq: float, ug: float) -> Schedule:
    molar_mass = LIGANDS[LIGAND].molar_mass_g_per_mol.value
    dose = Administration(
        0.0,
        0.0,
        LIGAND,
        label,
        MBq,
        ligand_mass_ug=ug,
        molar_mass_g_per_mol=molar_mass,
    )
    return Schedule((dose,))


@cache
def kinetics() -> SaturableSystem:
    """Compile the model; what scans do not inform is at its median."""
    model = pentixather.model(REGIONS, LIGAND)
    shown = {name: model.observables[name] for name in REGIONS}
    known = pentixather.values(REGIONS, LIGAND)
    varied = pentixather.fitted(REGIONS, LIGAND)
    model = replace(model, observables=shown)
    used = {str(parameter) for parameter in model.parameters}
    held = {n: v for n, v in known.items() if n in used and n not in varied}
    return compile_saturable(model, LIGAND, varied, typical(held), infusions=False)


def priors() -> PriorSet:
    known = pentixather.values(REGIONS, LIGAND)
    found: dict[str, Prior] = {}
    for name in kinetics().parameters:
        prior = known[name]
        assert isinstance(prior, Prior)
        found[name] = prior
    return PriorSet(found, {})


@cache
def unknowns() -> Unknowns:
    return unknowns_of(priors(), kinetics().parameters)


def tiac_h(parameters: np.ndarray) -> np.ndarray:
    """Return the TIAC (h) of 90Y in the kidneys with the therapy's mass of ligand."""
    found = predict(kinetics(), parameters, doses_of(schedule_of(*THERAPY)), LATEST_H)
    column = found.observables.index("kidneys")
    return found.time_integrals[:, column] / THERAPY[1]


@dataclass(frozen=True, eq=False)
class Patients:
    """Draws of the unknowns, and the question of each."""

    points: np.ndarray
    question: Question


def patients(count: int, seed: int, floor_MBq: float = 0.0) -> Patients:
    """Draw patients from the priors, and tabulate what scans would show of them."""
    points = unknowns().draw(count, seed)
    curves = tabulate_curves(
        kinetics(),
        doses_of(schedule_of(*TRACER)),
        unknowns(),
        points,
        EARLIEST_H,
        LATEST_H,
    )
    target = quantity_slopes(unknowns(), points, tiac_h)
    kinds = tuple(replace(each, floor=floor_MBq) for each in MODALITIES)
    return Patients(points, Question(curves, unknowns(), target, kinds))


def named(scans: Sequence[Scan]) -> str:
    return "; ".join(str(scan) for scan in scans) or "none"
