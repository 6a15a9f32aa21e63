"""Reliance on a cohort: where it speaks of a patient's kinetics in the scans' place.

A scan narrows the prior of a parameter by its contraction c = 1 - var posterior / var
prior. On the scale of ln x, where prior and scan are normal, a patient who lies d sd of
the cohort away from its median is believed to lie at c d, and so the truth lies

    d sqrt(1 - c)

sd of the posterior away: 0.8 d where c is 0.3. With the library's wide priors d is
small for everybody; with a cohort's it is not for a patient of another population, and
no check of draws against their prior sees what no scan tells.
"""

from collections.abc import Iterator, Mapping

from pkmodels.clinic.cohort_prior import (
    cohort_parameters,
    fraction_of,
    half_life_of,
)
from pkmodels.clinic.patient import Patient
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.learning import contraction

# Contraction. Of a single scan whose time tells 0.3 or more, a patient whose kidneys
# release 3 times more slowly got no more than the activity that is safe of 90Y and
# 177Lu; one that tells 0.2 to 0.3, up to 1.13 times it (studies/department).
HEARD = 0.3
_NOT_NOTICED = (
    "a patient who is not as those of the cohort were, with failing kidneys say, would "
    "not be noticed, and the activity would be too high"
)


def unheard_parameters(patient: Patient, fit: Fit) -> dict[str, float]:
    """Return the parameters of which the cohort speaks and not the patient's scans.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to float
        Contraction against the cohort's prior, below `HEARD`, by parameter; empty
        without a cohort.
    """
    used = cohort_parameters(patient)
    if not used:
        return {}
    told = contraction(fit)
    return {name: told[name] for name in used if told[name] < HEARD}


def unheard_limits(patient: Patient, fit: Fit) -> dict[str, dict[str, float]]:
    """Return the limits of whose regions the cohort speaks and not the scans.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to dict of str to float
        By the limit's target: uptake fractions and half-lives of its regions, with
        their contraction.
    """
    unheard = unheard_parameters(patient, fit)
    found: dict[str, dict[str, float]] = {}
    for limit in patient.limits:
        names = [
            name
            for region in patient.regions_of(limit.target)
            for name in (fraction_of(region.name), half_life_of(region.name))
        ]
        own = {name: unheard[name] for name in names if name in unheard}
        if own:
            found[limit.target] = own
    return found


def reliance_refusal(patient: Patient, fit: Fit) -> str | None:
    """Say why no activity is given, where the cohort speaks of a limited region.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.

    Returns
    -------
    str or None
        None where the scans speak, or the file says why they need not.
    """
    unheard = unheard_limits(patient, fit)
    if not unheard or patient.without_scans_reason is not None:
        return None
    return (
        f"{'; '.join(_limit_texts(unheard))}: the cohort speaks, not this patient's "
        f"scans (contraction below {HEARD:g}), and a patient unlike it would not be "
        "noticed; scan once more (another_scan of the result says when), or say in "
        "[cohort_prior] without_scans_reason why none is needed"
    )


def accepted_without_scans(patient: Patient, fit: Fit) -> dict[str, str]:
    """Return the limits that the cohort speaks of, by the file's leave.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.

    Returns
    -------
    dict of str to str
        The file's reason, by the limit's target; empty where the scans speak.
    """
    reason = patient.without_scans_reason
    return {} if reason is None else dict.fromkeys(unheard_limits(patient, fit), reason)


def reliance_warnings(patient: Patient, fit: Fit) -> Iterator[str]:
    """Yield what of a patient's kinetics is the cohort's rather than the patient's own.

    Parameters
    ----------
    patient : Patient
        The patient.
    fit : Fit
        The fit.

    Yields
    ------
    str
        One sentence or two.
    """
    unheard = unheard_parameters(patient, fit)
    if unheard:
        yield (
            f"of {', '.join(unheard)} the cohort speaks, not this patient's scans "
            f"(contraction below {HEARD:g}): {_NOT_NOTICED}; one more late scan "
            "tells"
        )
    for target, reason in accepted_without_scans(patient, fit).items():
        yield (
            f"the activity rests on the cohort for {target}, not on this patient's "
            f"scans, and is given since the file accepts it: {reason}"
        )


def _limit_texts(unheard: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for target, of in unheard.items():
        named = (f"{name} (contraction {value:.2f})" for name, value in of.items())
        yield f"{target}, by {', '.join(named)}"
