"""Identifiability of a patient's model: what its scans could tell, and what they do."""

import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.occasions import build_experiments
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import measured_organs, patient_model, saturates
from pkmodels.clinic.result_format import NOT_VALIDATED
from pkmodels.clinic.workflow import UNFINISHED, fit_and_assess
from pkmodels.errors import FitRefusedError
from pkmodels.identifiability.answers import StructuralIdentifiability
from pkmodels.identifiability.assessment import assess_structure
from pkmodels.identifiability.occasions import Curve, Occasion
from pkmodels.models import organ_exchange
from pkmodels.symbols import Parameter

if TYPE_CHECKING:
    from pkmodels.definition import Model
    from pkmodels.fitting.identifiability_answers import PracticalIdentifiability

# Typical models take less than three seconds.
BUDGET_S = 60.0


@dataclass(frozen=True, eq=False)
class Identification:
    """Both answers on the parameters of one patient's model.

    Parameters
    ----------
    patient_id, model : str
        Whose, and which.
    structural : StructuralIdentifiability or None
        None where `omitted` says why it was not asked.
    practical : PracticalIdentifiability
        Of the fit, with the structural verdicts in it.
    omitted : str or None
        Why.
    """

    patient_id: str
    model: str
    structural: StructuralIdentifiability | None
    practical: "PracticalIdentifiability"
    omitted: str | None

    def describe(self) -> str:
        """Return both answers as one table with its words."""
        lines = [f"Patient {self.patient_id}, model {self.model}", ""]
        lines.append(self.practical.describe())
        if self.omitted is not None:
            lines.append(f"Structural: not asked, since {self.omitted}.")
        elif self.structural is not None:
            lines += textwrap.wrap(_settled(self.structural), 110)
        return "\n".join([*lines, NOT_VALIDATED])


def _settled(found: StructuralIdentifiability) -> str:
    if found.reason:
        return f"Structural: undecided, since {found.reason}."
    return (
        "Structural: exact curves of the regions, labels and doses of this file, at "
        f"every time from its first scan on; rank {found.rank} of "
        f"{len(found.parameters)}; calibrations with a stated cv and what is held at "
        "its median count as known."
    )


def identify_patient(
    folder: Path, level: float, seed: int, console: Console
) -> Identification:
    """Fit a patient's measurements, and say what can be and is known of the kinetics.

    Parameters
    ----------
    folder : Path
        Holds patient.toml and measurements.csv.
    level : float
        Of the intervals, in (0, 1).
    seed : int
        Repeats a run exactly, >= 0.
    console : Console
        Where progress is shown.

    Returns
    -------
    Identification

    Raises
    ------
    InputError
        When the files or the question cannot be used.
    FitRefusedError
        When the fit failed its checks.
    SolveError
        When no best fit is found without the prior.
    """
    patient = read_patient(folder)
    check_answerable(patient)
    structural, omitted = structure_of(patient)
    from pkmodels.fitting.identifiability import identify

    unfinished = folder / "out" / f"{UNFINISHED}-identify"
    fitted, assessment = fit_and_assess(patient, seed, console, {}, unfinished)
    if assessment is None:
        raise FitRefusedError("; ".join(fitted.checks.reasons))

    def tell(done: int, total: int) -> None:
        console.print(f"Profiles: {done} of {total} parameters", style="dim")

    practical = identify(fitted, structural=structural, level=level, progress=tell)
    shutil.rmtree(unfinished, ignore_errors=True)
    name = fitted.posterior.compiled.system.name
    return Identification(patient.id, name, structural, practical, omitted)


def structure_of(
    patient: Patient, *, budget_s: float = BUDGET_S
) -> tuple[StructuralIdentifiability | None, str | None]:
    """Say what exact curves of a patient's regions, labels and doses would tell.

    Scales that are free (``cv = "free"``) are unknown, each region's its own.

    Parameters
    ----------
    patient : Patient
        A patient that `check_answerable` let pass.
    budget_s : float
        Time after which the answer is "undecided", s, > 0.

    Returns
    -------
    StructuralIdentifiability or None
        Of every kinetic parameter that is fitted, and of free scales.
    str or None
        Why it is None.
    """
    if patient.sharings:
        return None, "[[sharing]] links or frees parameters between occasions"
    if patient.overlaps:
        return None, "[overlap] mixes regions"
    experiments, _ = build_experiments(patient)
    free = {c.modality for c in patient.calibrations if c.cv is None}
    occasions, scales = [], {}
    for each in experiments:
        curves: dict[Curve, None] = {}
        for item in each.measurements:
            name = f"scale_{item.modality}_{item.region}"
            if item.modality not in free:
                curves[Curve(item.region, item.label)] = None
                continue
            scales[name] = Parameter(name, "1")
            curves[Curve(item.region, item.label, scales[name])] = None
        from_h = min(m.start_h for m in each.measurements)
        model = _model_of(patient, each.schedule.ligands[0])
        occasions.append(
            Occasion(each.name, model, each.schedule, tuple(curves), from_h)
        )
    unknown = [*dict.fromkeys(n for e in experiments for n in e.compiled.parameters)]
    found = assess_structure(occasions, [*unknown, *scales], budget_s=budget_s, seed=0)
    return found, None


def _model_of(patient: Patient, ligand: str) -> "Model":
    if saturates(patient):
        return patient_model(patient, ligand).model
    return organ_exchange.model(tuple(measured_organs(patient)))
