"""Simulated patients of a file: drawn from its priors, measured as it says, fitted.

Nothing of the file's values is used but their times, regions and modalities. A patient
is drawn from the very priors and noise that its fit assumes: what is held in a fit is
held in the truth. So calibration tests the inference, the solver's likelihood and the
way to the dose against each other; whether the model is that of a patient it does not
say.
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.compiled_fits import compile_once
from pkmodels.clinic.exposure import expose, prepare_dosimetry, targets_of
from pkmodels.clinic.folder_digests import check_unchanged
from pkmodels.clinic.occasions import measured_regions
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import saturates
from pkmodels.clinic.plans import last_scans_h
from pkmodels.clinic.question import build_posterior, draws_per_chain
from pkmodels.clinic.syringes import Syringe, syringe_given, syringe_of
from pkmodels.cohorts.calibration import Found, Truth
from pkmodels.errors import InputError, suggest
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.fit import Fit, fit
from pkmodels.fitting.posterior import FLOOR, Posterior
from pkmodels.fitting.prior_predictive import PriorPredictive, draw_prior_predictive
from pkmodels.fitting.sampling import Draws
from pkmodels.kernels.cache import keep_xla_programs

# Patients are drawn so many at once: one alone would take as long.
BLOCK = 100
# Seeds of truths, away from those of the fits, which are the patients' numbers: what
# begins a fit must not be the truth.
_TRUTH_SEED = 2**30
# Examples that are shipped: what `calibrate` is given instead of a folder.
EXAMPLES = {"clinic-default": "simulated_default", "pentixather": "simulated_ligand"}
_FILES = {".toml": "patient.toml", ".csv": "measurements.csv"}


@dataclass(frozen=True, eq=False)
class Measured:
    """A simulated patient's file, and the posterior of it.

    Parameters
    ----------
    patient : Patient
        With simulated values.
    posterior : Posterior
        Of them.
    """

    patient: Patient
    posterior: Posterior


def write_example(name: str, folder: Path) -> Path:
    """Write one of the shipped examples as a patient's folder.

    Parameters
    ----------
    name : str
        Of `EXAMPLES`.
    folder : Path
        Made where it does not exist.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        When there is no such example.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     read_patient(write_example("clinic-default", Path(name))).id
    'simulated'
    """
    if name not in EXAMPLES:
        raise InputError(f"no example {name!r}: {suggest(name, EXAMPLES)}")
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, file in _FILES.items():
        source = resources.files("pkmodels.clinic").joinpath(
            "templates", EXAMPLES[name] + suffix
        )
        (folder / file).write_text(source.read_text("utf-8"), "utf-8")
    return folder


def check_simulable(patient: Patient) -> None:
    """Refuse a file whose patients cannot be drawn from what its fit assumes.

    Parameters
    ----------
    patient : Patient
        The file that says what is given and measured.

    Raises
    ------
    InputError
        When a prior follows from the values measured, or a value is a limit of
        quantification.
    """
    check_answerable(patient)
    below = [m.source for m in patient.measurements if m.below]
    if below:
        raise InputError(
            f"{below[0]} is a limit of quantification: leave such rows out of a file "
            "that patients are simulated from"
        )
    if FLOOR in build_posterior(patient).all_priors:
        raise InputError(
            "the prior of the additive noise follows from the values measured, so that "
            "no truth can be drawn from it: leave sd blank and set [noise] floor = "
            "false in a file that patients are simulated from"
        )


def draw_truth(folder: str, digest: str, number: int) -> Truth:
    """Draw a patient, and what would be measured.

    Parameters
    ----------
    folder : str
        Of the file that says what is given and measured.
    digest : str
        Of `digest_folder` of it: what is drawn hangs on every file there.
    number : int
        Of the patient, >= 0.

    Returns
    -------
    Truth
        ``values``: every unknown, by PyMC variable and coordinate, and TIAC (h) and
        dose per activity (Gy/GBq) of every limited target, of labels given and
        planned. ``state``: the values that are measured.

    Raises
    ------
    InputError
        When its files are no longer those, or the draw of its prior cannot be solved.
    """
    patient, posterior = _file(folder, digest)
    block, place = divmod(number, BLOCK)
    drawn = _drawn(folder, digest, block)
    if place >= len(drawn.values):
        # Which one failed is not known; that so many are lost is.
        raise InputError(
            f"patient {number}: {drawn.failed} of {BLOCK} draws of the prior cannot be "
            "solved, so that the last ones of this block are missing"
        )
    variables = {n: x[place][None, None] for n, x in drawn.variables.items()}
    none = np.zeros((1, 1))
    draws = Draws(variables, none[..., None], none.astype(bool), np.nan)
    truth = Fit(posterior, draws, _TRUSTED, _TRUTH_SEED + number)
    found = quantities(patient, truth)
    values = {name: float(each[0, 0]) for name, each in found.items()}
    return Truth(values, drawn.values[place])


# Of a truth, which nothing was drawn for by a sampler.
_TRUSTED = Checks(None, None, None, 0, 0, (), 1, (), path="the truth")


def measure(folder: str, digest: str, truth: Truth, number: int) -> Measured:
    """Return the file of a patient that was drawn.

    Parameters
    ----------
    folder, digest : str
        As of `draw_truth`.
    truth : Truth
        From it.
    number : int
        Of the patient.

    Returns
    -------
    Measured
    """
    patient, posterior = _file(folder, digest)
    rows = posterior.observations.measurements
    # The posterior has them by occasion, the file by line.
    value_of = {m.source: float(v) for m, v in zip(rows, truth.state, strict=True)}
    assert len(value_of) == len(rows), "each row has a line of its own"
    measurements = tuple(
        replace(m, value=value_of[m.source]) for m in patient.measurements
    )
    own = replace(patient, id=f"simulated {number}", measurements=measurements)
    return Measured(own, build_posterior(own))


def fit_measured(data: Measured, number: int) -> Found:
    """Fit a simulated patient as the clinic does.

    Parameters
    ----------
    data : Measured
        From `measure`.
    number : int
        Of the patient: the seed.

    Returns
    -------
    Found
    """
    keep_xla_programs()
    patient = data.patient
    each = draws_per_chain(patient.confidence, saturable=saturates(patient))
    fitted = fit(
        data.posterior,
        seed=number,
        draws_per_chain=each,
        compiled=compile_once(data.posterior),
    )
    if not fitted.checks.passed:
        return Found({}, "; ".join(fitted.checks.reasons))
    weighted = fitted.checks.khat is not None
    size = fitted.checks.ess_bulk_min if weighted else None
    return Found(quantities(patient, fitted), None, size)


def quantities(patient: Patient, fitted: Fit) -> dict[str, np.ndarray]:
    """Return draws of every unknown, and of the kinetics and dose of limited targets.

    Parameters
    ----------
    patient : Patient
        The patient.
    fitted : Fit
        A fit that passed its checks.

    Returns
    -------
    dict of str to (n_chains, n_draws) array
    """
    found: dict[str, np.ndarray] = {}
    for variable, group in fitted.posterior.all_priors.items():
        for i, name in enumerate(group):
            drawn = fitted.draws.variables[variable][..., i]
            found[f"{variable}: {name}"] = drawn
    shape = fitted.draws.diverging.shape
    for syringe in _syringes(patient):
        exposures = _exposures(patient, fitted, syringe)
        for limit in patient.limits:
            exposure = exposures[limit.target]
            what = f"{syringe.label} {limit.target}"
            found[f"TIAC {what}"] = exposure.tiac_h.reshape(shape)
            if exposure.dose_Gy_per_GBq is not None:
                found[f"dose {what}"] = exposure.dose_Gy_per_GBq.reshape(shape)
    return found


def _syringes(patient: Patient) -> list[Syringe]:
    """Return what was given and what is planned, each label once."""
    every = [syringe_given(patient, n, a) for n, a in patient.schedule.labelled]
    every += [syringe_of(patient, plan) for plan in patient.plans]
    return list({syringe.label: syringe for syringe in every}.values())


def _exposures(patient: Patient, fitted: Fit, syringe: Syringe) -> dict[str, Any]:
    """Return the exposures to one syringe, without BED and without other models."""
    count = fitted.draws.diverging.size
    targets = targets_of(patient, measured_regions(fitted))
    ones = dict.fromkeys(targets, np.ones(count))
    dosimetry = prepare_dosimetry(patient, fitted, (syringe.label,), {}, ones)
    return dict(
        expose(fitted, dosimetry, syringe, last_scans_h(patient, syringe.ligand))
    )


@cache
def _file(folder: str, digest: str) -> tuple[Patient, Posterior]:
    """Return what a folder says, kept in this process for as long as it says that."""
    patient = read_patient(Path(folder))
    # After it: what was read is then what the digest is of.
    check_unchanged(Path(folder), digest)
    check_simulable(patient)
    return patient, build_posterior(patient)


@cache
def _drawn(folder: str, digest: str, block: int) -> PriorPredictive:
    _, posterior = _file(folder, digest)
    return draw_prior_predictive(posterior, BLOCK, seed=_TRUTH_SEED + block)
