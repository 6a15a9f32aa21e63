"""Subjects: what was given to whom and measured, and its arrangement in arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from pkmodels.errors import InputError, suggest
from pkmodels.population.coordinates import coefficient_names
from pkmodels.population.designs import check_effects, design_of, effects_matrix
from pkmodels.population.responses import Response
from pkmodels.population.structure import (
    ErrorForm,
    PopulationModel,
)


@dataclass(frozen=True, eq=False)
class Occasion:
    """What was given to a subject at one time of life, and what was measured.

    Each occasion is solved by itself, from an empty body: what an earlier one left is
    no part of it.

    Parameters
    ----------
    response : Response
        What predicts it. Subjects that share one, and as many doses, are solved
        together.
    given : pytree of arrays
        What the response takes: `Doses` or `LabelCourse`.
    times_h : (n,) array
        When each value was measured, h.
    observables : tuple of n str
        What each value is of.
    values : (n,) array
        The values, unit of the observable.
    covariates : mapping of str to float or str
        Those that hold on this occasion only.

    Raises
    ------
    InputError
        When the lengths differ, there is no value, one is not finite, or an observable
        is unknown.
    """

    response: Response
    given: Any
    times_h: np.ndarray
    observables: tuple[str, ...]
    values: np.ndarray
    covariates: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values."""
        sizes = {len(self.times_h), len(self.observables), len(self.values)}
        if len(sizes) != 1 or not len(self.values):
            raise InputError(
                f"an occasion has {len(self.times_h)} times, {len(self.observables)} "
                f"observables and {len(self.values)} values: give one of each for "
                "every value, and one value at least"
            )
        both = np.isfinite(self.values) & np.isfinite(self.times_h)
        if not both.all():
            worst = int(np.argmin(both))
            raise InputError(
                f"value {worst + 1} of an occasion is {self.values[worst]} at "
                f"{self.times_h[worst]} h: leave out what was not measured; values "
                "below quantification are not supported here"
            )
        for name in set(self.observables) - set(self.response.observables):
            raise InputError(
                f"no observable {name!r}: {suggest(name, self.response.observables)}"
            )


@dataclass(frozen=True, eq=False)
class Subject:
    """A person or animal with occasions that share its random effects.

    Parameters
    ----------
    name : str
        Whose.
    occasions : tuple of Occasion
        One or more.
    covariates : mapping of str to float or str
        Those that hold on every occasion.
    """

    name: str
    occasions: tuple[Occasion, ...]
    covariates: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that one call solves.

    Parameters
    ----------
    response : Response
        What predicts them.
    rows : (n_runs,) array of int
        Their places among all runs, subject by subject.
    given : pytree of (n_runs, ...) arrays
        What was given.
    times_h : (n_runs, n_times) array
        Times of the solve, ascending, h.
    time, observable : (n_runs, n_values) arrays of int
        Which time and which observable each value is of.
    order : (n_parameters,) array of int
        Place of each of the response's parameters in the population model.
    """

    response: Response
    rows: np.ndarray
    given: Any
    times_h: np.ndarray
    time: np.ndarray
    observable: np.ndarray
    order: np.ndarray


@dataclass(frozen=True, eq=False)
class Arrangement:
    """All subjects as arrays, padded to the most occasions and values that one has.

    Parameters
    ----------
    names : tuple of str
        Of the subjects.
    values : (n_subjects, n_occasions, n_values) array
        The values; their logs where the error is log-normal; 0 where there is none.
    is_value : array of bool of that shape
        Where there is one.
    error : array of int of that shape
        Place of its residual error in the model.
    is_log : array of bool of that shape
        Whether it is the log of a value.
    times_h : array of that shape
        When it was measured.
    fixed : (n_subjects, n_occasions, n_parameters) array
        What is not estimated of each parameter, on its scale.
    design : (n_subjects, n_occasions, n_parameters, n_coefficients) array
        What the estimated typical values and coefficients are multiplied by.
    effects : (n_occasions, n_parameters, n_effects) array
        Which of a subject's random effects act on which parameter: first those between
        subjects, then those of each occasion.
    active : (n_active,) array of int
        The parameters that are estimated or vary.
    active_design, active_effects : arrays
        `design` and `effects` of these alone, by which derivatives are multiplied.
    groups : tuple of Group
        The runs.
    """

    names: tuple[str, ...]
    values: np.ndarray
    is_value: np.ndarray
    error: np.ndarray
    is_log: np.ndarray
    times_h: np.ndarray
    fixed: np.ndarray
    design: np.ndarray
    effects: np.ndarray
    active: np.ndarray
    active_design: np.ndarray
    active_effects: np.ndarray
    groups: tuple[Group, ...]

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return int(self.is_value.sum())

    @property
    def log_jacobian(self) -> float:
        """Sum of ln y over the values whose error is log-normal."""
        return float(self.values[self.is_log & self.is_value].sum())


def arrange(
    model: PopulationModel, subjects: Sequence[Subject], *, whole: bool = True
) -> Arrangement:
    """Return subjects as arrays for a population model.

    Parameters
    ----------
    model : PopulationModel
        What is estimated.
    subjects : sequence of Subject
        Two or more, of different names.
    whole : bool
        False where they are some of a population only: then one is enough, and others
        may have what these lack of the model's parameters and observables.

    Returns
    -------
    Arrangement

    Raises
    ------
    InputError
        When a subject lacks a covariate, or has one that does not suit its effect,
        covariates cannot tell an effect that is to be estimated, a response has a
        parameter that the model does not (or the model one that no response has), a
        value has no residual error or, with a log-normal one, is not above 0, or names
        repeat.

    Examples
    --------
    >>> from pkmodels.population import worked_example
    >>> found = arrange(worked_example.population(), worked_example.subjects())
    >>> found.values.shape, found.n_values, len(found.groups)
    ((6, 1, 6), 36, 1)
    """
    _check_subjects(model, subjects, whole)
    most = max(len(subject.occasions) for subject in subjects)
    width = max(len(o.values) for subject in subjects for o in subject.occasions)
    shape = (len(subjects), most, width)
    values, times, is_value = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    error = np.zeros(shape, int)
    errors = list(model.residual)
    forms = np.array([e.form is ErrorForm.LOG_NORMAL for e in model.residual.values()])
    for i, subject in enumerate(subjects):
        for k, occasion in enumerate(subject.occasions):
            n = len(occasion.values)
            values[i, k, :n], times[i, k, :n] = occasion.values, occasion.times_h
            is_value[i, k, :n] = True
            error[i, k, :n] = [errors.index(name) for name in occasion.observables]
    is_log = forms[error]
    _check_positive(subjects, values, is_value & is_log, times)
    logs = is_value & is_log
    values[logs] = np.log(values[logs])
    fixed, design = _design(model, subjects, most)
    if whole:
        check_effects(model, design)
    effects = effects_matrix(model, most)
    is_moved = np.any(design != 0.0, axis=(0, 1, 3)) | np.any(
        effects != 0.0, axis=(0, 2)
    )
    return Arrangement(
        names=tuple(subject.name for subject in subjects),
        values=values,
        is_value=is_value,
        error=error,
        is_log=is_log,
        times_h=times,
        fixed=fixed,
        design=design,
        effects=effects,
        active=np.flatnonzero(is_moved),
        active_design=design[:, :, is_moved],
        active_effects=effects[:, is_moved],
        groups=_groups(model, subjects, most, width),
    )


def _check_subjects(
    model: PopulationModel, subjects: Sequence[Subject], whole: bool
) -> None:
    names = [subject.name for subject in subjects]
    if len(names) < (2 if whole else 1) or len(set(names)) != len(names):
        raise InputError(
            f"a population of {', '.join(names) or 'nobody'}: give two subjects or "
            "more, of different names"
        )
    reached: set[str] = set()
    for subject in subjects:
        if not subject.occasions:
            raise InputError(f"subject {subject.name} has no occasion: leave it out")
        for occasion in subject.occasions:
            reached |= set(occasion.response.parameters)
            for name in occasion.response.parameters:
                if name not in model.typical:
                    raise InputError(
                        f"the response of subject {subject.name} needs {name!r}: give "
                        f"{model.name!r} its typical value; "
                        f"{suggest(name, model.typical)}"
                    )
            for name in set(occasion.observables) - set(model.residual):
                raise InputError(
                    f"{name!r} of subject {subject.name} has no residual error in "
                    f"{model.name!r}: {suggest(name, model.residual)}"
                )
    if not whole:
        return
    for name in model.typical:
        if name not in reached:
            raise InputError(
                f"{name!r} of {model.name!r} is a parameter of no subject's response: "
                f"{suggest(name, sorted(reached))}"
            )
    seen = {n for s in subjects for o in s.occasions for n in o.observables}
    for name in model.residual:
        if name not in seen:
            raise InputError(
                f"{model.name!r} has a residual error of {name!r}, which was not "
                f"measured: {suggest(name, sorted(seen))}"
            )


def _check_positive(
    subjects: Sequence[Subject], values: np.ndarray, logs: np.ndarray, times: np.ndarray
) -> None:
    for i, k, j in np.argwhere(logs & (values <= 0.0)):
        raise InputError(
            f"a value of subject {subjects[i].name} at {times[i, k, j]:g} h is "
            f"{values[i, k, j]:g}, and its error is log-normal: leave it out or give "
            "the error an additive part"
        )


def _design(
    model: PopulationModel, subjects: Sequence[Subject], most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts of each parameter that are held, and those that are not."""
    count = len(coefficient_names(model))
    fixed = np.zeros((len(subjects), most, len(model.typical)))
    design = np.zeros((*fixed.shape, count))
    for i, subject in enumerate(subjects):
        for k in range(most):
            occasion = subject.occasions[k if k < len(subject.occasions) else 0]
            known = {**subject.covariates, **occasion.covariates}
            fixed[i, k], design[i, k] = design_of(model, known, subject.name)
    return fixed, design


def _groups(
    model: PopulationModel, subjects: Sequence[Subject], most: int, width: int
) -> tuple[Group, ...]:
    """Return runs by what solves them; occasions that a subject lacks repeat one."""
    gathered: dict[Any, list[tuple[int, Occasion]]] = {}
    for i, subject in enumerate(subjects):
        for k in range(most):
            occasion = subject.occasions[k if k < len(subject.occasions) else 0]
            leaves, tree = jax.tree.flatten(occasion.given)
            shapes = tuple(np.shape(leaf) for leaf in leaves)
            key = (id(occasion.response), tree, shapes)
            gathered.setdefault(key, []).append((i * most + k, occasion))
    return tuple(_group(model, members, width) for members in gathered.values())


def _group(
    model: PopulationModel, members: list[tuple[int, Occasion]], width: int
) -> Group:
    response = members[0][1].response
    grids = [np.unique(occasion.times_h) for _, occasion in members]
    longest = max(len(grid) for grid in grids)
    time = np.zeros((len(members), width), int)
    observable = np.zeros((len(members), width), int)
    for row, ((_, occasion), grid) in enumerate(zip(members, grids, strict=True)):
        n = len(occasion.values)
        time[row, :n] = np.searchsorted(grid, occasion.times_h)
        time[row, n:] = time[row, 0]
        observable[row, :n] = [
            response.observables.index(x) for x in occasion.observables
        ]
        observable[row, n:] = observable[row, 0]
    given = [occasion.given for _, occasion in members]
    names = list(model.typical)
    return Group(
        response=response,
        rows=np.array([place for place, _ in members]),
        given=jax.tree.map(lambda *leaves: np.stack(leaves), *given),
        times_h=np.array([np.pad(g, (0, longest - len(g)), "edge") for g in grids]),
        time=time,
        observable=observable,
        order=np.array([names.index(name) for name in response.parameters]),
    )
