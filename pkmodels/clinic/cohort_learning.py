"""From a cohort's results to the prior of its next patient."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pkmodels.clinic.cohort import PATIENTS, Cohort
from pkmodels.clinic.cohort_prior import (
    MODEL,
    compared_organs,
    measured_digest,
    parameter_keys,
    subject_digest,
)
from pkmodels.clinic.cohort_prior_file import FORMAT, CohortPriorFile, ParameterTable
from pkmodels.clinic.cohort_rows import BAD_INPUT, FAILED
from pkmodels.clinic.cohort_scale import shared_calibration
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import name_of
from pkmodels.errors import InputError
from pkmodels.fitting.cohort_correlations import Correlation, learn_correlations
from pkmodels.fitting.cohort_draws import (
    ENOUGH_DRAWS,
    Member,
    arrange_cohort,
    count_independent,
    read_kinetics,
)
from pkmodels.fitting.cohort_posterior import (
    LEAST_PATIENTS,
    CohortPosterior,
    learn_cohort,
)
from pkmodels.fitting.cohort_predictive import (
    LearntParameter,
    Outlier,
    find_outliers,
    predict_next,
)
from pkmodels.fitting.cohort_shared import with_shared_error
from pkmodels.models import organ_exchange
from pkmodels.values import Prior

HYPERPRIOR = (
    "the population's median as the model's own prior; its sd of ln x half-normal, of "
    "the scale of the own prior's sd; of a pair of kidneys the sds of sum and "
    "difference are half-normal, so that of one side it is their root mean square, as "
    "Rayleigh's distribution: small sds of a side are held for unlikely"
)
INDEPENDENT = (
    "parameters between patients, but for the same one of two kidneys; the sds of an "
    "organ's uptake and half-life are widened for their correlation by the factor "
    "given; uptakes' priors are widened by shared_sd, for a calibration that patients "
    "share; an error of recovery coefficients, which they may share too, is taken as "
    "another one in each"
)
_POSTERIOR = "posterior.nc"


@dataclass(frozen=True)
class LearntCohort:
    """What a cohort tells of its next patient.

    Parameters
    ----------
    content : CohortPriorFile
        What its file says.
    learnt : dict of str to LearntParameter
        By parameter.
    posterior : CohortPosterior
        Draws of the population, and how well the patients carry them.
    left_out : dict of str to str
        Patients' folders that were not used, and why.
    kept : dict of str to str
        Parameters that keep the model's own prior, and why.
    outliers : tuple of Outlier
        Patients who stand apart.
    correlations : tuple of Correlation
        Of an organ's uptake and half-life between patients.
    """

    content: CohortPriorFile
    learnt: dict[str, LearntParameter]
    posterior: CohortPosterior
    left_out: dict[str, str]
    kept: dict[str, str]
    outliers: tuple[Outlier, ...]
    correlations: tuple[Correlation, ...]


@dataclass(frozen=True)
class _Used:
    """A patient whose fit is used."""

    folder: str
    patient: Patient
    draws: dict


def learn_prior(
    folder: Path,
    out: Path,
    cohort: Cohort,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> LearntCohort:
    """Learn the population of a cohort's patients from the draws of their fits.

    Every fit that passed its checks is used, whether an activity was given or not: were
    those left out whose scans end too early for one, slow kinetics would be missing.

    Parameters
    ----------
    folder : Path
        Of the patients' folders.
    out : Path
        Of their results.
    cohort : Cohort
        What is known of them.
    seed : int
        Repeats the draws, >= 0.
    progress : callable, optional
        Called with (iterations done, iterations in all).

    Returns
    -------
    LearntCohort

    Raises
    ------
    InputError
        When they were given several ligands, or too few can be used.
    FitRefusedError
        When nothing can be learnt.
    """
    used, left_out = _used_of(folder, out, cohort)
    used, ill_mixed = _well_mixed(used)
    left_out |= ill_mixed
    ligands = sorted({each.patient.schedule.ligands[0] for each in used})
    if len(ligands) > 1:
        raise InputError(
            f"the cohort's patients were given {', '.join(ligands)}: what they tell is "
            "of one ligand; make a folder for each"
        )
    if len(used) < LEAST_PATIENTS:
        told = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise InputError(
            f"{len(used)} patients can be used, and a cohort is learnt from "
            f"{LEAST_PATIENTS} or more{f' (left out: {told})' if told else ''}"
        )
    organs, kept = _most_common_organs(used)
    shared = shared_calibration([each.patient for each in used])
    members = [_member(each, organs) for each in used]
    priors = _own_priors(ligands[0], used)
    arranged = arrange_cohort(members, priors, pairs=_pairs(priors))
    posterior = learn_cohort(arranged, seed=seed, progress=progress)
    correlations = learn_correlations(posterior, _together(priors), seed=seed)
    errors = _shared_errors(posterior, used, shared)
    learnt = predict_next(
        with_shared_error(posterior, errors), folder.resolve().name, correlations
    )
    content = _content(folder, used, left_out, organs, learnt, errors, posterior, seed)
    return LearntCohort(
        content,
        learnt,
        posterior,
        left_out,
        kept | posterior.left_out,
        find_outliers(posterior, seed=seed),
        correlations,
    )


def learn_shown(
    folder: Path, out: Path, cohort: Cohort, seed: int, console: Console
) -> LearntCohort:
    """Learn as `learn_prior` does, showing how far it is where there is a terminal.

    Parameters
    ----------
    folder, out, cohort, seed
        As of `learn_prior`.
    console : Console
        Where progress is shown.

    Returns
    -------
    LearntCohort
    """
    columns = (TextColumn("Learning"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return learn_prior(folder, out, cohort, seed, show)


def _used_of(
    folder: Path, out: Path, cohort: Cohort
) -> tuple[list[_Used], dict[str, str]]:
    """Return the patients whose fits are used, and why others' are not."""
    used: list[_Used] = []
    left_out: dict[str, str] = {}
    seen: dict[str, str] = {}
    for row in sorted(cohort.rows, key=lambda row: row.folder):
        found = _read(folder, out, row.folder, row.status)
        if isinstance(found, str):
            left_out[row.folder] = found
            continue
        marks = (subject_digest(found.patient.id), measured_digest(found.patient))
        twice = [seen[mark] for mark in marks if mark in seen]
        if twice:
            left_out[row.folder] = f"the same patient as {twice[0]}"
            continue
        seen |= dict.fromkeys(marks, row.folder)
        used.append(found)
    return used, left_out


def _read(folder: Path, out: Path, name: str, status: str) -> _Used | str:
    """Return a patient with the draws, or why it is not used."""
    path = out / PATIENTS / name / _POSTERIOR
    if status in (FAILED, BAD_INPUT) or not path.exists():
        return f"{status}: no fit"
    patient = read_patient(folder / name)
    if name_of(patient) != MODEL:
        return (
            f"fitted with {name_of(patient)}: what is fitted there hangs on the body "
            f"and the organs measured, so that cohorts are of {MODEL} only"
        )
    if patient.cohort_prior is not None:
        return "itself fitted with a cohort's prior: those patients would count twice"
    draws = read_kinetics(path)
    return "the fit failed its checks" if draws is None else _Used(name, patient, draws)


def _well_mixed(used: Sequence[_Used]) -> tuple[list[_Used], dict[str, str]]:
    """Return the patients with draws enough, and the others with the reason."""
    kept, ill = [], {}
    for each in used:
        priors = _own_priors(each.patient.schedule.ligands[0], [each])
        member = _member(each, compared_organs(each.patient))
        count = count_independent(member, priors, pairs=_pairs(priors))
        if count < ENOUGH_DRAWS:
            ill[each.folder] = (
                f"its fit is worth {count} independent draws, and {ENOUGH_DRAWS} are "
                "needed; all patients would be thinned to as many: fit it with more"
            )
        else:
            kept.append(each)
    return kept, ill


def _most_common_organs(
    used: Sequence[_Used],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return whose fractions are learnt together, and what of others is not used."""
    counted = Counter(compared_organs(each.patient) for each in used)
    [(organs, _)] = counted.most_common(1)
    others = [each.folder for each in used if compared_organs(each.patient) != organs]
    if not others:
        return organs, {}
    return organs, {
        "fractions of " + ", ".join(others): "these have other organs than "
        f"{', '.join(organs)}, so that what is eliminated is not the same"
    }


def _member(used: _Used, organs: tuple[str, ...]) -> Member:
    alike = compared_organs(used.patient) == organs
    fraction = organ_exchange.fraction_name("")
    return Member(
        used.folder,
        {
            key: used.draws[name]
            for name, key in parameter_keys(used.patient).items()
            if alike or not key.startswith(fraction)
        },
    )


def _shared_errors(
    posterior: CohortPosterior, used: Sequence[_Used], shared: float
) -> dict[str, float]:
    """Return the sd of ln of what patients share in each uptake's ratio."""
    start = organ_exchange.fraction_name("")
    ratios = [
        sum(np.median(of) for n, of in each.draws.items() if n.startswith(start))
        for each in used
    ]
    # Of the eliminated part, too: see pkmodels.fitting.cohort_shared.
    error = shared * (1.0 + float(np.median(ratios)))
    names = posterior.cohort.parameters
    return {name: error for name in names if name.startswith(start)}


def _own_priors(ligand: str, used: Sequence[_Used]) -> dict[str, Prior]:
    """Return the model's own prior of every parameter, by its name in the cohort."""
    found: dict[str, Prior] = {}
    for each in used:
        organs = {region.name: region.organ for region in each.patient.regions}
        keys = parameter_keys(each.patient)
        own = organ_exchange.priors(ligand, organs)
        both = {**own.independent, **own.odds}
        found |= {key: both[name] for name, key in keys.items()}
    return dict(sorted(found.items()))


def _pairs(priors: dict[str, Prior]) -> list[tuple[str, str]]:
    names = (organ_exchange.fraction_name, organ_exchange.half_life_name)
    pairs = [(name("kidney_left"), name("kidney_right")) for name in names]
    return [pair for pair in pairs if set(pair) <= set(priors)]


def _together(priors: dict[str, Prior]) -> list[tuple[str, str]]:
    """Return the uptake and the half-life of each organ."""
    start = organ_exchange.half_life_name("")
    organs = [name.removeprefix(start) for name in priors if name.startswith(start)]
    names = (organ_exchange.fraction_name, organ_exchange.half_life_name)
    both = [(names[0](organ), names[1](organ)) for organ in organs]
    return [each for each in both if set(each) <= set(priors)]


def _content(
    folder: Path,
    used: Sequence[_Used],
    left_out: dict[str, str],
    organs: tuple[str, ...],
    learnt: dict[str, LearntParameter],
    errors: dict[str, float],
    posterior: CohortPosterior,
    seed: int,
) -> CohortPriorFile:
    patients = [each.patient for each in used]
    given = [a for p in patients for a in p.schedule.administrations]
    masses = [a.ligand_mass_ug for a in given]
    known = [mass for mass in masses if mass is not None]
    return CohortPriorFile(
        format=FORMAT,
        cohort=folder.resolve().name,
        pkmodels=version("pkmodels"),
        seed=seed,
        model=MODEL,
        ligand=given[0].ligand,
        labels=sorted({a.label for a in given if a.label is not None}),
        ligand_mass_ug=[min(known), max(known)] if len(known) == len(masses) else None,
        patients=len(used),
        left_out=len(left_out),
        organs=list(organs),
        hyperprior=HYPERPRIOR,
        independent=INDEPENDENT,
        checked_together=posterior.reuse.together,
        subjects=sorted(subject_digest(p.id) for p in patients),
        measured=sorted(measured_digest(p) for p in patients),
        parameter={
            name: _table(of, errors.get(name, 0.0)) for name, of in learnt.items()
        },
    )


def _table(of: LearntParameter, shared: float) -> ParameterTable:
    given, own = of.prior.parameters, of.own.parameters
    return ParameterTable(
        unit=of.prior.unit,
        median=given["median"],
        log_sd=given["log_sd"],
        patients=of.patients,
        own_median=own["median"],
        own_log_sd=own["log_sd"],
        population_median=list(of.median),
        population_log_sd=list(of.spread),
        tail_ratio=of.tail_ratio,
        widened=of.widened,
        shared_sd=shared,
    )
