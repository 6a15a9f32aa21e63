"""Population models: typical values, random effects and residual error."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from pkmodels.errors import InputError, check_kind, suggest
from pkmodels.population.covariates import CovariateEffect


class Scale(StrEnum):
    """The scale on which a parameter is typical value + effects, all added up."""

    LOG = "log"
    LOGIT = "logit"
    IDENTITY = "identity"


class ErrorForm(StrEnum):
    """How values scatter about what is predicted, f."""

    ADDITIVE = "additive"  # variance a^2
    PROPORTIONAL = "proportional"  # b^2 f^2
    COMBINED = "combined"  # a^2 + b^2 f^2
    LOG_NORMAL = "log-normal"  # of ln y about ln f: a^2


@dataclass(frozen=True)
class Typical:
    """A structural parameter of a subject whose covariates are at their references.

    Parameters
    ----------
    value : float
        Where estimation starts, or the value where it is not estimated; on no other
        scale than its own (ka, not ln ka). > 0 on the log scale, 0 to 1 on the logit.
    unit : str
        Its unit.
    scale : Scale
        On which effects add up.
    estimated : bool
        False holds it.

    Raises
    ------
    InputError
        When the value is not on the scale.

    Examples
    --------
    >>> Typical(1.5, "1/h").on_scale
    0.4054651081081644
    """

    value: float
    unit: str
    scale: Scale = Scale.LOG
    estimated: bool = True

    def __post_init__(self) -> None:
        """Check the value."""
        check_kind("the scale", self.scale, Scale, "write Scale.LOG, for one")
        low = -math.inf if self.scale is Scale.IDENTITY else 0.0
        high = 1.0 if self.scale is Scale.LOGIT else math.inf
        if not low < self.value < high:
            raise InputError(
                f"a typical value on the {self.scale} scale is {self.value}: it must "
                f"lie between {low} and {high}, both excluded"
            )

    @property
    def on_scale(self) -> float:
        """The value on its scale."""
        if self.scale is Scale.LOG:
            return math.log(self.value)
        if self.scale is Scale.LOGIT:
            return math.log(self.value / (1.0 - self.value))
        return self.value


@dataclass(frozen=True)
class Block:
    """Random effects that vary together, normal on their parameters' scales.

    Parameters
    ----------
    parameters : tuple of str
        Whose effects; one alone varies independently of all others.
    covariance : (n, n) nested tuple
        Where estimation starts, positive definite.

    Raises
    ------
    InputError
        When the covariance is none, or of another size.
    """

    parameters: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Check the covariance."""
        matrix = np.array(self.covariance, np.float64)
        size = len(self.parameters)
        proper = matrix.shape == (size, size) and np.allclose(matrix, matrix.T)
        if not proper or np.linalg.eigvalsh(matrix).min() <= 0.0:
            raise InputError(
                f"the covariance of {', '.join(self.parameters)} is "
                f"{self.covariance}: give a symmetric, positive definite matrix of "
                f"{size} by {size}"
            )


def independent(variances: Mapping[str, float]) -> tuple[Block, ...]:
    """Return random effects that are independent of one another.

    Parameters
    ----------
    variances : mapping of str to float
        Where estimation starts, by parameter, > 0.

    Returns
    -------
    tuple of Block

    Examples
    --------
    >>> [block.parameters for block in independent({"ka": 0.4, "cl": 0.1})]
    [('ka',), ('cl',)]
    """
    return tuple(Block((name,), ((value,),)) for name, value in variances.items())


def correlated(variances: Mapping[str, float]) -> tuple[Block, ...]:
    """Return random effects with all their covariances, which start at 0.

    Parameters
    ----------
    variances : mapping of str to float
        Where estimation starts, by parameter, > 0.

    Returns
    -------
    tuple of Block

    Examples
    --------
    >>> correlated({"cl": 0.1, "v": 0.2})[0].covariance
    ((0.1, 0.0), (0.0, 0.2))
    """
    rows = np.diag(list(variances.values())).tolist()
    return (Block(tuple(variances), tuple(map(tuple, rows))),)


@dataclass(frozen=True)
class ResidualError:
    """How values of an observable scatter about what is predicted.

    Parameters
    ----------
    form : ErrorForm
        The variance.
    additive : float or None
        a: where estimation starts, > 0, unit of the observable (of a log-normal error,
        1); None where the form has none.
    proportional : float or None
        b, likewise.
    unit : str
        Of the values, as tables and figures show it; empty where none is stated.

    Raises
    ------
    InputError
        When the form lacks one, or has no such one.
    """

    form: ErrorForm
    additive: float | None = None
    proportional: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        """Check that the numbers are those of the form."""
        wanted = (
            self.form is not ErrorForm.PROPORTIONAL,
            self.form in (ErrorForm.PROPORTIONAL, ErrorForm.COMBINED),
        )
        given = (("additive", self.additive), ("proportional", self.proportional))
        for needs, (name, value) in zip(wanted, given, strict=True):
            if needs is (value is None) or (value is not None and not value > 0.0):
                raise InputError(
                    f"a residual error that is {self.form} has {name} = {value}: "
                    + ("give it, above 0" if needs else "leave it out")
                )


@dataclass(frozen=True)
class PopulationModel:
    """How structural parameters and values scatter in a population.

    Of subject i on occasion k, on each parameter's own scale g,

        g(P_ik) = g(typical) + sum_c coefficient_c regressor_c(i, k) + eta_i + kappa_ik

    with eta_i ~ Normal(0, Omega) between subjects and kappa_ik ~ Normal(0, Pi) between
    a subject's occasions. It holds no priors: a hierarchical fit brings its own for the
    names of `pkmodels.population.coordinates.names_of`, and takes all else from here.

    Parameters
    ----------
    name : str
        What messages call it.
    typical : mapping of str to Typical
        Every structural parameter.
    between : tuple of Block
        Random effects between subjects.
    residual : mapping of str to ResidualError
        By observable.
    covariates : tuple of CovariateEffect
        Effects of covariates.
    occasions : tuple of Block
        Random effects between the occasions of one subject.

    Raises
    ------
    InputError
        When an effect is of an unknown parameter, a parameter has two random effects of
        one kind, there is no random effect, or nothing is observed.
    """

    name: str
    typical: Mapping[str, Typical]
    between: tuple[Block, ...]
    residual: Mapping[str, ResidualError]
    covariates: tuple[CovariateEffect, ...] = ()
    occasions: tuple[Block, ...] = field(default=())

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        if not self.between or not self.residual:
            raise InputError(
                f"population model {self.name!r} has "
                f"{'no random effect' if not self.between else 'no residual error'}: "
                "without both there is no population to estimate"
            )
        for what, blocks in (("subjects", self.between), ("occasions", self.occasions)):
            names = [name for block in blocks for name in block.parameters]
            for name in names:
                self._check_known(name, f"a random effect between {what}")
                if names.count(name) > 1:
                    raise InputError(
                        f"{name!r} has {names.count(name)} random effects between "
                        f"{what} in {self.name!r}: keep one"
                    )
        effects = [effect.name for effect in self.covariates]
        for effect in self.covariates:
            self._check_known(effect.parameter, f"the effect of {effect.covariate}")
            if effects.count(effect.name) > 1:
                raise InputError(f"{self.name!r} has {effect.name} twice: keep one")
            for other in self.covariates:
                same = (other.parameter, other.covariate, other.form) == (
                    effect.parameter,
                    effect.covariate,
                    effect.form,
                )
                if same and other.reference != effect.reference:
                    raise InputError(
                        f"{effect.name} refers to {effect.reference!r}, {other.name} "
                        f"to {other.reference!r}: give both one reference"
                    )

    def _check_known(self, name: str, what: str) -> None:
        if name not in self.typical:
            raise InputError(
                f"{what} is of {name!r}, which {self.name!r} does not have: "
                f"{suggest(name, self.typical)}"
            )


def effects_of(blocks: Sequence[Block]) -> tuple[str, ...]:
    """Return the parameters of blocks of random effects, in order.

    Parameters
    ----------
    blocks : sequence of Block
        Random effects.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> effects_of(independent({"ka": 0.4, "cl": 0.1}))
    ('ka', 'cl')
    """
    return tuple(name for block in blocks for name in block.parameters)
