"""Comparisons: radionuclides at their own safe activities, from the same draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from pkmodels.decision.burdens import AnyBurden, Burdens, SimulatedBurden
from pkmodels.decision.safe_activities import SafeActivity
from pkmodels.errors import InputError

# Gy/GBq, one a draw; or the activity of one cycle (GBq, one a draw) to Gy.
TumourDose = np.ndarray | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class LabelOutcome:
    """What one label gives at its own safe activity.

    Parameters
    ----------
    activity_GBq : float
        A*, GBq, of all cycles together.
    binding_limit : str
        The limit that binds there.
    tumour_dose_Gy : (n_draws,) array or None
        Absorbed dose of the tumour at A*, Gy; None without a tumour's dose.
    expected_tumour_dose_Gy : float or None
        Its mean.
    tumour_to_organ : (n_draws,) array or None
        Absorbed dose of the tumour over that of the binding organ, per draw; None
        without both.
    """

    activity_GBq: float
    binding_limit: str
    tumour_dose_Gy: np.ndarray | None
    expected_tumour_dose_Gy: float | None
    tumour_to_organ: np.ndarray | None


@dataclass(frozen=True, eq=False)
class LabelComparison:
    """Labels side by side, each at its own safe activity.

    Parameters
    ----------
    per_label : mapping of str to LabelOutcome
    probability_more : mapping of (str, str) to float
        P(the first label gives the tumour more dose than the second), for each pair
        whose doses are known.
    missing : tuple of str
        What could not be compared, and why.
    """

    per_label: Mapping[str, LabelOutcome]
    probability_more: Mapping[tuple[str, str], float]
    missing: tuple[str, ...]


def compare(
    decisions: Mapping[str, SafeActivity],
    burdens: Mapping[str, Burdens],
    tumour_doses: Mapping[str, TumourDose],
) -> LabelComparison:
    """Compare labels by what each gives the tumour at its own safe activity.

    Parameters
    ----------
    decisions : mapping of str to SafeActivity
        By label, all from the same draws.
    burdens : mapping of label to mapping of str to burden
        What each was decided on.
    tumour_doses : mapping of str to (n_draws,) array or callable
        By label: absorbed dose per activity, Gy/GBq, one a draw; or the activity of one
        cycle (GBq, one a draw) to the absorbed dose (Gy, one a draw). Empty without a
        tumour.

    Returns
    -------
    LabelComparison

    Raises
    ------
    InputError
        When the labels differ in their number of draws, or a label has no burdens.

    Examples
    --------
    >>> from pkmodels.decision import DoseLimit, dose_burden
    >>> from pkmodels.decision.safe_activities import safe_activity
    >>> limit = DoseLimit("kidneys", "absorbed_dose", 20.0)
    >>> lu = {"kidneys": dose_burden(limit, 0.0, np.linspace(0.4, 0.6, 1001))}
    >>> y = {"kidneys": dose_burden(limit, 0.0, np.linspace(1.6, 2.4, 1001))}
    >>> decisions = {"Lu-177": safe_activity(lu, confidence=0.95),
    ...              "Y-90": safe_activity(y, confidence=0.95)}
    >>> found = compare(decisions, {"Lu-177": lu, "Y-90": y},
    ...                 {"Lu-177": np.full(1001, 2.0), "Y-90": np.full(1001, 9.0)})
    >>> for label, outcome in found.per_label.items():
    ...     print(label, round(outcome.activity_GBq, 1),
    ...           round(outcome.expected_tumour_dose_Gy, 1))
    Lu-177 33.9 67.8
    Y-90 8.5 76.3
    >>> found.probability_more["Y-90", "Lu-177"]
    1.0
    """
    _check_draws(decisions, burdens, tumour_doses)
    found, missing = {}, []
    for label, answer in decisions.items():
        tumour = tumour_doses.get(label)
        if tumour is None:
            missing.append(
                f"{label}: no dose of a tumour is known, so that neither its dose at "
                "the safe activity nor its ratio to the limiting organ is given"
            )
        organ = burdens[label][answer.binding_limit]
        outcome, reason = _outcome(answer, organ, tumour)
        found[label] = outcome
        if reason is not None:
            missing.append(f"{label}: {reason}")
    doses = {
        label: outcome.tumour_dose_Gy
        for label, outcome in found.items()
        if outcome.tumour_dose_Gy is not None
    }
    more = {
        (one, other): float(np.mean(doses[one] > doses[other]))
        for one, other in permutations(doses, 2)
    }
    return LabelComparison(found, more, tuple(missing))


def _check_draws(
    decisions: Mapping[str, SafeActivity],
    burdens: Mapping[str, Burdens],
    tumour_doses: Mapping[str, TumourDose],
) -> None:
    counts = {}
    for label, answer in decisions.items():
        if answer.binding_limit not in burdens.get(label, {}):
            raise InputError(
                f"{label} was decided on {answer.binding_limit!r}, of which no burden "
                "is given: give the burdens that safe_activity was given"
            )
        counts[label] = answer.activity_at_limit_GBq.size
    for label, dose in tumour_doses.items():
        if not callable(dose):
            counts[f"the tumour's dose of {label}"] = np.size(dose)
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"the numbers of draws differ ({listed}): labels are compared draw by "
            "draw, so give the same draws of all"
        )


def _outcome(
    answer: SafeActivity, organ: AnyBurden, tumour: TumourDose | None
) -> tuple[LabelOutcome, str | None]:
    """Return what a label gives, and why its ratio is missing if it is."""
    activity = answer.activity_GBq
    if tumour is None:
        return LabelOutcome(activity, answer.binding_limit, None, None, None), None
    shape = answer.activity_at_limit_GBq.shape
    if not callable(tumour):
        dose = tumour * activity
    elif activity > 0.0:
        dose = answer.cycles * tumour(np.full(shape, activity / answer.cycles))
    else:
        dose = np.zeros(shape)
    reason, ratio = None, None
    if isinstance(organ, SimulatedBurden) and organ.quantity == "bed":
        reason = (
            f"the limit of {answer.binding_limit} is simulated as BED, so that no "
            "ratio of absorbed doses to it is given"
        )
    elif activity == 0.0 and (callable(tumour) or isinstance(organ, SimulatedBurden)):
        reason = "no activity is safe, so that there are no doses to take a ratio of"
    elif isinstance(organ, SimulatedBurden):
        ratio = dose / (organ.at(activity) - organ.received)
    elif callable(tumour):
        ratio = dose / (organ.slope * activity)
    else:
        ratio = tumour / organ.slope  # both in proportion to the activity
    expected = float(np.mean(dose))
    return (
        LabelOutcome(activity, answer.binding_limit, dose, expected, ratio),
        reason,
    )
