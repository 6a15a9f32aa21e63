"""Rates that jump as a state changes have no derivative here, and are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from courses import bolus

from pkmodels.compiled import compile_system
from pkmodels.definition import Model
from pkmodels.errors import ModelError
from pkmodels.kernels.differentiation import jump_in
from pkmodels.kernels.equations import Equations
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import amounts, inputs, parameters
from pkmodels.system import assemble

X, Y, A, B = sympy.symbols("x y a b")
# An amount is >= 0, a parameter > 0, an input >= 0.
P, Q = amounts("p q", unit="nmol")
K, M, N = parameters("k m n", unit="nmol")
(GIVEN,) = inputs("given", unit="nmol", otherwise=0.0)

JUMPING = {
    "threshold": sympy.Piecewise((A * X, X < B), (0, True)),
    "step": A * sympy.Heaviside(X - B),
    "quotient": (X - B) / sympy.Abs(X - B),
    "no default": sympy.Piecewise((A * X, X < B)),
    "over another": sympy.Piecewise((0, X < B), (A * (X - B), A < 1), (A * B, True)),
    "unsolvable": sympy.Piecewise((sympy.Max(X, Y), sympy.Max(X, Y) < B), (B, True)),
}
# Each has two values at one place: those just below and just above it, see below.
SIGNS = {
    "distance": (P - M) / sympy.Abs(P - M),
    "distance times what is not 0": (P - M) / (sympy.Abs(P - M) * (K + P)),
    "root of a product": (P - M) / sympy.sqrt((K + P) * (P - M) ** 2),
    "sum of two that are 0 at once": (P - M) / (sympy.Abs(P - M) + sympy.Max(P - M, 0)),
    "larger of two that are 0 at once": (P - M) / sympy.Max(P - M, 2 * (M - P)),
    "smaller of three": (P - M) / sympy.Min(P - M, 2 * (P - M), K),
    "an input that may be 0": (P - M) / (GIVEN + sympy.Abs(P - M)),
    "a power that may be 1": (P - M) * sympy.Abs(P - M) ** -N,
    "a power of either sign": (P - M) * sympy.Abs(P - M) ** (N - M),
    "in pieces": (P - M) / (GIVEN + sympy.Piecewise((P - M, P > M), (M - P, True))),
}
CONTINUOUS = {
    "saturating": A * X / (B + X),
    "kink": sympy.Piecewise((A * X, X < B), (A * B, True)),
    "larger": sympy.Max(X - B, 0),
    "distance": sympy.Abs(X - B),
    "switched": sympy.Piecewise((A * X, A < B), (0, True)),
}
CONTINUOUS_QUOTIENTS = {
    "damped": 1 / (1 + sympy.Abs(P - M)),
    "damped by a parameter": (P - M) / (K + sympy.Abs(P - M)),
    "damped, and over an amount": (P - M) / (Q * (1 + sympy.Abs(P - M))),
    "root of a product": 1 / sympy.sqrt(P * (K + sympy.Abs(P - M))),
    "at least": P / sympy.Max(Q, K),
    "at least 1": P / sympy.Max(P, 1),
    "at most": Q / sympy.Min(P, K),
    "saturating above a threshold": P / (K + sympy.Max(P - M, 0)),
    "two distances": P / (K + sympy.Abs(P - M) + sympy.Max(Q - M, 0)),
    "a power": P / (K + sympy.Abs(P - M)) ** N,
    "of no state": P / sympy.Abs(K - M),
    "in pieces": P / (K + sympy.Piecewise((P - M, P > M), (0, True))),
    "in pieces by a parameter": 1 / (P + sympy.Piecewise((P, K < M), (Q, True))),
}


def equations(rate: sympy.Expr) -> Equations:
    rates = (-rate, rate, -rate, rate)
    return Equations("made", (X, Y, P, Q), (A, B, K, M, N, GIVEN), rates, False)


@pytest.mark.parametrize("name", JUMPING)
def test_jumps_are_found(name: str) -> None:
    assert jump_in(equations(JUMPING[name])) is not None


@pytest.mark.parametrize("name", CONTINUOUS)
def test_kinks_are_no_jumps(name: str) -> None:
    assert jump_in(equations(CONTINUOUS[name])) is None


def across(rate: sympy.Expr, nmol: float) -> np.ndarray:
    """Return a rate just below and just above p = m = 2, with k = 3 and n = 1."""
    values = {M: 2, K: 3, N: 1, GIVEN: 0, Q: 7}
    return np.array([float(rate.subs({**values, P: 2 + x})) for x in (-nmol, nmol)])


@pytest.mark.parametrize("name", SIGNS)
def test_signs_in_disguise_are_found(name: str) -> None:
    below, above = across(SIGNS[name], 1e-9)
    assert abs(above - below) > 0.1
    found = jump_in(equations(SIGNS[name]))
    assert isinstance(found, sympy.Pow), found


@pytest.mark.parametrize("name", CONTINUOUS_QUOTIENTS)
def test_quotients_by_what_is_never_0_at_a_kink_are_none(name: str) -> None:
    below, above = across(CONTINUOUS_QUOTIENTS[name], 1e-9)
    assert abs(above - below) < 1e-8
    assert jump_in(equations(CONTINUOUS_QUOTIENTS[name])) is None


def test_a_quotient_with_a_kink_has_its_derivative() -> None:
    """dp/dt = - v p / max(p, k): v a time unit while p > k, then exponential."""
    (plasma,) = amounts("plasma", unit="nmol")
    (most,), (least,) = parameters("v", unit="nmol/h"), parameters("k", unit="nmol")
    gone = most * plasma / sympy.Max(plasma, least)
    model = Model(
        "saturated",
        (flow("out", plasma, None, gone),),
        {"intravenous": plasma},
        {"p": plasma},
    )
    given = Schedule((bolus(8.0),))
    compiled = compile_system(assemble(model, given.form))

    def left(values: jax.Array) -> jax.Array:
        by_name = {"v": values[0], "k": values[1]}
        return compiled.solve(by_name, given, jnp.array([2.0, 6.0]))[:, 0]

    found = jax.jacfwd(left)(jnp.array([1.5, 2.0]))
    # p = 8 - v t until k at (8 - k) / v = 4 h, then k exp(-(v t - 8 + k) / k).
    late = 2.0 * np.exp(-1.5)
    by_k = late / 2.0 + late * (9.0 - 8.0) / 4.0
    expected = np.array([[-2.0, 0.0], [-late * 3.0, by_k]])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_values_have_no_need_of_a_derivative() -> None:
    (plasma,) = amounts("plasma", unit="nmol")
    (rate,), (most,) = parameters("rate", unit="1/h"), parameters("most", unit="nmol")
    gone = sympy.Piecewise((rate * plasma, plasma > most), (0, True))
    model = Model(
        "gate",
        (flow("out", plasma, None, gone),),
        {"intravenous": plasma},
        {"p": plasma},
    )
    given = Schedule((bolus(8.0),))
    compiled = compile_system(assemble(model, given.form))

    def left(rate: float) -> jax.Array:
        times = jnp.array([1.0, 40.0])
        return compiled.solve({"rate": rate, "most": 2.0}, given, times)[:, 0]

    np.testing.assert_allclose(left(0.5), [8.0 * np.exp(-0.5), 2.0], rtol=1e-5)
    with pytest.raises(ModelError, match="cannot be differentiated: a rate jumps"):
        jax.jacfwd(left)(0.5)
