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
from pkmodels.symbols import amounts, parameters
from pkmodels.system import assemble

X, Y, A, B = sympy.symbols("x y a b")

JUMPING = {
    "threshold": sympy.Piecewise((A * X, X < B), (0, True)),
    "step": A * sympy.Heaviside(X - B),
    "quotient": (X - B) / sympy.Abs(X - B),
    "no default": sympy.Piecewise((A * X, X < B)),
    "over another": sympy.Piecewise((0, X < B), (A * (X - B), A < 1), (A * B, True)),
    "unsolvable": sympy.Piecewise((sympy.Max(X, Y), sympy.Max(X, Y) < B), (B, True)),
}
CONTINUOUS = {
    "saturating": A * X / (B + X),
    "kink": sympy.Piecewise((A * X, X < B), (A * B, True)),
    "larger": sympy.Max(X - B, 0),
    "distance": sympy.Abs(X - B),
    "switched": sympy.Piecewise((A * X, A < B), (0, True)),
}


def equations(rate: sympy.Expr) -> Equations:
    return Equations("made", (X, Y), (A, B), (-rate, rate), False)


@pytest.mark.parametrize("name", JUMPING)
def test_jumps_are_found(name: str) -> None:
    assert jump_in(equations(JUMPING[name])) is not None


@pytest.mark.parametrize("name", CONTINUOUS)
def test_kinks_are_no_jumps(name: str) -> None:
    assert jump_in(equations(CONTINUOUS[name])) is None


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
