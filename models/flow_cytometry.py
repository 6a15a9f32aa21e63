"""Receptors before and after a drug, from the fluorescence of an antibody on cells.

Geometric means are what cytometers report, replicates (at least three) scatter in
proportion, and the ratio of two levels is what multiplies a receptor number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pkmodels.errors import InputError
from pkmodels.values import Certainty, Prior, log_normal

_TWO_SIDED = 0.975
_NORMAL_QUANTILE = 1.959963984540054  # of 0.975
_FEWEST = 2


@dataclass(frozen=True)
class ReceptorRatio:
    """By what factor receptors changed, as a log-normal.

    Parameters
    ----------
    factor : float
        After over before; the median.
    log_standard_error : float
        Of ln factor.
    degrees_of_freedom : float
        By Welch and Satterthwaite.
    """

    factor: float
    log_standard_error: float
    degrees_of_freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the factor, by Student's t of its logarithm."""
        reach = self.log_standard_error * float(
            student.ppf(_TWO_SIDED, self.degrees_of_freedom)
        )
        return self.factor * math.exp(-reach), self.factor * math.exp(reach)

    def prior(self, source: str) -> Prior:
        """Return a log-normal prior of the factor with the same 95 % interval.

        Parameters
        ----------
        source : str
            The experiment.

        Returns
        -------
        Prior
            Without unit.

        Raises
        ------
        ModelError
            When the replicates do not scatter at all.
        """
        reach = math.log(self.interval[1] / self.factor)
        log_sd = reach / _NORMAL_QUANTILE
        return log_normal(self.factor, log_sd, "1", source, Certainty.DERIVED)


def receptor_ratio(
    before: Sequence[float] | np.ndarray,
    after: Sequence[float] | np.ndarray,
    isotype_before: Sequence[float] | np.ndarray,
    isotype_after: Sequence[float] | np.ndarray,
) -> ReceptorRatio:
    """Return by what factor surface receptors changed, with its uncertainty.

    Each replicate's geometric mean fluorescence less the mean of the isotype control of
    its side, x; ln factor = mean ln x_after - mean ln x_before, with the standard error
    sqrt(s_a^2 / n_a + s_b^2 / n_b) and Welch's degrees of freedom. The isotypes' own
    scatter is not in it: it matters where the signal is not well above them.

    Parameters
    ----------
    before, after : (n_replicates,) arrays
        Geometric mean fluorescence of each replicate, arbitrary unit, at least two.
    isotype_before, isotype_after : (n_controls,) arrays
        That of the isotype controls.

    Returns
    -------
    ReceptorRatio

    Raises
    ------
    InputError
        When there are fewer than two replicates, no control, or a replicate is not
        above its control: then no receptor was seen, and there is no factor.

    References
    ----------
    Welch, Biometrika 1947;34:28-35.

    Examples
    --------
    >>> ratio = receptor_ratio([820, 900, 860], [410, 470, 425], [52, 48, 50], [50])
    >>> round(ratio.factor, 3), [round(x, 2) for x in ratio.interval]
    (0.475, [0.4, 0.56])
    >>> print(ratio.prior("12G5, 48 h of a drug"))
    log-normal, median 0.474675, sd of ln 0.0832 (derived: 12G5, 48 h of a drug)
    """
    sides = []
    for name, given, control in (
        ("before", before, isotype_before),
        ("after", after, isotype_after),
    ):
        signal, background = np.asarray(given, float), np.asarray(control, float)
        if signal.size < _FEWEST or background.size == 0:
            raise InputError(
                f"{name} has {signal.size} replicates and {background.size} isotype "
                "controls: give two replicates at least, and a control"
            )
        net = signal - background.mean()
        if not (np.isfinite(net) & (net > 0.0)).all():
            raise InputError(
                f"{name}: a replicate of {signal} is not above the isotype control "
                f"({background.mean():g}), so that no receptor was seen and no factor "
                "can be given"
            )
        sides.append(np.log(net))
    first, second = sides
    variances = [side.var(ddof=1) / side.size for side in sides]
    total = variances[0] + variances[1]
    parts = [v**2 / (s.size - 1) for v, s in zip(variances, sides, strict=True)]
    freedom = total**2 / sum(parts) if total > 0.0 else first.size + second.size - 2.0
    return ReceptorRatio(
        math.exp(second.mean() - first.mean()), math.sqrt(total), float(freedom)
    )
