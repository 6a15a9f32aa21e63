"""Protraction: how a dose is spread in time, exactly, for any linear system.

A target whose dose rate is a sum of activities, R(t) = sum_i s_i a_i(t), has the
G-factor 2 s'Q s / (s'A)^2, where A_i is the time integral of a_i and

    Q_ij = int_0^inf a_i(t) int_0^t a_j(w) exp(-mu (t - w)) dw dt.

Here Q is that of a linear system dx/dt = A x. After the last dose, with z' = x - mu z,
integrating d(x x')/dt and d(x z')/dt gives P = int x x' dt and W = int x z' dt from two
linear equations, A P + P A' = -x x' and (mu - A) W = P + x z'. While a syringe flows
the integrals are doubled from a Taylor series over a short step. Every term is of one
sign, so that nothing cancels, equal rates included.
"""

import math
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pkmodels.deliveries import slack  # noqa: E402
from pkmodels.errors import InputError, SolveError  # noqa: E402
from pkmodels.exact import Doses, ExactSystem, check_lengths  # noqa: E402
from pkmodels.kernels.printing import jax_matrix  # noqa: E402

# Numbers in the linear equations of one batch of draws, to bound memory: 64 MB.
_MOST_ENTRIES = 8_000_000
_MOST_DRAWS = 512

# With a norm of 0.5, that of G - mu is at most 1: the series leaves 1 / 20! = 4e-19.
_SCALED_NORM = 0.5
_TERMS = 20
# Rounding grows with the number of steps, 2^24 at most: to some 1e-9.
_MOST_DOUBLINGS = 24


class _Pieces(NamedTuple):
    """What is given, between times at which a bolus is given or a syringe changes.

    Of all but the last, which has no end: the length, and the rate at its start times
    the length, MBq. `added` is the bolus at the start of each, MBq.
    """

    lengths_h: np.ndarray
    syringes: np.ndarray
    added: np.ndarray


def protract(
    compiled: ExactSystem, parameters: Any, doses: Doses, repair_half_time_h: Any
) -> np.ndarray:
    """Return what the G-factors of a linear system's activities are made of.

    Q_ij = int_0^inf a_i(t) int_0^t a_j(w) exp(-mu (t - w)) dw dt, mu = ln 2 / T_repair,
    for the activities a of ``system.observables``. With activity it grows squared.

    Parameters
    ----------
    compiled : ExactSystem
        The system.
    parameters : (n_draws, n_parameters) array
        In the order of ``system.parameters``, >= 0.
    doses : Doses
        Doses of one label that decays, boluses and infusions; the damage of each
        interacts with that of the others.
    repair_half_time_h : scalar or (n_draws,) array
        Half-time of repair of sublethal damage, h, > 0.

    Returns
    -------
    (n_draws, n_observables, n_observables) array, MBq^2 h^2
        For `pkmodels.dosimetry.biological_dose.g_factor`. Q + Q' is positive
        semidefinite, and A_i A_j without repair.

    Raises
    ------
    InputError
        When a number or a shape is wrong.
    SolveError
        When a draw has no finite value: one of its parameters has none, or an infusion
        takes more than some 1e7 times the fastest half-time.

    References
    ----------
    Lea and Catcheside, J Genet 1942;44:216 (G); Bartels and Stewart, Commun ACM
    1972;15:820 (the Lyapunov equation, here solved as linear equations in the entries
    on and above the diagonal); Smith, SIAM J Appl Math 1968;16:198 (doubling).

    Examples
    --------
    >>> from pkmodels.dosimetry.biological_dose import g_factor
    >>> from pkmodels.exact import compile_exactly
    >>> from pkmodels.models import organ_exchange
    >>> from pkmodels.nuclides import nuclide
    >>> from pkmodels.schedule import ScheduleForm
    >>> from pkmodels.system import assemble
    >>> form = ScheduleForm((("pentixather", "intravenous"),))
    >>> compiled = compile_exactly(assemble(organ_exchange.model(("kidney",)), form))
    >>> decay = nuclide("Lu-177").decay_constant_per_h
    >>> bolus = Doses(np.zeros(1), np.zeros(1), np.ones(1), decay)
    >>> draws = np.array([[1.0, 0.02, 55.0]])
    >>> q = protract(compiled, draws, bolus, 2.8)
    >>> integral = np.asarray(compiled.integrate(draws[0], bolus))[[1]]
    >>> print(g_factor(np.ones((1, 1)), q, integral[None]).round(5))
    [0.06368]
    """
    system = compiled.system
    check_lengths(system, doses)
    values = np.asarray(parameters, float)
    if values.ndim != 2 or values.shape[1] != len(system.parameters):
        raise InputError(
            f"parameters have the shape {values.shape} and must have (n_draws, "
            f"{len(system.parameters)}) on {system.name!r}"
        )
    if (values < 0.0).any():
        row, column = np.argwhere(values < 0.0)[0]
        raise InputError(
            f"parameter {str(system.parameters[column])!r} of draw {row} is "
            f"{values[row, column]:g}; it must be >= 0"
        )
    repair = repair_rates(repair_half_time_h, len(values))
    pieces, decay = _pieces(doses), np.float64(doses.decay_constant_per_h)
    found = np.asarray(_protracted(compiled, values, repair, pieces, decay))
    failed = ~np.isfinite(found).all(axis=(1, 2))
    if failed.any():
        first = int(np.flatnonzero(failed)[0])
        known = dict(zip(map(str, system.parameters), values[first], strict=True))
        raise SolveError(
            f"{int(failed.sum())} of {len(values)} draws of {system.name!r} have no "
            f"finite G-factor; the first is draw {first}, {known}: look at the priors "
            "of its rates, and at the lengths of the infusions"
        )
    return found


def repair_rates(repair_half_time_h: Any, n_draws: int) -> np.ndarray:
    """Return mu = ln 2 / T_repair of each draw.

    Parameters
    ----------
    repair_half_time_h : scalar or (n_draws,) array
        Half-time of repair, h, > 0.
    n_draws : int
        How many draws there are.

    Returns
    -------
    (n_draws,) array, 1/h

    Raises
    ------
    InputError
        When a half-time is not finite and > 0, or there are not as many.

    Examples
    --------
    >>> repair_rates(2.8, 2).round(4).tolist()
    [0.2476, 0.2476]
    """
    half_times = np.asarray(repair_half_time_h, float)
    if half_times.shape not in ((), (n_draws,)):
        raise InputError(
            f"repair_half_time_h has the shape {half_times.shape}: give one number, or "
            f"one for each of {n_draws} draws"
        )
    wrong = ~(np.isfinite(half_times) & (half_times > 0.0))
    if wrong.any():
        raise InputError(
            f"repair_half_time_h is {half_times[wrong].flat[0]:g} h: it must be finite "
            "and > 0"
        )
    return np.broadcast_to(math.log(2.0) / half_times, (n_draws,))


def _pieces(doses: Doses) -> _Pieces:
    """Return doses of one label as pieces in which one syringe, at most, flows."""
    decay = float(doses.decay_constant_per_h)
    starts, activity = (np.asarray(x, float) for x in (doses.start_h, doses.activity))
    lengths = np.asarray(doses.length_h, float)
    fields = (starts, lengths, activity, np.array([decay]))
    if not all((np.isfinite(x) & (x >= 0.0)).all() for x in fields) or decay == 0.0:
        raise InputError(
            f"doses are {doses}: each number must be finite and >= 0, and the label "
            "must decay"
        )
    lengths = np.where(lengths <= slack(starts), 0.0, lengths)
    ends = starts + lengths
    times = np.unique(np.concatenate([starts, ends]))
    before, after = times[:-1, None], times[1:, None]
    runs = (starts <= before) & (ends >= after)
    left = activity * np.exp(-decay * np.where(runs, before - starts, 0.0))
    rates = np.where(runs, left / np.where(lengths > 0.0, lengths, 1.0), 0.0)
    boluses = np.where(lengths == 0.0, activity, 0.0)
    spans = np.diff(times)
    return _Pieces(
        lengths_h=spans,
        syringes=rates.sum(axis=1) * spans,
        added=np.where(starts == times[:, None], boluses, 0.0).sum(axis=1),
    )


@partial(jax.jit, static_argnums=0)
def _protracted(
    compiled: ExactSystem, parameters: Any, repair: Any, pieces: _Pieces, decay: Any
) -> Any:
    system = compiled.system
    assert system.matrix is not None
    size, root = len(system.amounts), system.amounts.index(system.routes[0][2].amount)
    matrix = jax_matrix(system.parameters, system.matrix)

    def one(draw: tuple[Any, Any]) -> Any:
        values, mu = draw
        rates = matrix(values) - decay * jnp.eye(size)
        empty = jnp.zeros(size)

        def go_on(carry: Any, piece: _Pieces) -> tuple[Any, None]:
            activities, damage, total = carry
            activities = activities.at[root].add(piece.added)
            activities, damage, part = _infused(
                rates, mu, decay, root, (activities, damage), piece
            )
            return (activities, damage, total + part), None

        start = (empty, empty, jnp.zeros((size, size)))
        flowing = pieces._replace(added=pieces.added[:-1])
        (activities, damage, total), _ = jax.lax.scan(go_on, start, flowing)
        activities = activities.at[root].add(pieces.added[-1])
        both = _lyapunov(-rates, jnp.outer(activities, activities))
        both = both + jnp.outer(activities, damage)
        total = total + jnp.linalg.solve(mu * jnp.eye(size) - rates, both)
        observe = compiled.observe(values)
        return observe @ total @ observe.T

    unknowns = size * (size + 1) // 2
    batch = max(1, min(_MOST_DRAWS, _MOST_ENTRIES // unknowns**2))
    return jax.lax.map(one, (parameters, repair), batch_size=batch)


def _lyapunov(outflow: Any, right: Any) -> Any:
    """Return the symmetric P with B P + P B' = R, entry by entry.

    With those of the diagonal halved the equations are, of a compartment system, an
    M-matrix with dominant columns, so that no pivot cancels.
    """
    size = outflow.shape[0]
    places, masks = _symmetric(size)
    entries = jnp.stack([outflow[row, column] for row, column in places])
    equations = jnp.sum(masks * entries, axis=0)
    upper = np.triu_indices(size)
    halves = np.where(upper[0] == upper[1], 0.5, 1.0)
    found = jnp.linalg.solve(equations, halves * right[upper])
    entries = jnp.zeros((size, size)).at[upper].set(found)
    return jnp.where(np.tri(size, k=-1, dtype=bool), entries.T, entries)


@lru_cache(maxsize=64)
def _symmetric(
    size: int,
) -> tuple[tuple[tuple[np.ndarray, np.ndarray], ...], np.ndarray]:
    """Return the places in B that `_lyapunov` adds up, and their factors.

    Four for each equation (i, j) and unknown (k, l).
    """
    rows, columns = np.triu_indices(size)
    i, j, k, l = np.broadcast_arrays(  # noqa: E741 (as in the equation)
        rows[:, None], columns[:, None], rows, columns
    )
    halved, apart = np.where(i == j, 0.5, 1.0), k != l
    # sum_m B_im P_mj + B_jm P_mi, with P_kl and P_lk the same unknown.
    masks = (l == j, (k == j) & apart, l == i, (k == i) & apart)
    places = ((i, k), (i, l), (j, k), (j, l))
    return places, np.stack([halved * mask for mask in masks])


def _infused(
    rates: Any, mu: Any, decay: Any, root: int, state: tuple[Any, Any], piece: _Pieces
) -> tuple[Any, Any, Any]:
    """Return x and z after a piece, and int x z' over it.

    The syringe s is a state too, y = (x, s), y' = G y in units of the piece's length.
    Over twice a step, with F = exp(G h), e = exp(-mu h), r = int exp(-mu t) y dt:
    W(2h) = W + (F r) z' + F W F', r(2h) = r + e F r, z(2h) = e z + F z, y(2h) = F y.
    """
    size, length = rates.shape[0], piece.lengths_h
    generator = jnp.zeros((size + 1, size + 1))
    generator = generator.at[:size, :size].set(rates * length)
    generator = generator.at[root, size].set(1.0).at[size, size].set(-decay * length)
    norm = jnp.maximum(jnp.max(jnp.sum(jnp.abs(generator), axis=0)), mu * length)
    wanted = jnp.ceil(jnp.log2(jnp.maximum(norm, _SCALED_NORM) / _SCALED_NORM))
    is_possible = wanted <= _MOST_DOUBLINGS
    doublings = jnp.where(is_possible, wanted, 0.0)
    step = jnp.exp2(-doublings)
    start = jnp.append(state[0], piece.syringes)
    first = _one_step(generator * step, mu * length * step, length * step, start)

    def double(index: Any, carry: Any) -> Any:
        content, damage, weighed, products, transition, kept = carry
        onward = transition @ weighed
        moved = transition @ products @ transition.T
        return (
            transition @ content,
            kept * damage + transition @ damage,
            weighed + kept * onward,
            products + jnp.outer(onward, damage) + moved,
            transition @ transition,
            kept * kept,
        )

    found = jax.lax.fori_loop(0, doublings.astype(jnp.int64), double, first)
    content, damage, weighed, products, _, _ = found
    products = products + jnp.outer(weighed, jnp.append(state[1], 0.0))
    part = jnp.where(is_possible, products[:size, :size], jnp.nan)
    return content[:size], damage[:size] + jnp.exp(-mu * length) * state[1], part


def _one_step(generator: Any, repair: Any, hours: Any, start: Any) -> Any:
    """Return y, z, r, W, F and e of `_infused` after one step, by Taylor series."""
    identity = jnp.eye(len(start))
    slowed = generator - repair * identity

    def one_order(terms: Any, order: Any) -> tuple[Any, Any]:
        content, damage, weighed, power = terms
        following = (
            generator @ content / order,
            (hours * content - repair * damage) / order,
            slowed @ weighed / (order + 1.0),
            generator @ power / order,
        )
        return following, terms

    first = (start, jnp.zeros(len(start)), start, identity)
    _, series = jax.lax.scan(one_order, first, jnp.arange(1.0, _TERMS + 1.0))
    content, damage, weighed, power = series
    orders = np.arange(_TERMS)
    # int_0^1 t^k t^l dt = 1 / (k + l + 1)
    moments = 1.0 / (orders[:, None] + orders[None, :] + 1.0)
    return (
        jnp.sum(content, axis=0),
        jnp.sum(damage, axis=0),
        hours * jnp.sum(weighed, axis=0),
        hours * content.T @ moments @ damage,
        jnp.sum(power, axis=0),
        jnp.exp(-repair),
    )
