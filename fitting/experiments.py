"""Experiments: occasions on which something was given and measured, fitted together.

Each experiment has its own kinetics, doses and measurements. What a parameter of one
has to do with that of another is a choice: it is shared, linked by a ratio that has a
prior, or free. `share_parameters` makes the choice a table, `describe` prints it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pkmodels.errors import ModelError, suggest
from pkmodels.exact import ExactSystem
from pkmodels.measurements import Measurement
from pkmodels.saturable import SaturableSystem
from pkmodels.schedule import Schedule
from pkmodels.values import Family, Prior, PriorSet


@dataclass(frozen=True)
class Experiment:
    """One occasion: what was given, what it does, and what was measured.

    Parameters
    ----------
    name : str
        Its name: "68Ga PET", "therapy".
    compiled : ExactSystem or SaturableSystem
        The kinetics. Nothing of another experiment's doses is left in it.
    schedule : Schedule
        What was given; times are h after the experiment's own zero.
    measurements : tuple of Measurement
        What was measured, at times from the same zero.
    predictor : ExactSystem or SaturableSystem or None
        The same kinetics, of the same parameters, for predictions of one dose, where
        `compiled` is of several doses or shows what is no organ.
    """

    name: str
    compiled: ExactSystem | SaturableSystem
    schedule: Schedule
    measurements: tuple[Measurement, ...]
    predictor: ExactSystem | SaturableSystem | None = None

    @property
    def kinetics(self) -> ExactSystem | SaturableSystem:
        """What predicts one dose."""
        return self.compiled if self.predictor is None else self.predictor


class Sharing(StrEnum):
    """What a parameter of one experiment has to do with the others'."""

    SHARED = "shared"
    LINKED = "linked"
    FREE = "free"


@dataclass(frozen=True)
class ParameterUse:
    """How one parameter of one experiment is made of unknowns.

    Parameters
    ----------
    experiment, parameter : str
        Whose.
    sharing : Sharing
        What it has to do with the other experiments'.
    unknown : str
        The unknown that it is.
    ratio : str or None
        Of a linked one: the unknown that multiplies it, or its odds where it is a
        fraction.
    """

    experiment: str
    parameter: str
    sharing: Sharing
    unknown: str
    ratio: str | None = None


@dataclass(frozen=True)
class ParameterTable:
    """The unknowns of several experiments, and what each experiment makes of them.

    Parameters
    ----------
    uses : tuple of ParameterUse
        One for each parameter of each experiment, in the order of its vector.
    priors : PriorSet
        Of every unknown.

    Raises
    ------
    ModelError
        When an unknown has no prior, or a prior no unknown; when a member of a simplex
        is free, or experiments have different members of it.
    """

    uses: tuple[ParameterUse, ...]
    priors: PriorSet

    def __post_init__(self) -> None:
        """Match priors with unknowns, and keep fractions of one whole together."""
        _check_simplex(self.uses, self.priors.odds)
        ratios = [use.ratio for use in self.uses if use.ratio is not None]
        names = [*(use.unknown for use in self.uses), *ratios]
        self.priors.check(tuple(dict.fromkeys(names)))

    def of(self, experiment: str) -> tuple[ParameterUse, ...]:
        """Return the uses of one experiment, in the order of its parameters."""
        return tuple(use for use in self.uses if use.experiment == experiment)


def _check_simplex(uses: Sequence[ParameterUse], odds: Mapping[str, Prior]) -> None:
    """Refuse fractions that would not add up to 1, or would not be those shared."""
    members: dict[str, set[str]] = {}
    for use in uses:
        if use.parameter not in odds:
            continue
        if use.unknown != use.parameter:
            raise ModelError(
                f"{use.parameter} of {use.experiment!r} is free, but it is one of the "
                f"fractions of a whole ({', '.join(odds)}), whose sum could then "
                "exceed 1: link it, by a ratio of its odds"
            )
        members.setdefault(use.experiment, set()).add(use.parameter)
    for experiment, own in members.items():
        missing = [name for name in odds if name not in own]
        if missing:
            raise ModelError(
                f"experiment {experiment!r} lacks {', '.join(missing)}, one of the "
                f"fractions of a whole ({', '.join(odds)}): its others would not be "
                "those of the experiments that have it. Give each experiment the same "
                "regions"
            )


Choice = tuple[str, str]


def alone(experiment: Experiment, priors: PriorSet) -> ParameterTable:
    """Return the table of one experiment: every parameter is an unknown.

    Parameters
    ----------
    experiment : Experiment
        The only one.
    priors : PriorSet
        Of its parameters.

    Returns
    -------
    ParameterTable

    Raises
    ------
    ModelError
        When a prior is missing or unused.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> [use.unknown for use in worked_example.posterior().table.uses]
    ['half_life']
    """
    return share_parameters({experiment.name: experiment.compiled.parameters}, priors)


def share_parameters(
    parameters: Mapping[str, Sequence[str]],
    priors: PriorSet,
    *,
    linked: Mapping[Choice, Prior] | None = None,
    free: Mapping[Choice, Prior] | None = None,
) -> ParameterTable:
    """Return the table of what experiments share.

    A parameter that is named in neither `linked` nor `free` is shared by all
    experiments that have it.

    Parameters
    ----------
    parameters : mapping of str to sequence of str
        Each experiment's parameters, in the order of its vector.
    priors : PriorSet
        Of the shared parameters.
    linked : mapping of (str, str) to Prior
        By experiment and parameter: the log-normal prior of its ratio to the shared
        one; of a fraction, the ratio of the odds x / (1 - x).
    free : mapping of (str, str) to Prior
        By experiment and parameter: the prior of its own value.

    Returns
    -------
    ParameterTable

    Raises
    ------
    ModelError
        When an experiment or parameter is unknown, a link has nothing to refer to, or a
        prior is missing or unused.

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> def wide(unit):
    ...     return log_normal(1.0, 0.5, unit, "wide", Certainty.JUDGEMENT)
    >>> table = share_parameters(
    ...     {"PET": ("k_on", "sites"), "SPECT": ("k_on", "sites"), "90Y": ("sites",)},
    ...     PriorSet({"k_on": wide("L/(nmol h)"), "sites": wide("nmol")}, {}),
    ...     linked={("PET", "k_on"): wide("1")},
    ...     free={("90Y", "sites"): wide("nmol")},
    ... )
    >>> print(describe(table))
    parameter  PET                                  SPECT   90Y
    k_on       linked: k_on x (ratio of k_on, PET)  shared  -
    sites      shared                               shared  free: sites, 90Y
    <BLANKLINE>
    k_on                log-normal, median 1 L/(nmol h), sd of ln 0.5 (judgement: wide)
    sites               log-normal, median 1 nmol, sd of ln 0.5 (judgement: wide)
    ratio of k_on, PET  log-normal, median 1, sd of ln 0.5 (judgement: wide)
    sites, 90Y          log-normal, median 1 nmol, sd of ln 0.5 (judgement: wide)
    """
    linked, free = linked or {}, free or {}
    _check_choices(parameters, linked, free)
    uses, added = [], {}
    for experiment, names in parameters.items():
        for name in names:
            choice = (experiment, name)
            if choice in free:
                own = f"{name}, {experiment}"
                added[own] = free[choice]
                uses.append(ParameterUse(experiment, name, Sharing.FREE, own))
            elif choice in linked:
                ratio = f"ratio of {name}, {experiment}"
                added[ratio] = linked[choice]
                use = ParameterUse(experiment, name, Sharing.LINKED, name, ratio)
                uses.append(use)
            else:
                uses.append(ParameterUse(experiment, name, Sharing.SHARED, name))
    independent = {**priors.independent, **added}
    return ParameterTable(tuple(uses), PriorSet(independent, priors.odds))


def _check_choices(
    parameters: Mapping[str, Sequence[str]],
    linked: Mapping[Choice, Prior],
    free: Mapping[Choice, Prior],
) -> None:
    for experiment, name in (*linked, *free):
        if experiment not in parameters:
            raise ModelError(
                f"{name}: there is no experiment {experiment!r}: "
                f"{suggest(experiment, list(parameters))}"
            )
        if name not in parameters[experiment]:
            raise ModelError(
                f"experiment {experiment!r} has no parameter {name!r}: "
                f"{suggest(name, list(parameters[experiment]))}"
            )
    for both in set(linked) & set(free):
        raise ModelError(f"{both[1]} of {both[0]!r} is both linked and free: choose")
    for (experiment, name), prior in linked.items():
        if prior.family is not Family.LOG_NORMAL:
            raise ModelError(
                f"the ratio of {name} of {experiment!r} needs a log-normal prior; got "
                f"{prior}"
            )
        if not any(
            name in names and (other, name) not in linked and (other, name) not in free
            for other, names in parameters.items()
        ):
            raise ModelError(
                f"{name} of {experiment!r} is linked, but no experiment has {name} as "
                "shared: a ratio needs something that it is the ratio to"
            )


def experiment_parameters(
    table: ParameterTable, experiment: str, unknowns: Mapping[str, Any]
) -> list[Any]:
    """Return an experiment's parameters, in the order of its vector.

    A shared or free parameter is its unknown u; a linked one is u r, or for a fraction
    o r / (1 + o r), o = u / (1 - u). Of a simplex, u is the ratio to the remainder, and
    the fraction is u_i r_i / (1 + sum u r).

    Parameters
    ----------
    table : ParameterTable
        What is made of what.
    experiment : str
        Whose parameters.
    unknowns : mapping of str to number, array or tensor
        Every unknown.

    Returns
    -------
    list of number, array or tensor

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal, logit_normal
    >>> ratio = log_normal(1.0, 0.5, "1", "wide", Certainty.JUDGEMENT)
    >>> share = logit_normal(0.5, 0.5, "wide", Certainty.JUDGEMENT)
    >>> table = share_parameters({"PET": ("kept",), "SPECT": ("kept",)},
    ...     PriorSet({"kept": share}, {}), linked={("PET", "kept"): ratio})
    >>> unknowns = {"kept": 0.5, "ratio of kept, PET": 3.0}
    >>> experiment_parameters(table, "PET", unknowns)
    [0.75]
    >>> experiment_parameters(table, "SPECT", unknowns)
    [0.5]
    """
    odds = {
        use.parameter: _linked(use, unknowns)
        for use in table.of(experiment)
        if use.unknown in table.priors.odds
    }
    total = 1.0 + sum(odds.values())
    found = []
    for use in table.of(experiment):
        if use.parameter in odds:
            found.append(odds[use.parameter] / total)
        elif use.ratio is None:
            found.append(unknowns[use.unknown])
        elif table.priors.independent[use.unknown].family is Family.LOGIT_NORMAL:
            fraction, ratio = unknowns[use.unknown], unknowns[use.ratio]
            found.append(fraction * ratio / (1.0 - fraction + fraction * ratio))
        else:
            found.append(_linked(use, unknowns))
    return found


def _linked(use: ParameterUse, unknowns: Mapping[str, Any]) -> Any:
    value = unknowns[use.unknown]
    return value if use.ratio is None else value * unknowns[use.ratio]


def describe(table: ParameterTable) -> str:
    """Return the table as text: who shares what, and every prior.

    Parameters
    ----------
    table : ParameterTable
        The table.

    Returns
    -------
    str

    Examples
    --------
    >>> from pkmodels.values import Certainty, log_normal
    >>> rate = log_normal(0.1, 0.5, "1/h", "wide", Certainty.JUDGEMENT)
    >>> priors = PriorSet({"release": rate}, {})
    >>> print(describe(share_parameters({"first": ("release",)}, priors)))
    parameter  first
    release    shared
    <BLANKLINE>
    release  log-normal, median 0.1 1/h, sd of ln 0.5 (judgement: wide)
    """
    experiments = list(dict.fromkeys(use.experiment for use in table.uses))
    names = list(dict.fromkeys(use.parameter for use in table.uses))
    words = {(u.experiment, u.parameter): use_in_words(table, u) for u in table.uses}
    rows = [["parameter", *experiments]]
    rows += [[n, *(words.get((e, n), "-") for e in experiments)] for n in names]
    priors = {**table.priors.independent, **table.priors.odds}
    return f"{_columns(rows)}\n\n{_columns([[n, str(p)] for n, p in priors.items()])}"


def use_in_words(table: ParameterTable, use: ParameterUse) -> str:
    """Return how an experiment's parameter is made of unknowns, as text.

    Parameters
    ----------
    table : ParameterTable
        The table.
    use : ParameterUse
        One of its uses.

    Returns
    -------
    str

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> table = worked_example.posterior().table
    >>> use_in_words(table, table.uses[0])
    'shared'
    """
    if use.sharing is Sharing.LINKED:
        own = table.priors.independent.get(use.unknown)
        fraction = own is None or own.family is Family.LOGIT_NORMAL
        of = "odds of " if fraction else ""
        return f"linked: {of}{use.unknown} x ({use.ratio})"
    return "shared" if use.sharing is Sharing.SHARED else f"free: {use.unknown}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
