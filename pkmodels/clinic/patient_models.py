"""The models that a patient's file may name, for its regions, masses and body."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pkmodels.clinic.patient import Patient, Plan, Region
from pkmodels.clinic.patient_toml import FILE_NAME
from pkmodels.errors import ModelError, suggest
from pkmodels.models.physiology import Body, reference_body
from pkmodels.models.values import EXCHANGING_ORGANS, LIGANDS
from pkmodels.units import NMOL_PER_UMOL
from pkmodels.values import Certainty, ParameterValue, Prior, Value, typical

if TYPE_CHECKING:
    from pkmodels.definition import Model

DEFAULT = "organ_exchange"
SATURABLE = ("pentixather", "dotatate_pbpk")
MODELS = (DEFAULT, *SATURABLE)

# What patient.toml calls one organ or several, and the models' volume parameters.
_VOLUME_OF = {"kidney": "kidneys", "adrenal": "adrenals"}
_ML_PER_L = 1e3
_CM2_KG_PER_M4 = 3600.0


@dataclass(frozen=True)
class PatientModel:
    """A model of the library for one patient's regions.

    Parameters
    ----------
    model : Model
        Observed in the regions that were measured, and nowhere else.
    priors : mapping of str to Prior
        Of the parameters that the scans are asked to inform.
    held : mapping of str to Value or Prior
        Of the others: a prior is held at its median.
    """

    model: "Model"
    priors: Mapping[str, Prior]
    held: Mapping[str, ParameterValue]

    @property
    def fixed(self) -> dict[str, float]:
        """The numbers at which what is held is held."""
        return typical(self.held)

    @property
    def uncertain(self) -> dict[str, Prior]:
        """What is held although it is not known, or differs between patients."""
        return {n: known for n, known in self.held.items() if isinstance(known, Prior)}


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


def given_nmol(patient: Patient) -> float | None:
    """Return the amount of ligand of the one administration of a saturable model.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    float or None
        nmol; None where the model does not ask, since nothing saturates.
    """
    if not saturates(patient):
        return None
    [given] = patient.schedule.administrations
    return given.ligand_nmol


def measured_organs(patient: Patient) -> dict[str, str]:
    """Return the organ of every region that was measured.

    Parameters
    ----------
    patient : Patient
        The patient.

    Returns
    -------
    dict of str to str
    """
    measured = {m.region for m in patient.measurements}
    return {r.name: r.organ for r in patient.regions if r.name in measured}


def patient_model(patient: Patient) -> PatientModel:
    """Return the saturable model that a patient's file names, for its regions.

    Volumes of organs and tumours are the patient's own where the file states masses;
    sex, weight and height set the rest of the body.

    Parameters
    ----------
    patient : Patient
        The patient, whose model is one of `SATURABLE`.

    Returns
    -------
    PatientModel

    Raises
    ------
    ModelError
        When a region's organ or name does not fit the model.
    """
    regions = measured_organs(patient)
    model, values, fitted = _of_library(patient, regions)
    observables = {name: model.observables[name] for name in regions}
    model = replace(model, observables=observables)
    known = values | _own_volumes(patient, values)
    used = {str(parameter) for parameter in model.parameters}
    priors: dict[str, Prior] = {}
    for name in fitted:
        prior = known[name]
        assert isinstance(prior, Prior), f"{name} is fitted, so that it has a prior"
        priors[name] = prior
    held = {n: v for n, v in known.items() if n in used and n not in priors}
    return PatientModel(model, priors, held)


def _of_library(
    patient: Patient, regions: Mapping[str, str]
) -> "tuple[Model, dict[str, ParameterValue], tuple[str, ...]]":
    from pkmodels.models import dotatate_pbpk, pentixather

    body = _body(patient)
    if name_of(patient) == dotatate_pbpk.NAME:
        return (
            dotatate_pbpk.model(regions, body),
            dotatate_pbpk.values(regions, body),
            dotatate_pbpk.fitted(regions),
        )
    ligand = patient.schedule.ligands[0]
    return (
        pentixather.model(regions, ligand),
        pentixather.values(regions, ligand, body),
        pentixather.fitted(regions),
    )


def _body(patient: Patient) -> Body:
    """Return sex and size: the file's, else those of the reference person."""
    reference = reference_body(patient.sex)
    stated = patient.covariates
    weight, height = stated.get("body_mass_kg"), stated.get("height_cm")
    surface = reference.bsa_m2
    if isinstance(weight, float) and isinstance(height, float):
        # Mosteller, N Engl J Med 1987;317:1098.
        surface = math.sqrt(weight * height / _CM2_KG_PER_M4)
    share = stated.get("haematocrit")
    return Body(
        patient.sex,
        weight if isinstance(weight, float) else reference.weight_kg,
        surface,
        share if isinstance(share, float) else reference.haematocrit,
    )


def _own_volumes(
    patient: Patient, values: Mapping[str, ParameterValue]
) -> dict[str, Value]:
    """Return the volumes that follow from the file, as far as the model has them."""
    found: dict[str, float] = {}
    for region in patient.regions:
        name = region.name if region.organ == "tumour" else _VOLUME_OF.get(region.organ)
        key = f"volume_{name or region.organ}"
        volume = _volume_L(region)
        if key in values and volume is not None:
            found[key] = found.get(key, 0.0) + volume
    singles = [r for r in patient.regions if r.organ == "kidney"]
    if len(singles) == 1:  # one kidney of two says nothing of both
        found.pop("volume_kidneys", None)
    source = "by the patient's file"
    return {key: Value(v, "L", source, Certainty.STATED) for key, v in found.items()}


def _volume_L(region: Region) -> float | None:
    """Return a region's volume: as outlined, or 1 L for each kg."""
    if region.outlined_volume_mL is not None:
        return region.outlined_volume_mL / _ML_PER_L
    return None if region.mass_g is None else region.mass_g / _ML_PER_L


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
    for region, organ in measured_organs(patient).items():
        if organ not in EXCHANGING_ORGANS:
            yield (
                f"{FILE_NAME}: [regions.{region}] organ {organ!r} does "
                "not take up from blood and release out of the body, as the model "
                "organ_exchange assumes: leave its measurements out. It describes: "
                f"{', '.join(EXCHANGING_ORGANS)}"
            )


def _saturable_problems(patient: Patient) -> Iterator[str]:
    name = name_of(patient)
    where = f'{FILE_NAME}: [decision] model = "{name}"'
    ligands = ("dotatate",) if name == "dotatate_pbpk" else ("pentixather",)
    for ligand in patient.schedule.ligands:
        if ligand not in ligands:
            yield f"{where} describes {', '.join(ligands)}, not {ligand}"
    given = patient.schedule.administrations
    if len(given) != 1:
        yield (
            f"{where} is fitted to one administration in this version; the file has "
            f"{len(given)}: keep one with its measurements, or leave model out"
        )
    for number, each in enumerate(given, start=1):
        if each.ligand_nmol is None:
            yield (
                f"{FILE_NAME}: [[administration]] number {number}: in the model {name} "
                "what a ligand does depends on its mass: state ligand_mass_ug"
            )
    for number, plan in enumerate(patient.plans, start=1):
        if plan.ligand_mass_ug is None:
            yield (
                f"{FILE_NAME}: [[plan]] number {number}: in the model {name} what a "
                "ligand does depends on its mass: state ligand_mass_ug of one cycle"
            )
    if patient.ligand_mass_cv is not None:
        yield (
            f"{FILE_NAME}: [uncertainty] ligand_mass_cv: the model {name} simulates "
            "what another mass changes: leave it out"
        )
    if not set(patient.schedule.ligands) <= set(ligands):
        return
    try:
        patient_model(patient)
    except ModelError as error:
        yield f"{FILE_NAME}: {error}; rename it in both files, or leave it out"
