"""Occasions as experiments: what is solved together, and what occasions share."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pkmodels.clinic.cohort_prior import check_usable, with_cohort
from pkmodels.clinic.joint_data import Occasion, StatedSharing
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_models import (
    PatientModel,
    measured_organs,
    patient_model,
    saturates,
)
from pkmodels.errors import InputError
from pkmodels.exact import ExactSystem, compile_exactly
from pkmodels.fitting.experiments import (
    Choice,
    Experiment,
    ParameterTable,
    share_parameters,
)
from pkmodels.fitting.fit import Fit
from pkmodels.models import organ_exchange
from pkmodels.saturable import SaturableSystem, compile_saturable, compile_schedule
from pkmodels.system import assemble
from pkmodels.values import Certainty, Prior, PriorSet, log_normal


def build_experiments(
    patient: Patient,
) -> tuple[tuple[Experiment, ...], ParameterTable]:
    """Return a patient's occasions with their kinetics, and what they share.

    Parameters
    ----------
    patient : Patient
        A patient that `check_answerable` let pass.

    Returns
    -------
    experiments : tuple of Experiment
        First the last occasion of the planned ligand, from which therapies are
        predicted, then the others in the order of time.
    table : ParameterTable
        What they share: all, but what the file says otherwise.

    Raises
    ------
    InputError
        When the file names a cohort of another model.
    """
    check_usable(patient)
    if not saturates(patient):
        return _exchanging(patient)
    experiments, priors, parameters = [], {}, {}
    for occasion in _in_order(patient):
        chosen = patient_model(patient, _ligand(occasion))
        experiments.append(_saturable(patient, occasion, chosen))
        parameters[occasion.name] = tuple(chosen.priors)
        priors |= chosen.priors
    linked, free = _choices(patient.sharings, priors)
    shared = {
        name: prior
        for name, prior in priors.items()
        if any(
            name in names and (occasion, name) not in free
            for occasion, names in parameters.items()
        )
    }
    table = share_parameters(parameters, PriorSet(shared, {}), linked=linked, free=free)
    return tuple(experiments), table


def _exchanging(patient: Patient) -> tuple[tuple[Experiment, ...], ParameterTable]:
    """Return the one experiment of organs that exchange with blood."""
    planned = any(plan.duration_h > 0.0 for plan in patient.plans)
    form = patient.schedule.form
    form = replace(form, infusions=form.infusions or planned)
    organs = measured_organs(patient)
    ligand = patient.schedule.ligands[0]
    model = organ_exchange.model(tuple(organs))
    compiled = compile_exactly(assemble(model, form))
    only = Experiment("dosimetry", compiled, patient.schedule, patient.measurements)
    priors = with_cohort(patient, organ_exchange.priors(ligand, organs))
    return (only,), share_parameters({only.name: compiled.parameters}, priors)


def _in_order(patient: Patient) -> list[Occasion]:
    planned, every = patient.plans[0].ligand, patient.occasions
    of_plan = [occasion for occasion in every if _ligand(occasion) == planned]
    first = (of_plan or every)[-1]
    return [first, *(o for o in every if o.name != first.name)]


def _ligand(occasion: Occasion) -> str:
    [ligand] = occasion.schedule.ligands
    return ligand


def _saturable(
    patient: Patient, occasion: Occasion, chosen: PatientModel
) -> Experiment:
    measured = tuple(
        item
        for item in patient.measurements
        if patient.occasion_of(item).name == occasion.name
    )
    varied = tuple(chosen.priors)
    infused = any(a.duration_h > 0.0 for a in occasion.schedule.administrations)
    planned = any(plan.duration_h > 0.0 for plan in patient.plans)
    shown = {name: chosen.model.observables[name] for name in chosen.regions}
    of_organs = replace(chosen.model, observables=shown)
    used = {str(parameter) for parameter in of_organs.parameters}
    return Experiment(
        occasion.name,
        compile_schedule(chosen.model, occasion.schedule, varied, chosen.fixed),
        occasion.schedule,
        measured,
        compile_saturable(
            of_organs,
            _ligand(occasion),
            varied,
            {name: value for name, value in chosen.fixed.items() if name in used},
            infusions=infused or planned,
        ),
    )


def _choices(
    stated: tuple[StatedSharing, ...],
    priors: Mapping[str, Prior],
) -> tuple[dict[Choice, Prior], dict[Choice, Prior]]:
    """Return what the file says is linked, and what is free, with their priors."""
    linked: dict[Choice, Prior] = {}
    free: dict[Choice, Prior] = {}
    for each in stated:
        choice = (each.occasion, each.parameter)
        if each.how == "linked":
            assert each.ratio_median is not None
            assert each.ratio_log_sd is not None
            linked[choice] = log_normal(
                each.ratio_median,
                each.ratio_log_sd,
                "",
                str(each.source),
                Certainty.STATED,
            )
        elif each.how == "free":
            free[choice] = priors[each.parameter]
    return linked, free


def kinetics_of(
    fit: Fit, ligand: str, occasion: str | None = None
) -> tuple[ExactSystem | SaturableSystem, np.ndarray]:
    """Return what predicts one dose of a ligand, and draws of its parameters.

    Parameters
    ----------
    fit : Fit
        A fit that passed its checks.
    ligand : str
        The ligand that is given.
    occasion : str or None
        Of several occasions of the ligand, the one on which it was given; None is the
        last one.

    Returns
    -------
    ExactSystem or SaturableSystem
        Its observables are the organs' regions.
    (n_draws, n_parameters) array

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    InputError
        When the ligand was on no occasion, or not on this one.
    """
    experiments = fit.posterior.experiments
    found = [
        e
        for e in experiments
        if len(experiments) == 1 or ligand in e.schedule.ligands
        if occasion in (None, e.name)
    ]
    if found:
        last = max(found, key=_start_h)
        return last.kinetics, fit.parameters(last.name)
    if occasion is not None:
        raise InputError(
            f"{ligand} was not given on the occasion {occasion!r}: name one of "
            f"{', '.join(e.name for e in experiments if ligand in e.schedule.ligands)}"
        )
    raise InputError(
        f"{ligand} was given on no occasion, so that nothing tells what it does: plan "
        f"one of {', '.join(x for e in experiments for x in e.schedule.ligands)}"
    )


def _start_h(experiment: Experiment) -> float:
    return min(a.time_h for a in experiment.schedule.administrations)


def measured_regions(fit: Fit) -> tuple[str, ...]:
    """Return the organs' regions whose activity a fit knows.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    tuple of str
    """
    return fit.posterior.experiments[0].kinetics.system.observables
