"""What was learnt of a cohort, in words."""

from pkmodels.clinic.cohort_learning import LearntCohort
from pkmodels.fitting.reused_draws import VARIANCE_LIMIT


def correlation_lines(found: LearntCohort) -> list[str]:
    """Return each correlation that was learnt in words.

    Parameters
    ----------
    found : LearntCohort
        What was learnt.

    Returns
    -------
    list of str
    """
    names = [each.name for each in found.posterior.cohort.components]
    lines = []
    for each in found.correlations:
        low, middle, high = each.rho
        first, second = (names[i] for i in each.components)
        lines.append(
            f"correlation of {first} with {second} between patients: {middle:.2f} "
            f"({low:.2f} to {high:.2f})"
        )
    return lines


def reuse_line(found: LearntCohort) -> str:
    """Return how far the patients' draws bear out what was learnt.

    Parameters
    ----------
    found : LearntCohort
        What was learnt.

    Returns
    -------
    str
    """
    reuse = found.posterior.reuse
    told = (
        "the smoothing of the patients' draws moves each component alone by at most "
        f"{reuse.gaps.max():.2g} of its own uncertainty"
    )
    if reuse.together:
        return (
            f"{told}, and all together by at most {reuse.shifts.max():.2g} (variance "
            f"of the weights {reuse.variance:.2g})"
        )
    return (
        f"{told}; all together: NOT CHECKED against the draws, since the weights' "
        f"variance is {reuse.variance:.2g}, not below {VARIANCE_LIMIT:g}; in its place "
        "each patient's means and sds were"
    )


def learnt_lines(found: LearntCohort) -> list[str]:
    """Return what was learnt as lines of text.

    Parameters
    ----------
    found : LearntCohort
        What was learnt.

    Returns
    -------
    list of str
    """
    lines = [f"The next patient's prior, of {found.content.patients} patients:"]
    for name, of in found.learnt.items():
        given, own = of.prior.parameters, of.own.parameters
        lines.append(
            f"  {name}: median {given['median']:.3g} {of.prior.unit}".rstrip()
            + f", sd of ln {given['log_sd']:.2g} (own: {own['median']:.3g}, "
            f"{own['log_sd']:.2g}; {of.patients} patients)"
        )
    lines.append(f"  {reuse_line(found)}")
    lines += [f"  {each}" for each in correlation_lines(found)]
    shared = [table.shared_sd or 0.0 for table in found.content.parameter.values()]
    if max(shared, default=0.0) > 0.0:
        lines.append(
            f"  uptakes are widened by a shared calibration, sd of ln {max(shared):.2g}"
        )
    for name, why in found.kept.items():
        lines.append(f"  not learnt: {name}: {why}")
    for name, why in found.left_out.items():
        lines.append(f"  left out: {name}: {why}")
    for each in found.outliers:
        lines.append(
            f"  stands apart, or may: {each.member} in {each.component} "
            f"({each.told}): look at these scans"
        )
    return lines
