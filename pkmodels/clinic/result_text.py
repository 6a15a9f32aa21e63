"""A result in words and rounded numbers, for the terminal and the report alike."""

from dataclasses import dataclass

from pkmodels.clinic.result_format import (
    Checks,
    OrganResult,
    Result,
)
from pkmodels.clinic.result_records import DosePerActivity, Summary
from pkmodels.clinic.rounding import (
    percent,
    rounded,
    share,
    with_interval,
)

# Below this contraction the data hardly narrowed the prior.
UNINFORMED = 0.2
UNKNOWN = "unknown"
ACCEPTED_WITHOUT_SCANS = (
    "ACCEPTED WITHOUT SCANS: of these limits a cohort speaks, not this patient's scans"
)

# How many factors of the variance are named in one line.
_MAIN_FACTORS = 3

QUANTITIES = {"absorbed_dose": "absorbed dose", "bed": "BED"}
# Whose variance a budget divides.
BUDGETED = {
    "absorbed_dose": "absorbed dose per activity",
    "bed": "BED at the safe activity",
}
# What no scan of activity can tell, by the kind of parameter.
STATED_KINDS = {
    "mass": "mass of",
    "calibration": "calibration of",
    "recovery": "recovery of",
}


@dataclass(frozen=True)
class OrganRow:
    """One row of the table of kinetics and dose, as text."""

    label: str
    tiac: str
    half_life: str
    dose: str
    after_last_scan: str


def trust(checks: Checks) -> str:
    """Say in one sentence whether the fit may be trusted.

    Parameters
    ----------
    checks : Checks
        The checks of the fit.

    Returns
    -------
    str
    """
    if checks.passed:
        return "The fit may be trusted as far as its checks reach: it passed them all."
    return (
        "The fit may NOT be trusted: it failed its checks. No kinetics, no dose and no "
        "safe activity is reported."
    )


def check_figures(checks: Checks) -> str:
    """List the figures behind the checks in one line.

    Parameters
    ----------
    checks : Checks
        The checks of the fit.

    Returns
    -------
    str
    """
    rhat = UNKNOWN if checks.rhat_max is None else f"at most {checks.rhat_max:.3f}"
    bulk, tail = (
        UNKNOWN if size is None else f"at least {size:.0f}"
        for size in (checks.ess_bulk_min, checks.ess_tail_min)
    )
    figures = [
        *([f"drawn by {checks.path.split(':')[0]}"] if checks.path else []),
        f"R-hat {rhat}",
        f"effective sample size {bulk} (bulk), {tail} (tail)",
        f"{checks.divergences} divergences",
        f"{checks.failed_solves} failed solves",
    ]
    if checks.attempts > 1:
        figures.append(f"{checks.attempts} attempts")
    return ", ".join(figures)


def check_notes(checks: Checks) -> tuple[str, ...]:
    """List why a fit failed its checks, and where the noise prior is in doubt.

    Parameters
    ----------
    checks : Checks
        The checks of the fit.

    Returns
    -------
    tuple of str
    """
    if not checks.noise_conflict:
        return tuple(checks.reasons)
    doubt = "The scatter of the data conflicts with the noise prior: "
    return (*checks.reasons, doubt + _joined(checks.noise_conflict))


def organ_rows(result: Result) -> dict[str, tuple[OrganRow, ...]]:
    """Return the table of kinetics and dose, by organ: one row per label.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    dict of str to tuple of OrganRow
    """
    return {
        organ: tuple(_organ_row(label, found) for label, found in labels.items())
        for organ, labels in result.organs.items()
    }


def received_scope(result: Result) -> str:
    """Say what the table of doses already received holds.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    str
    """
    without = ", without the history" if result.history else ""
    return f"Of the administrations in the file{without}."


def organ_notes(result: Result) -> tuple[str, ...]:
    """List what the table of kinetics and dose lacks, and at which activity it holds.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of str
    """
    missing: dict[str, list[str]] = {}
    activities = []
    for organ, labels in result.organs.items():
        for label, found in labels.items():
            if found.missing is not None:
                missing.setdefault(found.missing, []).append(f"{organ} ({label})")
            dose = found.absorbed_dose_per_activity_Gy_per_GBq
            if dose is not None and dose.at_activity_GBq is not None:
                activities.append(
                    f"{organ} ({label}): dose per activity holds at "
                    f"{rounded(dose.at_activity_GBq)} GBq"
                )
    lacking = [f"{_joined(where)}: {why}" for why, where in missing.items()]
    return (*lacking, *activities)


def dose_received_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """Return the dose that each organ already received, Gy, with its interval.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of (organ, dose), both str
    """
    return tuple(
        (organ, summary_text(dose))
        for organ, dose in result.dose_already_received_Gy.items()
    )


def summary_text(summary: Summary | DosePerActivity | None) -> str:
    """Return a posterior's median with its 95 % interval, or that it is unknown.

    Parameters
    ----------
    summary : Summary, DosePerActivity or None
        The posterior.

    Returns
    -------
    str

    Examples
    --------
    >>> summary_text(None)
    'unknown'
    """
    if summary is None:
        return UNKNOWN
    return with_interval(summary.median, summary.interval_95)


def main_uncertainties(result: Result) -> tuple[str, ...]:
    """Say in a line for each planned label what most of the binding dose's variance is.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of str
        One for each planned label whose binding limit has a budget.
    """
    lines = []
    for label, safe in result.safe_activity.items():
        binding = safe.binding_limit or ""
        budget = result.budgets.get(label, {}).get(binding)
        if budget is None:
            continue
        largest = sorted(
            budget.factors.items(), key=lambda item: item[1].total, reverse=True
        )
        shares = ", ".join(
            f"{name} {share(part.total)}" for name, part in largest[:_MAIN_FACTORS]
        )
        lines.append(
            f"{binding} ({label}, {BUDGETED[budget.quantity]}): {shares} of the "
            "variance, with interactions"
        )
    return tuple(lines)


def budget_scope(result: Result) -> str | None:
    """Say that earlier history is not in the budgets, where there is one.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    str or None
        None where no history counts against a limit.
    """
    targets = dict.fromkeys(
        target
        for safe in result.safe_activity.values()
        for target in safe.history_counted
    )
    if not targets:
        return None
    return (
        f"Without the history of {_joined(list(targets))} and its sd, which count "
        "against the limit."
    )


def uninformed_parameters(result: Result) -> tuple[str, ...]:
    """List what the data could have told but did not, least informed first.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    tuple of str
        Kinetics and noise; masses, calibrations and recoveries are in `stated_alone`.
    """
    named = sorted(result.prior_contraction.items(), key=lambda item: item[1])
    return tuple(
        f"{name} ({max(contraction, 0.0):.2f})"
        for name, contraction in named
        if contraction < UNINFORMED and _kind(name) not in STATED_KINDS
    )


def stated_alone(result: Result) -> str | None:
    """Name what no scan could tell, so that it stands as the patient's file states it.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    str or None
        A sentence; None where the data told of all masses, calibrations and recoveries.
    """
    found: dict[str, dict[str, None]] = {kind: {} for kind in STATED_KINDS}
    for name, contraction in result.prior_contraction.items():
        if contraction < UNINFORMED and _kind(name) in found:
            of = name.removesuffix("]").partition("[")[2]
            found[_kind(name)][of.partition(",")[0]] = None
    said = [
        f"{STATED_KINDS[kind]} {_joined(list(of))}" for kind, of in found.items() if of
    ]
    if not said:
        return None
    return f"Stated by the patient's file, since no scan can tell: {'; '.join(said)}."


def _kind(name: str) -> str:
    return name.partition("[")[0]


def _organ_row(label: str, found: OrganResult) -> OrganRow:
    after = found.fraction_of_tia_after_last_scan
    return OrganRow(
        label=label,
        tiac=summary_text(found.tiac_h),
        half_life=summary_text(found.effective_half_life_h),
        dose=summary_text(found.absorbed_dose_per_activity_Gy_per_GBq),
        after_last_scan=UNKNOWN if after is None else percent(after.median),
    )


def _joined(names: list[str]) -> str:
    return ", ".join(names)
