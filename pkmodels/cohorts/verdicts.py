"""Verdicts: what the tests say of the ranks of each quantity."""

from dataclasses import dataclass

from pkmodels.cohorts.calibration import Calibration, Ranks
from pkmodels.cohorts.rank_tests import (
    chi_square_p,
    coverage_p,
    covered,
    ecdf_p,
)
from pkmodels.errors import InputError

LEVEL = 0.95


@dataclass(frozen=True)
class Verdict:
    """The tests of one quantity: exact, but for that of equal bins.

    Parameters
    ----------
    name : str
        Of the quantity.
    n : int
        Patients with a rank.
    ecdf_p, chi_square_p, coverage_p : float or None
        Of uniform ranks, of equal bins, and of the 95 % interval's coverage; None where
        there are too few patients.
    covered : int
        Truths in their central 95 % of the ranks.
    least, most : float
        Share of truths covered of all patients, were every refused, failed or unranked
        one missed, or covered.
    """

    name: str
    n: int
    ecdf_p: float | None
    chi_square_p: float | None
    coverage_p: float | None
    covered: int
    least: float
    most: float


def judge(calibration: Calibration) -> tuple[Verdict, ...]:
    """Test every quantity.

    Parameters
    ----------
    calibration : Calibration
        From `read_calibration`.

    Returns
    -------
    tuple of Verdict
        Of k quantities, expect one p below 0.05 in 20: their least p times k is that of
        all together (Bonferroni), at most 1.
    """
    return tuple(_judged(each, calibration.total) for each in calibration.quantities)


def _judged(found: Ranks, total: int) -> Verdict:
    n = found.ranks.size
    if n == 0:
        return Verdict(found.name, 0, None, None, None, 0, 0.0, 1.0)
    held = int(covered(found.ranks, found.draws, LEVEL).sum())
    try:
        chi_square = chi_square_p(found.ranks, found.draws)
    except InputError:
        # Fewer than ten patients fill no two bins.
        chi_square = None
    return Verdict(
        name=found.name,
        n=n,
        ecdf_p=ecdf_p(found.ranks, found.draws),
        chi_square_p=chi_square,
        coverage_p=coverage_p(held, n, LEVEL),
        covered=held,
        least=held / total,
        most=(held + total - n) / total,
    )
