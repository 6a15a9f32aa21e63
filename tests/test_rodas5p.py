"""The method's coefficients against the conditions that they must fulfil.

The conditions are those of Hairer and Wanner, Solving Ordinary Differential Equations
II (1996), IV.7, Theorem 7.3: for each rooted tree t, sum_i b_i phi_i(t) = 1 / gamma(t),
where an edge from a vertex with one son stands for beta, from others for alpha.
"""

import math
from collections.abc import Callable
from itertools import combinations_with_replacement

import numpy as np
import pytest

from pkmodels.kernels import rodas5p

type Tree = tuple["Tree", ...]

ONE = np.eye(8)[7]
# The classical form: u = (1 / gamma - C)^-1 applied to the increments k of the stages.
STAGES = np.linalg.inv(np.eye(8) / rodas5p.GAMMA - rodas5p.C)
ALPHA = rodas5p.A @ STAGES
BETA = ALPHA + STAGES
WEIGHTS = (rodas5p.A[7] + ONE) @ STAGES
EMBEDDED = rodas5p.A[7] @ STAGES
# How many rooted trees there are (Butcher 1963), so that no condition is forgotten.
COUNTS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 9, 6: 20}


def size(tree: Tree) -> int:
    return 1 + sum(map(size, tree))


def trees(order: int) -> set[Tree]:
    """Return the rooted trees with so many vertices, as nested tuples of sons."""
    smaller = [t for below in range(1, order) for t in sorted(trees(below))]
    return {
        tuple(sorted(sons))
        for number in range(order)
        for sons in combinations_with_replacement(smaller, number)
        if sum(map(size, sons)) == order - 1
    }


def density(tree: Tree) -> int:
    return size(tree) * math.prod(map(density, tree))


def elementary(tree: Tree) -> np.ndarray:
    """Return phi_i(t) of each stage."""
    edges = BETA if len(tree) == 1 else ALPHA
    product = np.ones(8)
    for son in tree:
        product *= edges @ elementary(son)
    return product


def residual(weights: np.ndarray, order: int) -> float:
    """Return the largest residual of the conditions of exactly this order."""
    return max(
        abs(float(weights @ elementary(t)) - 1.0 / density(t)) for t in trees(order)
    )


def dense_weights(theta: float) -> np.ndarray:
    """Return b(theta) of y(t + theta h) = y + sum_i b_i(theta) k_i."""
    first, second, third = rodas5p.H
    inner = (1.0 - theta) * (first + theta * (second + theta * third))
    return theta * (rodas5p.A[7] + ONE + inner) @ STAGES


def amplification(weights: np.ndarray, z: complex) -> complex:
    """Return R(z): y_new = R(h l) y for dy/dt = l y."""
    stages = np.linalg.solve(np.eye(8) - z * BETA, np.ones(8))
    return complex(1.0 + z * (weights @ stages))


def test_trees_are_all_there():
    assert {order: len(trees(order)) for order in COUNTS} == COUNTS


def test_classical_form_is_that_of_a_rosenbrock_method():
    np.testing.assert_allclose(np.diag(STAGES), rodas5p.GAMMA, rtol=1e-14)
    assert np.abs(np.triu(ALPHA)).max() < 1e-14
    # The nodes are sums of the classical coefficients: 1 where the method says so.
    nodes = ALPHA.sum(axis=1)
    np.testing.assert_allclose(nodes[[0, 5, 6, 7]], [0, 1, 1, 1], atol=1e-13)


@pytest.mark.parametrize("order", range(1, 6))
def test_conditions_of_order_five(order: int):
    assert residual(WEIGHTS, order) < 2e-13


@pytest.mark.parametrize("order", range(1, 5))
def test_embedded_conditions_of_order_four(order: int):
    assert residual(EMBEDDED, order) < 2e-13


def test_no_order_is_higher_than_claimed():
    # Also shows that the conditions can fail.
    assert residual(WEIGHTS, rodas5p.ORDER + 1) > 1e-5
    assert residual(EMBEDDED, rodas5p.ORDER) > 1e-5


@pytest.mark.parametrize("theta", [0.1, 0.25, 0.5, 0.7, 0.95])
def test_conditions_of_the_dense_output_of_order_four(theta: float):
    for order in range(1, 5):
        for tree in trees(order):
            wanted = theta**order / density(tree)
            assert dense_weights(theta) @ elementary(tree) == pytest.approx(
                wanted, abs=3e-13
            )


@pytest.mark.parametrize(("weights", "row"), [(WEIGHTS, 7), (EMBEDDED, 6)])
def test_stiffly_accurate_and_stable(weights: np.ndarray, row: int):
    np.testing.assert_allclose(BETA[row], weights, atol=1e-14)
    assert abs(1.0 - weights @ np.linalg.solve(BETA, np.ones(8))) < 1e-11
    # Its one pole is at 1 / gamma: stable on the imaginary axis is stable left of it.
    on_axis = [abs(amplification(weights, 1j * y)) for y in np.logspace(-3, 5, 400)]
    assert max(on_axis) < 1.0 + 1e-12


def kaps(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f and J of Kaps' problem, whose solution is exp(-2 t), exp(-t)."""
    change = [-3.0 * y[0] + y[1] ** 2, y[0] - y[1] - y[1] ** 2]
    return np.array(change), np.array([[-3.0, 2.0 * y[1]], [1.0, -1.0 - 2.0 * y[1]]])


def kaps_solution(t: float) -> np.ndarray:
    return np.array([np.exp(-2.0 * t), np.exp(-t)])


def prothero_robinson(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f and J of dx/dt = -L (x - sin t) + cos t, dt/dt = 1, L = 1e6."""
    x, t = y
    change = [-1e6 * (x - np.sin(t)) + np.cos(t), 1.0]
    return np.array(change), np.array([[-1e6, 1e6 * np.cos(t) - np.sin(t)], [0, 0]])


def prothero_robinson_solution(t: float) -> np.ndarray:
    return np.array([np.sin(t), t])


def advance(
    equations: Callable, y: np.ndarray, h: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the new state and the stages, in the form at the head of the module."""
    matrix = np.eye(len(y)) / (rodas5p.GAMMA * h) - equations(y)[1]
    stages = np.zeros((8, len(y)))
    for i in range(8):
        change = equations(y + rodas5p.A[i] @ stages)[0] + rodas5p.C[i] @ stages / h
        stages[i] = np.linalg.solve(matrix, change)
    return y + rodas5p.A[7] @ stages + stages[7], stages


def slopes(errors: list[float]) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def errors_of(equations: Callable, solution: Callable) -> list[float]:
    """Return the errors at 2 after 8, 16, 32 and 64 steps."""
    errors = []
    for steps in (8, 16, 32, 64):
        y = solution(0.0)
        for _ in range(steps):
            y, _ = advance(equations, y, 2.0 / steps)
        errors.append(float(np.abs(y - solution(2.0)).max()))
    return errors


def test_observed_order():
    errors = errors_of(kaps, kaps_solution)
    assert slopes(errors)[-1] == pytest.approx(5.0, abs=0.2)


def test_stiffness_costs_order_but_hardly_accuracy():
    errors = errors_of(prothero_robinson, prothero_robinson_solution)
    assert slopes(errors).min() > 2.9
    assert errors[0] < 1e-9


def test_observed_order_of_the_dense_output():
    start = kaps_solution(0.0)
    errors = []
    for h in (0.2, 0.1, 0.05, 0.025):
        new, stages = advance(kaps, start, h)
        first, second, third = rodas5p.H @ stages
        theta = np.array([[0.2], [0.4], [0.6], [0.8]])
        inner = first + theta * (second + theta * third)
        between = (1 - theta) * start + theta * (new + (1 - theta) * inner)
        exact = np.array([kaps_solution(part * h) for part in theta[:, 0]])
        errors.append(float(np.abs(between - exact).max()))
    # Within one step: one more than the order.
    assert slopes(errors)[-1] == pytest.approx(5.0, abs=0.2)
