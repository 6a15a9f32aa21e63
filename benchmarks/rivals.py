"""The other solvers that ours is timed beside, each set up as well as we know how.

diffrax and casadi are extras: what is not installed is named, with what installs it.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pbpk12
from scipy.integrate import odeint, solve_ivp

# Ready to use by `make bench`; the versions that the README's table was measured with.
PINS = {"diffrax": "0.7.2", "casadi": "3.8.2"}
_MOST_STEPS = 100_000
# diffrax's step control, by name: proportional and integral coefficients. The default
# rejects half of its steps here; of seven others tried, this took the least time.
_STEP_CONTROLS = {"": (0.0, 1.0), ", PI steps": (0.3, 0.3)}


@dataclass(frozen=True)
class Contender:
    """One way to do a work.

    Parameters
    ----------
    name : str
        As printed.
    at : callable
        ``at(relative, absolute)``, the tolerances, returns the call that is timed.
    read : callable
        What such a call returned as states, or as log-likelihood and gradient.
    """

    name: str
    at: Callable[[float, float], Callable[[], Any]]
    read: Callable[[Any], Any]


def missing() -> list[str]:
    """Return what is not installed, as ``name==version``."""
    return [
        f"{name}=={pin}"
        for name, pin in PINS.items()
        if importlib.util.find_spec(name) is None
    ]


def solvers() -> list[Contender]:
    """Return the rivals for the states at the true values."""
    found = []
    if _has("diffrax"):
        for name, control in _STEP_CONTROLS.items():
            at = _diffrax_solve(control)
            found.append(Contender(f"diffrax Kvaerno5{name}", at, np.asarray))
    found.append(Contender("scipy LSODA (odeint)", _odeint, np.asarray))
    found.append(Contender("scipy LSODA (solve_ivp)", _solve_ivp, np.asarray))
    if _has("casadi"):
        found.append(Contender("casadi CVODES", _casadi_solve, _transposed))
    return found


def gradients(data: np.ndarray) -> list[Contender]:
    """Return the rivals for the log-likelihood and its gradient at `SHIFTED_LOG`."""
    found = []
    if _has("diffrax"):
        for name, control in _STEP_CONTROLS.items():
            at = _diffrax_gradient(data, control)
            found.append(Contender(f"diffrax Kvaerno5{name}", at, pair))
    if _has("casadi"):
        at = partial(_casadi_gradient, data)
        found.append(Contender("casadi CVODES", at, pair))
    return found


def batches(draws: np.ndarray, times_h: np.ndarray) -> list[Contender]:
    """Return the rivals for the states, (n, n_times, 12), of many draws at once."""
    found = []
    if _has("diffrax"):
        name, control = list(_STEP_CONTROLS.items())[-1]
        solve = _diffrax(times_h, control)
        many = jax.jit(jax.vmap(solve, (0, None, None)))

        def vmapped(relative: float, absolute: float) -> Callable[[], Any]:
            return lambda: jax.block_until_ready(many(draws, relative, absolute))

        found.append(Contender(f"diffrax Kvaerno5{name}", vmapped, np.asarray))
    if _has("casadi"):
        constants = pbpk12.constants_of(draws)

        def mapped(relative: float, absolute: float) -> Callable[[], Any]:
            flow = _casadi_flow(times_h, relative, absolute)
            return lambda: [flow(x0=pbpk12.START, p=row)["xf"] for row in constants]

        def read(solved: list[Any]) -> np.ndarray:
            return np.stack([_transposed(states) for states in solved])

        found.append(Contender("casadi CVODES", mapped, read))
    return found


def jax_constants(log_values: jax.Array) -> jax.Array:
    """Return all constants, (14,), of the logs of the estimated, (8,), in JAX."""
    constants = jnp.asarray(pbpk12.constants_of(pbpk12.TRUE_LOG))
    return constants.at[np.array(pbpk12.ESTIMATED_PLACES)].set(jnp.exp(log_values))


def pair(found: Any) -> tuple[float, np.ndarray]:
    """Return a log-likelihood and its gradient, (8,), of any library as NumPy's."""
    value, slope = found
    return float(value), np.asarray(slope).ravel()


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _transposed(states: Any) -> np.ndarray:
    return np.asarray(states).T


def _right_side(_: float, states: np.ndarray, constants: list[float]) -> list[float]:
    # Plain floats: NumPy's own scalars take twice the time.
    return pbpk12.derivatives(states.tolist(), constants)


def _odeint(relative: float, absolute: float) -> Callable[[], Any]:
    constants = pbpk12.constants_of(pbpk12.TRUE_LOG).tolist()
    times = np.append(0.0, pbpk12.TIMES_H)

    def work() -> np.ndarray:
        return odeint(
            _right_side,
            pbpk12.START,
            times,
            args=(constants,),
            tfirst=True,
            rtol=relative,
            atol=absolute,
            mxstep=_MOST_STEPS,
        )[1:]

    return work


def _solve_ivp(relative: float, absolute: float) -> Callable[[], Any]:
    constants = pbpk12.constants_of(pbpk12.TRUE_LOG).tolist()

    def work() -> np.ndarray:
        return solve_ivp(
            _right_side,
            (0.0, pbpk12.TIMES_H[-1]),
            pbpk12.START,
            method="LSODA",
            t_eval=pbpk12.TIMES_H,
            args=(constants,),
            rtol=relative,
            atol=absolute,
        ).y.T

    return work


def _diffrax(
    times_h: np.ndarray, control: tuple[float, float]
) -> Callable[..., jax.Array]:
    """Return diffrax's solve of the logs and the tolerances, which are traced."""
    import diffrax  # pyright: ignore[reportMissingImports]

    proportional, integral = control

    def field(_: Any, states: jax.Array, constants: jax.Array) -> jax.Array:
        return jnp.stack(pbpk12.derivatives(states, constants))

    def solve(log_values: jax.Array, relative: Any, absolute: Any) -> jax.Array:
        # To one error this took half the time of its own dense output.
        controller = diffrax.ClipStepSizeController(
            diffrax.PIDController(
                rtol=relative, atol=absolute, pcoeff=proportional, icoeff=integral
            ),
            step_ts=jnp.asarray(times_h),
        )
        states = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Kvaerno5(),
            0.0,
            float(times_h[-1]),
            None,
            jnp.asarray(pbpk12.START),
            args=jax_constants(log_values),
            stepsize_controller=controller,
            saveat=diffrax.SaveAt(ts=jnp.asarray(times_h)),
            adjoint=diffrax.ForwardMode(),
            max_steps=_MOST_STEPS,
        ).ys
        assert states is not None
        return states

    return solve


def _diffrax_solve(
    control: tuple[float, float],
) -> Callable[[float, float], Callable[[], Any]]:
    solve = jax.jit(_diffrax(pbpk12.TIMES_H, control))
    logs = jnp.asarray(pbpk12.TRUE_LOG)
    return lambda relative, absolute: (
        lambda: solve(logs, relative, absolute).block_until_ready()
    )


def _diffrax_gradient(
    data: np.ndarray, control: tuple[float, float]
) -> Callable[[float, float], Callable[[], Any]]:
    """Return diffrax's gradient by forward sensitivities."""
    solve = _diffrax(pbpk12.TIMES_H, control)
    logs = jnp.asarray(pbpk12.SHIFTED_LOG)

    def likelihood(logs: Any, relative: Any, absolute: Any) -> tuple[Any, Any]:
        value = pbpk12.log_likelihood(solve(logs, relative, absolute), data, jnp.log)
        return value, value

    slope = jax.jit(jax.jacfwd(likelihood, has_aux=True))

    def at(relative: float, absolute: float) -> Callable[[], Any]:
        def work() -> tuple[Any, Any]:
            found, value = slope(logs, relative, absolute)
            return jax.block_until_ready((value, found))

        return work

    return at


def _casadi_flow(times_h: np.ndarray, relative: float, absolute: float) -> Any:
    """Return casadi's integrator, whose Jacobian is its own symbolic one."""
    import casadi  # pyright: ignore[reportMissingImports]

    states, constants = casadi.SX.sym("y", 12), casadi.SX.sym("c", 14)
    changes = pbpk12.derivatives(casadi.vertsplit(states), casadi.vertsplit(constants))
    equations = {"x": states, "p": constants, "ode": casadi.vertcat(*changes)}
    options = {"reltol": relative, "abstol": absolute, "max_num_steps": _MOST_STEPS}
    return casadi.integrator("f", "cvodes", equations, 0.0, times_h.tolist(), options)


def _casadi_solve(relative: float, absolute: float) -> Callable[[], Any]:
    flow = _casadi_flow(pbpk12.TIMES_H, relative, absolute)
    constants = pbpk12.constants_of(pbpk12.TRUE_LOG)
    return lambda: flow(x0=pbpk12.START, p=constants)["xf"]


def _casadi_gradient(
    data: np.ndarray, relative: float, absolute: float
) -> Callable[[], Any]:
    """Return casadi's gradient by CVODES' forward sensitivities.

    Its adjoint took twice the time when tried, and its step limit at 1e-8 / 1e-12.
    """
    import casadi  # pyright: ignore[reportMissingImports]

    flow = _casadi_flow(pbpk12.TIMES_H, relative, absolute)
    logs = casadi.MX.sym("z", len(pbpk12.ESTIMATED))
    constants = casadi.MX(pbpk12.constants_of(pbpk12.TRUE_LOG))
    constants[pbpk12.ESTIMATED_PLACES] = casadi.exp(logs)
    states = flow(x0=pbpk12.START, p=constants)["xf"].T
    observed = states @ pbpk12.OBSERVED.T
    wrong = (casadi.log(observed) - np.log(data)) / pbpk12.NOISE_SD
    value = -0.5 * casadi.sumsqr(wrong) - data.size * pbpk12.LOG_NORM
    slope = casadi.jtimes(
        casadi.vec(observed), logs, casadi.MX.eye(len(pbpk12.ESTIMATED))
    )
    weights = -casadi.vec(wrong / observed) / pbpk12.NOISE_SD
    function = casadi.Function("g", [logs], [value, weights.T @ slope])
    return lambda: function(pbpk12.SHIFTED_LOG)
