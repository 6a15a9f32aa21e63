"""Covariates: what weight, age or a category adds to a parameter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pkmodels.errors import InputError, check_kind, suggest

# Weight to which published allometry refers, kg: Anderson and Holford,
# Annu Rev Pharmacol Toxicol 2008;48:303-332.
ALLOMETRIC_WEIGHT_KG = 70.0


class EffectForm(StrEnum):
    """What a covariate x adds to a parameter on its scale, times the coefficient."""

    POWER = "power"  # ln(x / reference)
    EXPONENTIAL = "exponential"  # x - reference
    CATEGORY = "category"  # 1 where x is the level, 0 where it is not


@dataclass(frozen=True)
class CovariateEffect:
    """What a covariate of a subject adds to a parameter on the parameter's scale.

    On the log scale that multiplies it by (x / reference)^c, exp(c (x - reference)) or,
    in one category, exp(c). Of three categories two need an effect, one each: a subject
    of a category that is neither the reference nor any effect's is refused.

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
    level : str or None
        The category that the coefficient is of, as subjects have it to the letter;
        None of the other forms.

    Raises
    ------
    InputError
        When the reference or the level does not suit the form.

    Examples
    --------
    >>> races = [CovariateEffect("cl", "race", EffectForm.CATEGORY, "white", 0.0, True,
    ...                          level=level) for level in ("black", "asian")]
    >>> [(effect.name, effect.regressor("asian", "7")) for effect in races]
    [('race black on cl', 0.0), ('race asian on cl', 1.0)]
    """

    parameter: str
    covariate: str
    form: EffectForm
    reference: float | str
    coefficient: float
    estimated: bool
    level: str | None = None

    def __post_init__(self) -> None:
        """Check reference and level."""
        is_word = isinstance(self.reference, str)
        if is_word is not (self.form is EffectForm.CATEGORY) or (
            self.form is EffectForm.POWER and not float(self.reference) > 0.0
        ):
            raise InputError(
                f"the {self.form} effect of {self.covariate} on {self.parameter} has "
                f"the reference {self.reference!r}: give a word for a category, a "
                "number otherwise, above 0 for a power"
            )
        if (self.level is not None) is not is_word or self.level == self.reference:
            raise InputError(
                f"the {self.form} effect of {self.covariate} on {self.parameter} has "
                f"the level {self.level!r} and the reference {self.reference!r}: name "
                "the one category that a coefficient is of, another than the "
                "reference; other forms have no level"
            )

    @property
    def name(self) -> str:
        """What the coefficient is called."""
        level = "" if self.level is None else f" {self.level}"
        return f"{self.covariate}{level} on {self.parameter}"

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
            check_kind(
                f"{self.covariate} of subject {subject}", value, str, "give a word"
            )
            return float(value == self.level)
        kinds, remedy = (int, float, np.number), "give a number, without its unit"
        check_kind(f"{self.covariate} of subject {subject}", value, kinds, remedy)
        number, reference = float(value), float(self.reference)
        if not math.isfinite(number) or (
            self.form is EffectForm.POWER and number <= 0.0
        ):
            raise InputError(
                f"{self.covariate} of subject {subject} is {value}: the {self.form} "
                f"effect on {self.parameter} needs a finite number"
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


def check_categories(
    effects: Sequence[CovariateEffect], covariates: Mapping[str, object], subject: str
) -> None:
    """Refuse a category that is neither a reference nor one with an effect.

    Parameters
    ----------
    effects : sequence of CovariateEffect
        Of one model.
    covariates : mapping of str to float or str
        A subject's, on one occasion.
    subject : str
        Whose, for messages.

    Raises
    ------
    InputError
        When a category is unknown to the effects on a parameter.

    Examples
    --------
    >>> fed = CovariateEffect("ka", "fed", EffectForm.CATEGORY, "no", 0.0, True, "yes")
    >>> check_categories([fed], {"fed": "Yes"}, "7")
    Traceback (most recent call last):
    pkmodels.errors.InputError: fed of subject 7 is 'Yes', which has no effect on ka \
and is not its reference: did you mean 'yes'? Known: no, yes; or give it an effect
    """
    named: dict[tuple[str, str], list[str]] = {}
    for effect in effects:
        if effect.form is EffectForm.CATEGORY:
            of_one = named.setdefault((effect.covariate, effect.parameter), [])
            of_one += [str(effect.reference), str(effect.level)]
    for (covariate, parameter), levels in named.items():
        value = covariates[covariate]
        if value not in levels:
            raise InputError(
                f"{covariate} of subject {subject} is {value!r}, which has no effect "
                f"on {parameter} and is not its reference: "
                f"{suggest(str(value), dict.fromkeys(levels))}; or give it an effect"
            )


def check_told_apart(
    parameter: str, effects: Sequence[str], columns: np.ndarray, *, typical: bool
) -> None:
    """Refuse estimated effects that no covariates of these subjects can tell.

    Parameters
    ----------
    parameter : str
        What they act on.
    effects : sequence of n str
        Their names.
    columns : (n_rows, n) array
        What each coefficient is multiplied by, subject by subject.
    typical : bool
        Whether the parameter's typical value is estimated beside them.

    Raises
    ------
    InputError
        When a covariate never varies, or several vary only together.

    Examples
    --------
    >>> check_told_apart("cl", ["weight_kg on cl"], np.zeros((3, 1)), typical=True)
    Traceback (most recent call last):
    pkmodels.errors.InputError: the estimated effect 'weight_kg on cl' cannot be told: \
its covariate is the same in all subjects; hold it (estimated=False) or leave it out
    """
    remedy = "hold it (estimated=False) or leave it out"
    for name, column in zip(effects, columns.T, strict=True):
        same = np.ptp(column) == 0.0
        if same and (typical or column[0] == 0.0):
            raise InputError(
                f"the estimated effect {name!r} cannot be told: its covariate is the "
                f"same in all subjects; {remedy}"
            )
    beside = [np.ones((len(columns), 1))] if typical else []
    whole = np.concatenate([*beside, columns], axis=1)
    if np.linalg.matrix_rank(whole / np.linalg.norm(whole, axis=0)) < whole.shape[1]:
        raise InputError(
            f"the estimated effects {', '.join(map(repr, effects))} on {parameter} "
            "cannot be told apart: their covariates vary only together in these "
            f"subjects; of one of them, {remedy}"
        )
