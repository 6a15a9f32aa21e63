"""The assessment: a fit's draws turned into doses, limits and the safe activity."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pkmodels.clinic.cohort_reliance import reliance_refusal
from pkmodels.clinic.exposure import (
    Dosimetry,
    Exposure,
    expose,
    prepare_dosimetry,
    targets_of,
)
from pkmodels.clinic.occasions import measured_regions
from pkmodels.clinic.patient import Limit, Patient, Plan
from pkmodels.clinic.plans import last_scans_h, mass_changes, plans_to_compare
from pkmodels.clinic.received import Received, dose_limits, receive
from pkmodels.clinic.responses import draw_responses, organ_of
from pkmodels.clinic.syringes import syringe_given, syringe_of
from pkmodels.decision import (
    AnyBurden,
    Burdens,
    LabelComparison,
    PointEstimate,
    ProbabilityCurve,
    SafeActivity,
    activity_grid,
    bed_burden,
    compare,
    dose_burden,
    fractionate,
    point_estimate,
    probability_curve,
    safe_activity,
)
from pkmodels.errors import InputError
from pkmodels.fitting.checks import quantile_size
from pkmodels.fitting.fit import Fit
from pkmodels.values import log_sd_of_cv

# Streams of random numbers, one for each cause.
_RESPONSE_STREAM, _HISTORY_STREAM, _MODEL_STREAM, _MASS_STREAM = 2, 3, 4, 5


@dataclass(frozen=True, eq=False)
class Choice:
    """What is decided for one label.

    Parameters
    ----------
    plan : Plan
        The therapy; of a label that is only compared, the first plan's with its label.
    planned : bool
        Whether the file plans it.
    exposures : mapping of str to Exposure
        By region and group.
    burdens : mapping of str to Burden or SimulatedBurden
        By limit.
    decision : SafeActivity or None
        None where nothing bounds the activity, or `refused` says why none is given.
    point : PointEstimate or None
        What the median dose alone would allow.
    curve : ProbabilityCurve or None
        P(above a limit) against activity.
    refused : str or None
        Why no activity is given.
    """

    plan: Plan
    planned: bool
    exposures: Mapping[str, Exposure]
    burdens: Mapping[str, AnyBurden]
    decision: SafeActivity | None
    point: PointEstimate | None
    curve: ProbabilityCurve | None
    refused: str | None


@dataclass(frozen=True, eq=False)
class Assessment:
    """Everything that the result and the report say about one patient.

    Parameters
    ----------
    exposures : mapping of label to mapping of target to Exposure
        Of every label: as planned, else as it was given, else as it is compared.
    received : Received
        What was received before.
    choices : mapping of str to Choice
        By label: those planned, then those only compared.
    comparison : LabelComparison or None
        None where fewer than two labels have a safe activity.
    dosimetry : Dosimetry
        The S-values used.
    """

    exposures: Mapping[str, Mapping[str, Exposure]]
    received: Received
    choices: Mapping[str, Choice]
    comparison: LabelComparison | None
    dosimetry: Dosimetry

    @property
    def monte_carlo_error(self) -> float:
        """The largest relative Monte-Carlo error of a planned activity above 0."""
        decisions = [
            c.decision for c in self.planned.values() if c.decision is not None
        ]
        errors = [d.monte_carlo_error for d in decisions if d.activity_GBq > 0.0]
        return max(errors, default=0.0)

    @property
    def planned(self) -> dict[str, Choice]:
        """The choices that the file plans, by label."""
        return {n: choice for n, choice in self.choices.items() if choice.planned}


def assess(patient: Patient, fit: Fit) -> Assessment:
    """Turn a fit into doses and decide on the activity.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        A fit that passed its checks.

    Returns
    -------
    Assessment

    Raises
    ------
    FitRefusedError
        When the fit failed its checks.
    InputError
        When a limit needs a dose that is not known; `check_answerable` says why.
    SolveError
        When a draw cannot be solved.
    """
    plans = plans_to_compare(patient)
    given = [syringe_given(patient, n, a) for n, a in patient.schedule.labelled]
    wanted = dict.fromkeys([*given, *(syringe_of(patient, plan) for plan in plans)])
    labels = tuple(dict.fromkeys(syringe.label for syringe in wanted))
    dosimetry = _dosimetry(patient, fit, labels)
    exposures = {
        s: expose(fit, dosimetry, s, last_scans_h(patient, s.ligand)) for s in wanted
    }
    generator = np.random.default_rng([fit.seed, _HISTORY_STREAM])
    received = receive(patient, dosimetry, exposures, generator)
    effects = mass_effects(patient, fit)
    choices = {}
    for plan in plans:
        of_plan = exposures[syringe_of(patient, plan)]
        if mass_changes(patient, plan):
            of_plan = {n: _scaled(x, effects[n]) for n, x in of_plan.items()}
        choices[plan.label] = _choose(patient, fit, plan, of_plan, received, dosimetry)
    as_given = {s.label: exposures[s] for s in reversed(given)}
    of_choices = {n: choice.exposures for n, choice in choices.items()}
    as_planned = {n: of_choices[n] for n, choice in choices.items() if choice.planned}
    return Assessment(
        exposures=of_choices | as_given | as_planned,
        received=received,
        choices=choices,
        comparison=_compare(patient, choices),
        dosimetry=dosimetry,
    )


def _dosimetry(patient: Patient, fit: Fit, labels: tuple[str, ...]) -> Dosimetry:
    n_draws = fit.draws.diverging.size
    measured = measured_regions(fit)
    responses = draw_responses(
        patient,
        tuple(targets_of(patient, measured)),
        n_draws,
        [fit.seed, _RESPONSE_STREAM],
    )
    model_factors = _factors(patient, fit, patient.model_choice_cv, _MODEL_STREAM)
    return prepare_dosimetry(patient, fit, labels, responses, model_factors)


def _factors(
    patient: Patient, fit: Fit, cv: float | None, stream: int
) -> dict[str, np.ndarray]:
    """Draw a log-normal factor with median 1 for each organ; 1 where no cv is stated.

    What a model leaves out moves organs apart: a saturated tumour is not a kidney.
    """
    measured = measured_regions(fit)
    organs = {name: organ_of(patient, name) for name in targets_of(patient, measured)}
    log_sd = 0.0 if cv is None else log_sd_of_cv(cv)
    drawn = {}
    for number, organ in enumerate(sorted(set(organs.values()))):
        generator = np.random.default_rng([fit.seed, stream, number])
        normal = generator.standard_normal(fit.draws.diverging.size)
        drawn[organ] = np.exp(log_sd * normal)
    return {name: drawn[organ] for name, organ in organs.items()}


def mass_effects(patient: Patient, fit: Fit) -> dict[str, np.ndarray]:
    """Draw what another ligand mass may do to a planned dose; 1 if not stated.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        Whose seed and number of draws are used.

    Returns
    -------
    dict of str to (n_draws,) array
        By target, one for all regions of an organ.
    """
    return _factors(patient, fit, patient.ligand_mass_cv, _MASS_STREAM)


def _scaled(exposure: Exposure, factor: np.ndarray) -> Exposure:
    if exposure.dose_Gy_per_GBq is None:
        return exposure
    return replace(exposure, dose_Gy_per_GBq=exposure.dose_Gy_per_GBq * factor)


def _choose(
    patient: Patient,
    fit: Fit,
    plan: Plan,
    exposures: Mapping[str, Exposure],
    received: Received,
    dosimetry: Dosimetry,
) -> Choice:
    planned = plan in patient.plans
    why = (_tail_refusal(patient, plan, exposures), reliance_refusal(patient, fit))
    refused = "; ".join(each for each in why if each is not None) or None
    burdens = {} if refused else _burdens(patient, plan, exposures, received, dosimetry)
    if not burdens:
        return Choice(plan, planned, exposures, {}, None, None, None, refused)
    size = _effective_size(fit, burdens, patient.confidence)
    decision = safe_activity(
        burdens, confidence=patient.confidence, effective_size=size
    )
    can_show = bool(np.any(decision.activity_at_limit_GBq > 0.0))
    return Choice(
        plan=plan,
        planned=planned,
        exposures=exposures,
        burdens=burdens,
        decision=decision,
        point=point_estimate(burdens, decision),
        curve=probability_curve(burdens, activity_grid(decision)) if can_show else None,
        refused=None,
    )


def _tail_refusal(
    patient: Patient, plan: Plan, exposures: Mapping[str, Exposure]
) -> str | None:
    """Say which limited target has too much of its integral after the last scan."""
    for limit in patient.limits:
        share = float(np.median(exposures[limit.target].tail))
        if share > patient.tail.refuse_above:
            return (
                f"{limit.target}: {share:.0%} of the time-integrated activity of "
                f"{plan.label} lies after the last scan, where no scan tells it (tail: "
                f"the fitted rate); more than {patient.tail.refuse_above:.0%} is "
                "refused ([tail] refuse_above): scan later"
            )
    return None


def _effective_size(fit: Fit, burdens: Burdens, confidence: float) -> float:
    """Return how many independent draws the quantile that decides is worth."""
    reached = np.min(
        np.stack([b.activity_at_limit() for b in burdens.values()]), axis=0
    )
    return deciding_size(fit, reached, confidence)


def deciding_size(fit: Fit, reached: np.ndarray, confidence: float) -> float:
    """Return how many independent draws the quantile of an activity is worth.

    Draws that were resampled by weight look independent: of these it is no more than
    what the weights say of tails.

    Parameters
    ----------
    fit : Fit
        Whose draws.
    reached : (n_draws,) array
        Activity (GBq) at which each draw reaches a limit.
    confidence : float
        Of the decision, in (0, 1).

    Returns
    -------
    float
    """
    size = quantile_size(reached.reshape(fit.draws.diverging.shape), 1.0 - confidence)
    is_of_chains = bool(fit.draws.statistics)
    return size if is_of_chains else min(size, fit.checks.ess_tail_min or 0.0)


def _burdens(
    patient: Patient,
    plan: Plan,
    exposures: Mapping[str, Exposure],
    received: Received,
    dosimetry: Dosimetry,
) -> Mapping[str, AnyBurden]:
    burdens = {}
    for limit, of_limit in zip(patient.limits, dose_limits(patient), strict=True):
        exposure = exposures[limit.target]
        before = counted(patient, limit, received)
        dose = exposure.dose_Gy_per_GBq
        if dose is None or before is None:
            raise InputError(f"[limits.{limit.target}] needs a dose that is not known")
        if limit.quantity == "absorbed_dose":
            burdens[limit.target] = dose_burden(of_limit, before, dose)
            continue
        response = dosimetry.responses.get(limit.target)
        if response is None or exposure.protraction is None:
            raise InputError(f"[limits.{limit.target}] needs a BED that is not known")
        burdens[limit.target] = bed_burden(
            of_limit,
            before,
            dose,
            exposure.protraction,
            response.alpha_beta_Gy,
        )
    return fractionate(burdens, plan.cycles)


def counted(patient: Patient, limit: Limit, received: Received) -> np.ndarray | None:
    """Return what counts against a limit already, in its quantity.

    Parameters
    ----------
    patient : Patient
        The patient.
    limit : Limit
        One of its limits.
    received : Received
        What was received before.

    Returns
    -------
    (n_draws,) array or None
        Gy; None where it is not known.
    """
    history = received.history_Gy[limit.target]
    if not patient.count_administrations:
        return history
    of_file = received.dose_Gy if limit.quantity == "absorbed_dose" else received.bed_Gy
    given = of_file[limit.target]
    return None if given is None else history + given


def _compare(patient: Patient, choices: Mapping[str, Choice]) -> LabelComparison | None:
    decided = {n: c for n, c in choices.items() if c.decision is not None}
    if len(decided) < 2:
        return None
    tumours = tumours_of(patient, decided)
    doses = {}
    for label, choice in decided.items():
        each = [choice.exposures[name].dose_Gy_per_GBq for name in tumours]
        known = [dose for dose in each if dose is not None]
        if known and len(known) == len(each):
            doses[label] = np.mean(known, axis=0)
    return compare(
        {n: c.decision for n, c in decided.items() if c.decision is not None},
        {n: c.burdens for n, c in decided.items()},
        doses,
    )


def tumours_of(patient: Patient, choices: Mapping[str, Choice]) -> list[str]:
    """Return the tumour regions that were measured.

    Parameters
    ----------
    patient : Patient
        The patient.
    choices : mapping of str to Choice
        By label.

    Returns
    -------
    list of str
    """
    shown = next(iter(choices.values())).exposures
    return [r.name for r in patient.regions if r.organ == "tumour" and r.name in shown]
