"""Whether the model that a patient's file names can answer what it asks."""

import math
from collections.abc import Iterator

from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import (
    HAEMATOCRIT,
    HEIGHT,
    MODELS,
    WEIGHT,
    body_of,
    measured_organs,
    measured_samples,
    name_of,
    own_volumes_L,
    patient_model,
    saturates,
)
from pkmodels.clinic.patient_toml import FILE_NAME, key_of
from pkmodels.errors import ModelError, suggest
from pkmodels.models.physiology import organ, organs
from pkmodels.models.values import EXCHANGING_ORGANS

_LIGANDS = {
    "pentixather": ("pentixather", "pentixafor"),
    "dotatate_pbpk": ("dotatate",),
}
# The range of masses, ug, that the models are written for; judgement, far from both
# ends of what is given (75 to 300 ug).
MASS_RANGE_UG = (10.0, 500.0)
# Between the masses of dosimetry and therapy: more rests on the priors alone.
_MASS_RATIO = 5.0
# Judgement: adults; beyond is a wrong unit, or another body than the models'.
_ADULT = {WEIGHT: (35.0, 200.0), HEIGHT: (130.0, 220.0), HAEMATOCRIT: (0.15, 0.65)}
# A part of an organ is not the organ: judgement, about the spread of adults; of the
# adrenals closer, since one alone is a half.
_VOLUME_RATIO, _VOLUME_RATIO_OF_TWO = 3.0, 1.6


def model_problems(patient: Patient) -> Iterator[str]:
    """Say what of a patient's file its model cannot answer.

    Parameters
    ----------
    patient : Patient
        The patient.

    Yields
    ------
    str
        One obstacle with its remedy.
    """
    if name_of(patient) not in MODELS:
        yield (
            f"{FILE_NAME}: [decision] model: no model {patient.model!r}; "
            f"{suggest(name_of(patient), MODELS)}"
        )
    elif not saturates(patient):
        yield from _exchange_problems(patient)
    else:
        yield from _saturable_problems(patient)


def _exchange_problems(patient: Patient) -> Iterator[str]:
    for region, what in measured_organs(patient).items():
        if what not in EXCHANGING_ORGANS:
            yield (
                f"{FILE_NAME}: [regions.{region}] organ {what!r} does "
                "not take up from blood and release out of the body, as the model "
                "organ_exchange assumes: leave its measurements out. It describes: "
                f"{', '.join(EXCHANGING_ORGANS)}"
            )
    for region, what in measured_samples(patient).items():
        yield (
            f"{FILE_NAME}: [regions.{region}] organ {what!r}: organ_exchange has no "
            "samples of blood or urine: leave them out or take "
            'model = "pentixather"'
        )
    measured = [*measured_organs(patient)]
    for each in patient.overlaps:
        where = f"{FILE_NAME}: {key_of('overlap', each.modality, each.region)} of"
        for name in each.others:
            if name not in measured:
                yield (
                    f"{where}: organ_exchange does not show {name!r}, which was not "
                    f"measured; {suggest(name, measured)}"
                )


def _saturable_problems(patient: Patient) -> Iterator[str]:
    name = name_of(patient)
    where = f'{FILE_NAME}: [decision] model = "{name}"'
    known = set(patient.schedule.ligands) <= set(_LIGANDS[name])
    if not known:
        found = ", ".join(patient.schedule.ligands)
        yield f"{where} describes {', '.join(_LIGANDS[name])}, not {found}"
    yield from _occasion_problems(patient)
    if patient.ligand_mass_cv is not None:
        yield (
            f"{FILE_NAME}: [uncertainty] ligand_mass_cv: the model {name} simulates "
            "what another mass changes: leave it out"
        )
    yield from _ligand_mass_problems(patient)
    yield from _body_problems(patient)
    yield from _region_problems(patient)
    if not known:
        return
    try:
        models = {n: patient_model(patient, n) for n in patient.schedule.ligands}
    except ModelError as error:
        yield f"{FILE_NAME}: {error}"
        return
    ligands = {o.name: o.schedule.ligands[0] for o in patient.occasions}
    for each in patient.sharings:
        names = tuple(models[ligands[each.occasion]].priors)
        if each.parameter not in names:
            yield (
                f"{FILE_NAME}: [[sharing]] parameter {each.parameter!r} of occasion "
                f"{each.occasion!r} is not fitted: {suggest(each.parameter, names)}"
            )


def _occasion_problems(patient: Patient) -> Iterator[str]:
    """Find occasions that no fit could be made of."""
    measured = {patient.occasion_of(m).name for m in patient.measurements}
    for occasion in patient.occasions:
        ligands = occasion.schedule.ligands
        if len(ligands) > 1:
            yield (
                f"{FILE_NAME}: occasion {occasion.name!r} gives {' and '.join(ligands)}"
                ", which would compete for the same receptors: each ligand is fitted "
                "on an occasion of its own; give them other names"
            )
        if occasion.name not in measured:
            yield (
                f"{FILE_NAME}: nothing was measured on occasion {occasion.name!r}: "
                "leave its administration out, or give what was measured"
            )
    given = set(patient.schedule.ligands)
    for number, plan in enumerate(patient.plans, start=1):
        if plan.ligand not in given:
            yield (
                f"{FILE_NAME}: [[plan]] number {number} ligand {plan.ligand!r} was "
                f"given on no occasion: {suggest(plan.ligand, sorted(given))}"
            )


def _ligand_mass_problems(patient: Patient) -> Iterator[str]:
    low, high = MASS_RANGE_UG
    tables = [
        (
            "administration",
            [a.ligand_mass_ug for a in patient.schedule.administrations],
        ),
        ("plan", [plan.ligand_mass_ug for plan in patient.plans]),
    ]
    for table, masses in tables:
        for number, mass in enumerate(masses, start=1):
            where = f"{FILE_NAME}: [[{table}]] number {number}"
            if mass is None:
                yield (
                    f"{where}: in the model {name_of(patient)} what a ligand does "
                    "depends on its mass: state ligand_mass_ug (of one cycle)"
                )
            elif not low <= mass <= high:
                yield (
                    f"{where} ligand_mass_ug = {mass:g}: the model {name_of(patient)} "
                    f"is written for {low:g} to {high:g} ug; give it in ug, or leave "
                    "model out"
                )


def _body_problems(patient: Patient) -> Iterator[str]:
    stated = patient.covariates
    for name, (low, high) in _ADULT.items():
        value = stated.get(name)
        if isinstance(value, float) and not low <= value <= high:
            yield (
                f"{FILE_NAME}: [patient] {name} = {value:g}: the model "
                f"{name_of(patient)} describes adults, {low:g} to {high:g}: mend it, "
                "or leave model out"
            )
    if (WEIGHT in stated) != (HEIGHT in stated):
        lacking = HEIGHT if WEIGHT in stated else WEIGHT
        yield (
            f"{FILE_NAME}: [patient] {lacking} is missing: the model "
            f"{name_of(patient)} takes the body's size from both or, without them, "
            "from the reference person"
        )


def _region_problems(patient: Patient) -> Iterator[str]:
    """Find regions of which the model would make another organ than they are."""
    measured = measured_organs(patient)
    volumes = own_volumes_L(patient)
    for name, what in measured.items():
        if what == "tumour" and name not in volumes:
            yield (
                f"{FILE_NAME}: [regions.{name}] mass_g is missing: what a tumour takes "
                f"up in the model {name_of(patient)} depends on its size"
            )
    kidneys = [name for name, what in measured.items() if what == "kidney"]
    if len(kidneys) == 1:
        yield (
            f"{FILE_NAME}: [regions.{kidneys[0]}] is one kidney, and the model "
            f"{name_of(patient)} would take a second like it for granted: measure "
            'both, or write organ = "kidneys" where it is all kidney tissue'
        )
    body = body_of(patient)
    lesions = {region.name for region in patient.regions if region.organ == "tumour"}
    for name, volume in volumes.items():
        if name in lesions or name not in organs(body):
            continue
        usual = organ(body, name).volume_L.value
        ratio = _VOLUME_RATIO_OF_TWO if name == "adrenals" else _VOLUME_RATIO
        if not usual / ratio < volume < usual * _VOLUME_RATIO:
            yield (
                f"{FILE_NAME}: the regions of {name} are {volume:.3g} L, which is not "
                f"all of it (reference {usual:.3g} L), and the model "
                f"{name_of(patient)} describes the whole organ: outline all of it as "
                "one, leave its mass out, or leave model out"
            )


def model_warnings(patient: Patient) -> Iterator[str]:
    """Say what a reader must know of a model that simulates another ligand mass.

    Parameters
    ----------
    patient : Patient
        The patient.

    Yields
    ------
    str
    """
    if not saturates(patient):
        return
    given = patient.schedule.administrations
    for plan in patient.plans:
        own = [a.ligand_mass_ug for a in given if a.ligand == plan.ligand]
        ratios = [plan.ligand_mass_ug / x for x in own if x and plan.ligand_mass_ug]
        if ratios and not any(1.0 / _MASS_RATIO <= r <= _MASS_RATIO for r in ratios):
            nearest = min(ratios, key=lambda ratio: abs(math.log(ratio)))
            yield (
                f"{plan.label} is planned with {nearest:.3g} times the ligand that was "
                "measured: so far from it, what saturates is told by the priors alone"
            )
