"""The models that a patient's file may name, for its regions, masses and body."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pkmodels.clinic.patient import Patient, Plan, Region
from pkmodels.clinic.patient_toml import key_of
from pkmodels.errors import ModelError, suggest
from pkmodels.models.physiology import Body, reference_body
from pkmodels.models.values import LIGANDS
from pkmodels.units import NMOL_PER_UMOL
from pkmodels.values import Certainty, ParameterValue, Prior, Value, typical

if TYPE_CHECKING:
    from pkmodels.definition import Model

DEFAULT = "organ_exchange"
SATURABLE = ("pentixather", "dotatate_pbpk")
MODELS = (DEFAULT, *SATURABLE)

# What is sampled, not outlined.
SAMPLED = ("blood", "urine")
# What every region is a part of.
ALL_OF_IT = ("whole_body",)
# What patient.toml calls one organ or several, and the models' name of all of it.
_OWN_NAMES = {"kidney": "kidneys", "adrenal": "adrenals"}
WEIGHT, HEIGHT, HAEMATOCRIT = "body_mass_kg", "height_cm", "haematocrit"
_ML_PER_L = 1e3
_G_PER_L = 1e3  # 1 kg of tissue is 1 L, as in pkmodels.models.physiology
_CM_KG_PER_M4 = 3600.0


@dataclass(frozen=True)
class PatientModel:
    """A model of the library for one patient's regions.

    Parameters
    ----------
    model : Model
        Observed in the regions that were measured, organs and samples, and in what the
        file says lies over them.
    regions : tuple of str
        Those that are organs.
    priors : mapping of str to Prior
        Of the parameters that the scans are asked to inform.
    held : mapping of str to Value or Prior
        Of the others: a prior is held at its median.
    """

    model: "Model"
    regions: tuple[str, ...]
    priors: Mapping[str, Prior]
    held: Mapping[str, ParameterValue]

    @property
    def fixed(self) -> dict[str, float]:
        """The numbers at which what is held is held."""
        return typical(self.held)


def name_of(patient: Patient) -> str:
    """Return the name of the model that a patient's data are fitted with.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    str
        What the file names, or the default.
    """
    return DEFAULT if patient.model is None else patient.model


def saturates(patient: Patient) -> bool:
    """Say whether the mass of ligand matters in a patient's model.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    bool
    """
    return name_of(patient) in SATURABLE


def with_amounts(patient: Patient) -> Patient:
    """Return a patient whose administrations know how many molecules they are.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    Patient
        The same one where nothing saturates, so that amounts do not matter.
    """
    if not saturates(patient):
        return patient
    molar = {
        name: ligand.molar_mass_g_per_mol.value for name, ligand in LIGANDS.items()
    }
    given = tuple(
        replace(a, molar_mass_g_per_mol=molar.get(a.ligand))
        for a in patient.schedule.administrations
    )
    return replace(patient, schedule=replace(patient.schedule, administrations=given))


def planned_nmol(patient: Patient, plan: Plan) -> float | None:
    """Return the amount of ligand that a plan's dose is simulated with.

    Parameters
    ----------
    patient : Patient
        The patient.
    plan : Plan
        One of its plans.

    Returns
    -------
    float or None
        nmol; None where the model does not ask, since nothing saturates.
    """
    if not saturates(patient):
        return None
    assert plan.ligand_mass_ug is not None, "check_answerable refuses it"
    molar_mass = LIGANDS[plan.ligand].molar_mass_g_per_mol.value
    return plan.ligand_mass_ug / molar_mass * NMOL_PER_UMOL


def measured_organs(patient: Patient) -> dict[str, str]:
    """Return the organ of every region that was measured; samples are of none.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to str
    """
    measured = {m.region for m in patient.measurements}
    return {
        r.name: r.organ
        for r in patient.regions
        if r.name in measured and r.organ not in SAMPLED
    }


def measured_samples(patient: Patient) -> dict[str, str]:
    """Return what every region stands for whose samples were measured.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to str
        Name of the region, and ``blood`` or ``urine``.
    """
    measured = {m.region for m in patient.measurements}
    return {
        r.name: r.organ
        for r in patient.regions
        if r.name in measured and r.organ in SAMPLED
    }


def patient_model(patient: Patient, ligand: str) -> PatientModel:
    """Return the saturable model that a patient's file names, for its regions.

    Volumes of organs and tumours are the patient's own where the file states masses;
    sex, weight and height set the rest of the body.

    Parameters
    ----------
    patient : Patient
        The patient, whose model is one of `SATURABLE`.
    ligand : str
        One of those that it describes.

    Returns
    -------
    PatientModel

    Raises
    ------
    ModelError
        When a region's organ or name does not fit the model, or something is sampled
        or lies over a region that it does not show.
    """
    regions = measured_organs(patient)
    model, values, fitted = _of_library(patient, regions, ligand)
    shown = dict.fromkeys(regions, "") | measured_samples(patient)
    over = {name for each in patient.overlaps for name in each.others}
    _check_shown(patient, [*regions, *model.observables])
    shown |= {name: name for name in sorted(over - set(shown))}
    observables = {}
    for name, own in shown.items():
        if (own or name) not in model.observables:
            raise ModelError(
                f"the model {name_of(patient)} does not show {own or name!r}, of "
                f"{name!r}: leave it out, or take another model"
            )
        observables[name] = model.observables[own or name]
    model = replace(model, observables=observables)
    own = {
        f"volume_{name}": Value(v, "L", "by the patient's file", Certainty.STATED)
        for name, v in own_volumes_L(patient).items()
    }
    known = values | {name: value for name, value in own.items() if name in values}
    used = {str(parameter) for parameter in model.parameters}
    priors: dict[str, Prior] = {}
    for name in fitted:
        prior = known[name]
        assert isinstance(prior, Prior), f"{name} is fitted, so that it has a prior"
        priors[name] = prior
    held = {n: v for n, v in known.items() if n in used and n not in priors}
    return PatientModel(model, tuple(regions), priors, held)


def _check_shown(patient: Patient, known: list[str]) -> None:
    """Refuse what lies over a region but is no region or observable of the model."""
    for each in patient.overlaps:
        for name in each.others:
            if name not in known:
                where = key_of("overlap", each.modality, each.region)
                others = dict.fromkeys(known)
                others = [n for n in others if n not in (*SAMPLED, *ALL_OF_IT)]
                raise ModelError(
                    f"{where} of: the model {name_of(patient)} does not show {name!r}; "
                    f"{suggest(name, others)}"
                )


def held_uncertain(patient: Patient) -> dict[str, Prior]:
    """Return what is held although it is not known, or differs between patients.

    Parameters
    ----------
    patient : Patient
        The patient, whose model is one of `SATURABLE`.

    Returns
    -------
    dict of str to Prior
        By parameter, of every ligand that was given.
    """
    held = _held(patient)
    return {n: known for n, known in held.items() if isinstance(known, Prior)}


def held_judged(patient: Patient) -> dict[str, Value]:
    """Return what is held at a number that is a judgement.

    Parameters
    ----------
    patient : Patient
        The patient, whose model is one of `SATURABLE`.

    Returns
    -------
    dict of str to Value
        By parameter, of every ligand that was given.
    """
    return {
        name: known
        for name, known in _held(patient).items()
        if isinstance(known, Value) and known.certainty is Certainty.JUDGEMENT
    }


def _held(patient: Patient) -> dict[str, ParameterValue]:
    models = [patient_model(patient, ligand) for ligand in patient.schedule.ligands]
    return {name: known for model in models for name, known in model.held.items()}


def _of_library(
    patient: Patient, regions: Mapping[str, str], ligand: str
) -> "tuple[Model, dict[str, ParameterValue], tuple[str, ...]]":
    from pkmodels.models import dotatate_pbpk, pentixather

    body = body_of(patient)
    if name_of(patient) == dotatate_pbpk.NAME:
        return (
            dotatate_pbpk.model(regions, body),
            dotatate_pbpk.values(regions, body),
            dotatate_pbpk.fitted(regions),
        )
    return (
        pentixather.model(regions, ligand),
        pentixather.values(regions, ligand, body),
        pentixather.fitted(regions, ligand, measured_samples(patient).values()),
    )


def body_of(patient: Patient) -> Body:
    """Return sex and size: the file's, else those of the reference person.

    Parameters
    ----------
    patient : Patient
        The patient; weight and height come together.

    Returns
    -------
    Body
        Its surface is sqrt(height weight / 3600) (Mosteller, N Engl J Med
        1987;317:1098).
    """
    reference = reference_body(patient.sex)
    stated = patient.covariates
    weight, height = stated.get(WEIGHT), stated.get(HEIGHT)
    share = stated.get(HAEMATOCRIT)
    haematocrit = share if isinstance(share, float) else reference.haematocrit
    if isinstance(weight, float) and isinstance(height, float):
        surface = math.sqrt(weight * height / _CM_KG_PER_M4)
        return Body(patient.sex, weight, surface, haematocrit)
    return Body(patient.sex, reference.weight_kg, reference.bsa_m2, haematocrit)


def own_volumes_L(patient: Patient) -> dict[str, float]:
    """Return the volumes that a file states of what was measured or outlined.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to float
        L, by what the models call it: a tumour's own name, ``kidneys`` where every one
        is known, ``liver`` and so on.
    """
    found: dict[str, float] = {}
    unknown: set[str] = set()
    for region in patient.regions:
        organ = _OWN_NAMES.get(region.organ, region.organ)
        name = region.name if region.organ == "tumour" else organ
        volume = _volume_L(region)
        if volume is None:
            unknown.add(name)
        else:
            found[name] = found.get(name, 0.0) + volume
    return {name: volume for name, volume in found.items() if name not in unknown}


def _volume_L(region: Region) -> float | None:
    """Return a region's volume: as outlined, or 1 L for each kg."""
    if region.outlined_volume_mL is not None:
        return region.outlined_volume_mL / _ML_PER_L
    return None if region.mass_g is None else region.mass_g / _G_PER_L
