"""Covariates: what weight, age or a category adds to a parameter."""

import math
from dataclasses import dataclass
from enum import StrEnum

from pkmodels.errors import InputError, check_kind

# Weight to which published allometry refers, kg: Anderson and Holford,
# Annu Rev Pharmacol Toxicol 2008;48:303-332.
ALLOMETRIC_WEIGHT_KG = 70.0


class EffectForm(StrEnum):
    """What a covariate x adds to a parameter on its scale, times the coefficient."""

    POWER = "power"  # ln(x / reference)
    EXPONENTIAL = "exponential"  # x - reference
    CATEGORY = "category"  # 1 where x is not the reference


@dataclass(frozen=True)
class CovariateEffect:
    """What a covariate of a subject adds to a parameter on the parameter's scale.

    On the log scale that multiplies it by (x / reference)^c, exp(c (x - reference)) or,
    in a category other than the reference, exp(c).

    Parameters
    ----------
    parameter, covariate : str
        Of what, and by what.
    form : EffectForm
        How.
    reference : float or str
        Where there is no effect.
    coefficient : float
        c: where estimation starts, or the value where it is not estimated.
    estimated : bool
        False holds it.

    Raises
    ------
    InputError
        When the reference does not suit the form.
    """

    parameter: str
    covariate: str
    form: EffectForm
    reference: float | str
    coefficient: float
    estimated: bool

    def __post_init__(self) -> None:
        """Check the reference."""
        is_word = isinstance(self.reference, str)
        if is_word is not (self.form is EffectForm.CATEGORY) or (
            self.form is EffectForm.POWER and not float(self.reference) > 0.0
        ):
            raise InputError(
                f"the {self.form} effect of {self.covariate} on {self.parameter} has "
                f"the reference {self.reference!r}: give a word for a category, a "
                "number otherwise, above 0 for a power"
            )

    @property
    def name(self) -> str:
        """What the coefficient is called."""
        return f"{self.covariate} on {self.parameter}"

    def regressor(self, value: float | str, subject: str) -> float:
        """Return what the coefficient is multiplied by in a subject.

        Parameters
        ----------
        value : float or str
            The subject's covariate.
        subject : str
            Whose, for messages.

        Returns
        -------
        float

        Raises
        ------
        InputError
            When the value does not suit the form.

        Examples
        --------
        >>> round(allometry("cl", 0.75).regressor(35.0, "1"), 4)
        -0.6931
        """
        if self.form is EffectForm.CATEGORY:
            check_kind(f"{self.covariate} of {subject}", value, str, "give a word")
            return float(value != self.reference)
        number, reference = float(value), float(self.reference)
        if not math.isfinite(number) or (
            self.form is EffectForm.POWER and number <= 0.0
        ):
            raise InputError(
                f"{self.covariate} of {subject} is {value}: the {self.form} effect on "
                f"{self.parameter} needs a finite number"
                f"{' above 0' if self.form is EffectForm.POWER else ''}"
            )
        if self.form is EffectForm.POWER:
            return math.log(number / reference)
        return number - reference


def allometry(
    parameter: str,
    exponent: float,
    *,
    covariate: str = "weight_kg",
    reference_kg: float = ALLOMETRIC_WEIGHT_KG,
    estimated: bool = False,
) -> CovariateEffect:
    """Return the scaling of a parameter by (weight / reference)^exponent.

    Parameters
    ----------
    parameter : str
        Of what.
    exponent : float
        By theory 0.75 of a clearance and 1 of a volume.
    covariate : str
        The subject's body mass, kg.
    reference_kg : float
        Mass of the subject that typical values describe, kg, > 0.
    estimated : bool
        Whether the exponent is estimated, too.

    Returns
    -------
    CovariateEffect

    References
    ----------
    Anderson and Holford, Annu Rev Pharmacol Toxicol 2008;48:303-332.

    Examples
    --------
    >>> allometry("cl", 0.75).reference
    70.0
    """
    form = EffectForm.POWER
    return CovariateEffect(
        parameter, covariate, form, reference_kg, exponent, estimated
    )
