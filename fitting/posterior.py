"""The posterior: a PyMC model of one patient's measurements."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt

from pkmodels.errors import InputError, ModelError, suggest
from pkmodels.exact import ExactSystem
from pkmodels.fitting.expectations import CALIBRATION, MASS, OVERLAP, RECOVERY, expect
from pkmodels.fitting.experiments import (
    Experiment,
    ParameterTable,
    experiment_parameters,
)
from pkmodels.fitting.likelihood import add_likelihood, measured_rows
from pkmodels.fitting.noise import (
    BACKGROUND,
    check_degrees,
    noise_priors,
    noisy_modalities,
)
from pkmodels.fitting.observations import Observations
from pkmodels.fitting.priors import (
    half_normal_scales,
    half_normals,
    log_normals,
    logit_normals,
)
from pkmodels.fitting.sampling import Draws
from pkmodels.saturable import SaturableSystem
from pkmodels.values import Certainty, Family, Prior, PriorSet, log_normal

KINETICS, ODDS = "kinetics", "uptake_odds"
# Kinetic parameters that are fractions, each by itself.
PROPORTION = "proportion"
FRACTION, EXPECTED = "fraction", "expected"
FLOOR_SCALE = "noise_floor_scale"
NOISE, FLOOR = "relative_noise", "noise_floor"


@dataclass(frozen=True)
class Posterior:
    """Experiments, the priors of what is unknown, and how values scatter.

    Parameters
    ----------
    experiments : tuple of Experiment
        Kinetics, doses and measurements of each occasion. The first one is what
        predictions start from unless another is named.
    table : ParameterTable
        The unknowns, their priors, and what each experiment makes of them.
    observations : Observations
        The measurements as arrays.
    masses : mapping of str to Prior
        Log-normal prior of the mass (g) of each region whose mass is uncertain.
    exact_masses : mapping of str to float
        Mass (g) of each region whose mass is taken as exact.
    relative_noise : Prior
        Half-normal prior of the relative scatter of values, per modality.
    noise_floor : mapping of str to Prior
        Half-normal prior of the additive noise (in the value's unit) for each of
        ``observations.floors``; used where a value carries an sd, or everywhere with
        `floor_everywhere`.
    floor_everywhere : bool
        Whether every value has an additive noise.
    minimum_noise : float
        Relative noise that no value falls below, > 0.
    student_t_degrees : float or None
        Degrees of freedom, > 2, where residuals are Student's t rather than normal, so
        that outliers pull less; the noise is then its scale.
    maximum_excess : mapping of str to Prior
        For each modality with largest voxels (SUVmax): log-normal prior of x, where
        they are 1 + x times the mean.
    distributions : mapping of str to PyMC distribution
        Unknowns whose prior is any distribution of PyMC's, as
        ``{"k_off": pm.Gamma.dist(2.0, 0.5)}``; it replaces the table's prior.

    Raises
    ------
    ModelError
        When the table is not of these experiments' parameters, `maximum_excess` not
        of these measurements, or a distribution of no unknown.
    """

    experiments: tuple[Experiment, ...]
    table: ParameterTable
    observations: Observations
    masses: Mapping[str, Prior]
    exact_masses: Mapping[str, float]
    relative_noise: Prior
    noise_floor: Mapping[str, Prior]
    floor_everywhere: bool
    minimum_noise: float
    student_t_degrees: float | None = None
    maximum_excess: Mapping[str, Prior] = field(default_factory=dict)
    distributions: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Match the table with parameters, and concentrations with masses."""
        for experiment in self.experiments:
            needed = experiment.compiled.parameters
            found = tuple(use.parameter for use in self.table.of(experiment.name))
            if found != needed:
                raise ModelError(
                    f"the table has {', '.join(found) or 'nothing'} for experiment "
                    f"{experiment.name!r}, whose parameters are {', '.join(needed)}: "
                    "make it with share_parameters"
                )
        for region in self.observations.weighed:
            if region not in self.masses and region not in self.exact_masses:
                raise ModelError(
                    f"values of region {region!r} hang on its mass, which is missing: "
                    "give one"
                )
        for name in self.distributions:
            if name not in self.priors.independent:
                known = list(self.priors.independent)
                raise ModelError(
                    f"a distribution of {name!r}, which is no unknown: "
                    f"{suggest(name, known)}"
                )
        check_degrees(self.student_t_degrees)
        noise_priors(self.observations.noise, self.maximum_excess)

    @property
    def priors(self) -> PriorSet:
        """The priors of every unknown of the kinetics."""
        return self.table.priors

    @property
    def compiled(self) -> ExactSystem | SaturableSystem:
        """The kinetics of the first experiment."""
        return self.experiments[0].compiled

    @property
    def saturates(self) -> bool:
        """Whether any experiment is solved numerically, since ligand mass matters."""
        return any(isinstance(e.compiled, SaturableSystem) for e in self.experiments)

    def experiment(self, name: str | None = None) -> Experiment:
        """Return an experiment by name, the first one by default."""
        if name is None:
            return self.experiments[0]
        names = [experiment.name for experiment in self.experiments]
        if name not in names:
            raise InputError(f"no experiment {name!r}: {suggest(name, names)}")
        return self.experiments[names.index(name)]

    @property
    def additive(self) -> np.ndarray:
        """Which rows have additive noise, (n,) bool."""
        stated = np.isfinite(self.observations.sd)
        return (stated | self.floor_everywhere) & ~self.observations.noise.counted

    @property
    def noisy(self) -> tuple[str, ...]:
        """The modalities with relative noise, in order."""
        seen = self.observations
        return noisy_modalities(seen.noise, seen.modalities, seen.modality)

    @property
    def all_priors(self) -> dict[str, dict[str, Prior]]:
        """Every prior by PyMC variable and coordinate."""
        seen = self.observations
        used = {seen.floors[i] for i in seen.floor[self.additive]}
        floors = {n: self.noise_floor[n] for n in seen.floors if n in used}
        groups: dict[str, dict[str, Prior]] = {
            KINETICS: self._independent(Family.LOG_NORMAL),
            PROPORTION: self._independent(Family.LOGIT_NORMAL),
            ODDS: dict(self.priors.odds),
            CALIBRATION: dict(seen.calibrations),
            RECOVERY: {
                name: log_normal(1.0, sd, "", "by the patient's file", Certainty.STATED)
                for name, sd in seen.recoveries
            },
            MASS: dict(self.masses),
            OVERLAP: dict(seen.overlaps),
            **noise_priors(seen.noise, self.maximum_excess),
            NOISE: dict.fromkeys(self.noisy, self.relative_noise),
            FLOOR: floors,
        }
        return {name: group for name, group in groups.items() if group}

    def _independent(self, family: Family) -> dict[str, Prior]:
        return {
            name: prior
            for name, prior in self.priors.independent.items()
            if prior.family is family and name not in self.distributions
        }


def build_model(posterior: Posterior) -> pm.Model:
    """Return the PyMC model of a posterior.

    Default noise: ln y ~ Normal(ln(c f), s), s^2 = b^2 + b0^2. With a stated sd or a
    floor: y ~ Normal(c f, sqrt(a^2 + (s c f)^2 + sd^2)). f is the model's prediction,
    c the calibration, b the relative noise of the modality, b0 its least value, a the
    floor of the region. Limits, counts and Student's t: `add_likelihood`.

    Parameters
    ----------
    posterior : Posterior
        Model, priors, measurements.

    Returns
    -------
    pymc.Model
        With named dims; ``expected`` is c f of each row. The measured values and
        their sd are ``pm.Data``, so that new values for the same scans need no new
        compilation.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> model = build_model(worked_example.posterior())
    >>> [variable.name for variable in model.free_RVs]
    ['kinetics', 'relative_noise']
    >>> model.coords["kinetics_of"]
    ('half_life',)
    """
    groups = posterior.all_priors
    coords: dict[str, Any] = {
        f"{name}_of": list(group) for name, group in groups.items()
    }
    coords["row"] = list(range(len(posterior.observations.value)))
    with pm.Model(coords=coords) as model:
        drawn = {n: _variable(n, group) for n, group in groups.items()}
        for name, distribution in posterior.distributions.items():
            drawn[name] = add_distribution(model, name, distribution)
        unknowns = _unknowns(posterior, drawn)
        if ODDS in groups:
            odds = drawn[ODDS]
            fractions: Any = odds / (1.0 + odds.sum())
            pm.Deterministic(FRACTION, fractions, dims=f"{ODDS}_of")
        vectors = [
            pt.stack(experiment_parameters(posterior.table, e.name, unknowns))
            for e in posterior.experiments
        ]
        compiled = {e.name: e.compiled for e in posterior.experiments}
        masses = {**posterior.exact_masses, **_each(posterior.masses, drawn.get(MASS))}
        predicted = pm.Deterministic(
            EXPECTED,
            expect(compiled, posterior.observations, vectors, drawn, masses),
            dims="row",
        )
        noise = drawn.get(NOISE, pt.zeros(0))
        add_likelihood(
            posterior.observations,
            posterior.additive,
            measured_data(posterior),
            predicted,
            pt.sqrt(noise**2 + posterior.minimum_noise**2),
            drawn.get(FLOOR),
            background=drawn.get(BACKGROUND),
            student_t_degrees=posterior.student_t_degrees,
        )
    return model


def _each(names: Mapping[str, Prior], drawn: Any) -> dict[str, Any]:
    return {name: drawn[i] for i, name in enumerate(names)}


def _variable(name: str, group: Mapping[str, Prior]) -> Any:
    dim = f"{name}_of"
    if name == FLOOR:
        scales = pm.Data(FLOOR_SCALE, half_normal_scales(group))
        return half_normals(name, group, dim, scales=scales)
    families = {prior.family for prior in group.values()}
    if families == {Family.HALF_NORMAL}:
        return half_normals(name, group, dim)
    if families == {Family.LOGIT_NORMAL}:
        return logit_normals(name, group, dim)
    return log_normals(name, group, dim)


def measured_data(posterior: Posterior) -> dict[str, np.ndarray]:
    """Return what of a posterior is ``pm.Data``: the values and what follows from them.

    Parameters
    ----------
    posterior : Posterior
        Model, priors, measurements.

    Returns
    -------
    dict of str to array
        By the names that `build_model` gives them.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> measured_data(worked_example.posterior())["log_value_measured"].round(3)
    array([4.248, 3.555, 2.773])
    """
    data = measured_rows(posterior.observations, posterior.additive)
    if FLOOR in posterior.all_priors:
        data[FLOOR_SCALE] = half_normal_scales(posterior.all_priors[FLOOR])
    return data


def form_of(posterior: Posterior) -> str:
    """Return a hash of all but the measured values: what a compiled fit depends on.

    Parameters
    ----------
    posterior : Posterior
        Model, priors, measurements.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> form_of(worked_example.posterior()) == form_of(worked_example.posterior())
    True
    """
    seen = posterior.observations
    groups = posterior.all_priors
    floors = list(groups.pop(FLOOR, {}))
    parts = [repr(posterior.table.uses), repr(groups), repr(floors)]
    parts += [repr(dict(posterior.exact_masses)), repr(seen.weighed)]
    for experiment in posterior.experiments:
        compiled = experiment.compiled
        parts += [experiment.name, repr(compiled.system), repr(compiled.parameters)]
        if isinstance(compiled, SaturableSystem):
            parts.append(repr(compiled.fixed))
    parts.append(repr((posterior.minimum_noise, posterior.student_t_degrees)))
    parts.append(repr(seen.noise.form))
    for name, distribution in posterior.distributions.items():
        parts += [name, distribution_in_words(distribution)]
    arrays = [seen.node, seen.weight, seen.factor, seen.calibration]
    arrays += [seen.overlap, seen.other_node, seen.other_weight]
    arrays += [seen.mass, seen.mass_exponent, seen.recovery]
    arrays += [seen.modality, seen.floor, posterior.additive]
    for readout in seen.readouts:
        parts.append(f"{readout.labels} of {readout.experiment}")
        arrays += [*jax.tree.leaves(readout.given), readout.times_h]
    parts += [repr(np.asarray(array).tolist()) for array in arrays]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def add_distribution(model: pm.Model, name: str, distribution: Any) -> Any:
    """Add an unknown whose prior is a PyMC distribution.

    Parameters
    ----------
    model : pymc.Model
        The model.
    name : str
        Of the unknown.
    distribution : PyMC distribution
        From ``pm.<Name>.dist``; it may be added to other models, too.

    Returns
    -------
    PyMC variable

    Examples
    --------
    >>> model = pm.Model()
    >>> print(add_distribution(model, "rate", pm.Gamma.dist(2.0, 0.5)).name)
    rate
    """
    # A variable belongs to one model.
    own = distribution.owner.clone().outputs[distribution.index]
    return model.register_rv(own, name)


def distribution_in_words(distribution: Any) -> str:
    """Return a PyMC distribution with its parameters as text.

    Parameters
    ----------
    distribution : PyMC distribution
        From ``pm.<Name>.dist``.

    Returns
    -------
    str

    Examples
    --------
    >>> distribution_in_words(pm.Gamma.dist(2.0, 0.5))
    'PyMC: Gamma(2, 2)'
    """
    operation = distribution.owner.op
    numbers = [float(x.eval()) for x in operation.dist_params(distribution.owner)]
    name = type(operation).__name__.removesuffix("RV")
    return f"PyMC: {name}({', '.join(f'{x:.6g}' for x in numbers)})"


def _unknowns(posterior: Posterior, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return every unknown of the kinetics, of PyMC variables or of their draws."""
    groups = posterior.all_priors
    found: dict[str, Any] = {}
    for variable in (KINETICS, PROPORTION, ODDS):
        for i, name in enumerate(groups.get(variable, {})):
            found[name] = drawn[variable][..., i]
    return found | {name: drawn[name] for name in posterior.distributions}


def parameter_draws(
    posterior: Posterior, draws: Draws, experiment: str | None = None
) -> np.ndarray:
    """Return draws of an experiment's parameters, in the order of its vector.

    Parameters
    ----------
    posterior : Posterior
        What was fitted.
    draws : Draws
        From the sampler.
    experiment : str, optional
        Which; the first one by default.

    Returns
    -------
    (n_draws, n_parameters) array

    Examples
    --------
    >>> from pkmodels.fitting import worked_example
    >>> variables = {"kinetics": np.full((4, 100, 1), 60.0)}
    >>> draws = Draws(variables, np.zeros((4, 100, 2)), np.zeros((4, 100), bool), 0.9)
    >>> parameter_draws(worked_example.posterior(), draws).shape
    (400, 1)
    """
    count = draws.diverging.size
    flat: dict[str, Any] = {
        name: draws.variables[name].reshape(count, -1)
        for name in (KINETICS, PROPORTION, ODDS)
        if name in draws.variables
    }
    for name in posterior.distributions:
        flat[name] = draws.variables[name].reshape(count)
    name = posterior.experiment(experiment).name
    unknowns = _unknowns(posterior, flat)
    return np.stack(experiment_parameters(posterior.table, name, unknowns), axis=1)
