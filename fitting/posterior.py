"""The posterior: a PyMC model of one patient's measurements."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.link.jax.ops import wrap_jax

from pkmodels.errors import ModelError
from pkmodels.exact import ExactSystem
from pkmodels.fitting.likelihood import LOG_VALUE, SD, VALUE, add_likelihood
from pkmodels.fitting.observations import Observations
from pkmodels.fitting.priors import (
    half_normal_scales,
    half_normals,
    log_normals,
    logit_normals,
)
from pkmodels.saturable import SaturableSystem
from pkmodels.values import Certainty, Family, Prior, PriorSet, log_normal

KINETICS, ODDS, CALIBRATION = "kinetics", "uptake_odds", "calibration"
# Kinetic parameters that are fractions, each by itself.
PROPORTION = "proportion"
FRACTION, EXPECTED = "fraction", "expected"
FLOOR_SCALE = "noise_floor_scale"
MASS, NOISE, FLOOR = "mass", "relative_noise", "noise_floor"
RECOVERY = "recovery"


@dataclass(frozen=True)
class Posterior:
    """A model, its priors and the measurements that it is fitted to.

    Parameters
    ----------
    compiled : ExactSystem or SaturableSystem
        The kinetics.
    observations : Observations
        The measurements.
    priors : PriorSet
        Priors of the kinetic parameters.
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

    Raises
    ------
    ModelError
        When priors and parameters do not match.
    """

    compiled: ExactSystem | SaturableSystem
    observations: Observations
    priors: PriorSet
    masses: Mapping[str, Prior]
    exact_masses: Mapping[str, float]
    relative_noise: Prior
    noise_floor: Mapping[str, Prior]
    floor_everywhere: bool
    minimum_noise: float

    def __post_init__(self) -> None:
        """Match priors with parameters, and concentrations with masses."""
        self.priors.check(self.compiled.parameters)
        for region in self.observations.weighed:
            if region not in self.masses and region not in self.exact_masses:
                raise ModelError(
                    f"values of region {region!r} hang on its mass, which is missing: "
                    "give one"
                )

    @property
    def additive(self) -> np.ndarray:
        """Which rows have additive noise, (n,) bool."""
        stated = np.isfinite(self.observations.sd)
        return stated | self.floor_everywhere

    @property
    def all_priors(self) -> dict[str, dict[str, Prior]]:
        """Every prior by PyMC variable and coordinate."""
        seen = self.observations
        factors = {
            name: log_normal(1.0, sd, "", "by the patient's file", Certainty.STATED)
            for name, sd in seen.calibrations
        }
        used = {seen.floors[i] for i in seen.floor[self.additive]}
        floors = {n: self.noise_floor[n] for n in seen.floors if n in used}
        groups: dict[str, dict[str, Prior]] = {
            KINETICS: self._independent(Family.LOG_NORMAL),
            PROPORTION: self._independent(Family.LOGIT_NORMAL),
            ODDS: dict(self.priors.odds),
            CALIBRATION: factors,
            RECOVERY: {
                name: log_normal(1.0, sd, "", "by the patient's file", Certainty.STATED)
                for name, sd in seen.recoveries
            },
            MASS: dict(self.masses),
            NOISE: dict.fromkeys(seen.modalities, self.relative_noise),
            FLOOR: floors,
        }
        return {name: group for name, group in groups.items() if group}

    def _independent(self, family: Family) -> dict[str, Prior]:
        priors = self.priors.independent
        return {name: p for name, p in priors.items() if p.family is family}


def build_model(posterior: Posterior) -> pm.Model:
    """Return the PyMC model of a posterior.

    Default noise: ln y ~ Normal(ln(c f), s), s^2 = b^2 + b0^2. With a stated sd or a
    floor: y ~ Normal(c f, sqrt(a^2 + (s c f)^2 + sd^2)). f is the model's prediction,
    c the calibration, b the relative noise of the modality, b0 its least value, a the
    floor of the region.

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
        parameters = _parameter_vector(posterior, drawn)
        predicted = pm.Deterministic(
            EXPECTED, _predictions(posterior, parameters, drawn), dims="row"
        )
        least = posterior.minimum_noise
        add_likelihood(
            posterior.observations,
            posterior.additive,
            measured_data(posterior),
            predicted,
            pt.sqrt(drawn[NOISE] ** 2 + least**2),
            drawn.get(FLOOR),
        )
    return model


def _variable(name: str, group: Mapping[str, Prior]) -> Any:
    dim = f"{name}_of"
    if name == FLOOR:
        scales = pm.Data(FLOOR_SCALE, half_normal_scales(group))
        return half_normals(name, group, dim, scales=scales)
    if name == NOISE:
        return half_normals(name, group, dim)
    if name == PROPORTION:
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
    seen, additive = posterior.observations, posterior.additive
    data = {}
    if not additive.all():
        data[LOG_VALUE] = np.log(seen.value[~additive])
    if additive.any():
        data[VALUE] = seen.value[additive]
        data[SD] = np.nan_to_num(seen.sd[additive], nan=0.0)
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
    parts = [repr(posterior.compiled.system), repr(groups), repr(floors)]
    parts += [repr(dict(posterior.exact_masses)), repr(seen.weighed)]
    if isinstance(posterior.compiled, SaturableSystem):
        parts.append(repr((posterior.compiled.parameters, posterior.compiled.fixed)))
    parts.append(repr(posterior.minimum_noise))
    arrays = [seen.column, seen.node, seen.weight, seen.factor, seen.calibration]
    arrays += [seen.mass, seen.mass_exponent, seen.recovery]
    arrays += [seen.modality, seen.floor, posterior.additive]
    for wanted in seen.labels.values():
        doses = [field for field in wanted.doses if field is not None]
        arrays += [*doses, wanted.times_h]
    parts += [repr(np.asarray(array).tolist()) for array in arrays]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _parameter_vector(posterior: Posterior, drawn: Mapping[str, Any]) -> Any:
    by_name: dict[str, Any] = {}
    for variable in (KINETICS, PROPORTION):
        for i, name in enumerate(posterior.all_priors.get(variable, {})):
            by_name[name] = drawn[variable][i]
    if posterior.priors.odds:
        odds = drawn[ODDS]
        fractions: Any = pm.Deterministic(
            FRACTION, odds / (1.0 + odds.sum()), dims=f"{ODDS}_of"
        )
        for i, name in enumerate(posterior.priors.odds):
            by_name[name] = fractions[i]
    return pt.stack([by_name[name] for name in posterior.compiled.parameters])


def _predictions(
    posterior: Posterior, parameters: Any, drawn: Mapping[str, Any]
) -> Any:
    """Return c f for each row; see `Observations`."""
    seen, compiled = posterior.observations, posterior.compiled

    def average(values: Any) -> Any:
        """Return the mean activity of each row's observable over its frame, MBq."""
        parts = [
            compiled.solve(values, w.doses, w.times_h) for w in seen.labels.values()
        ]
        observed = jnp.concatenate(parts) @ compiled.observe(values).T
        return jnp.sum(seen.weight * observed[seen.node, seen.column[:, None]], axis=1)

    mean = wrap_jax(average)(parameters)
    return mean * seen.factor * _scale(posterior, drawn)


def _scale(posterior: Posterior, drawn: Mapping[str, Any]) -> Any:
    """Return each row's product of calibration, recovery and power of the mass."""
    seen = posterior.observations
    scale: Any = pt.ones(len(seen.value))
    if seen.calibrations:
        factors: Any = pt.concatenate([pt.ones(1), drawn[CALIBRATION]])
        scale = scale * factors[seen.calibration]
    if seen.recoveries:
        scale = scale * pt.exp(seen.recovery @ pt.log(drawn[RECOVERY]))
    if seen.weighed:
        by_region: dict[str, Any] = dict(posterior.exact_masses)
        for i, region in enumerate(posterior.masses):
            by_region[region] = drawn[MASS][i]
        masses: Any = pt.stack([1.0, *(by_region[region] for region in seen.weighed)])
        scale = scale * masses[seen.mass] ** -seen.mass_exponent
    return scale
