"""Step code: one step of Rodas5P for the states, and for the sensitivities with it.

The sensitivities are those of the step itself: with W, Y_i, u_i of the states,
W du_i = J(Y_i) dY_i + df/dk(Y_i) dk + sum_j (C_ij / h) du_j + dJ u_i, with the step's
own factorization (the Rosenbrock method applied to states and sensitivities at once).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from pkmodels.kernels.emission import LANES, POINTER, REAL, WHOLE, Code, Value
from pkmodels.kernels.model_code import ModelCode
from pkmodels.kernels.rodas5p import GAMMA, A, C, H
from pkmodels.kernels.step_rules import (
    SENSITIVITY_FACTOR,
    SENSITIVITY_FLOOR,
)

STAGES = 8
# Of chunks of `LANES` doubles; beyond, a loop.
_MOST_UNROLLED = 4


@dataclass(frozen=True)
class Workspace:
    """Where everything lies in one block of doubles, as offsets.

    Parameters
    ----------
    model : ModelCode
        The model.
    """

    model: ModelCode

    def _offsets(self) -> dict[str, int]:
        shape = self.model.shape
        width, lanes = self.width, shape.lanes
        entries = _padded(len(shape.entries) * lanes)
        sizes = {
            "y": width,
            "y_new": width,
            "scale": width,
            "absolute": width,
            "f": width,
            "f_before": width,
            "stages": STAGES * width,
            "u": STAGES * width,
            "c": _padded(shape.constants * lanes),
            "k": _padded(shape.coefficients * lanes),
            "J": entries,
            "J_stage": entries,
            "LU": _padded(len(shape.elimination.filled) * lanes),
            "s_stage": shape.states * LANES,
            "f_direction": max(shape.states, shape.constants) * LANES,
        }
        return _placed(sizes)

    def _direction_offsets(self) -> dict[str, int]:
        shape = self.model.shape
        own = shape.states * LANES
        return _placed(
            {
                "s": own,
                "s_new": own,
                "s_out": own,
                "u": STAGES * own,
                "dk": shape.coefficients * LANES,
                "dJ": len(shape.entries) * LANES,
            }
        )

    @property
    def width(self) -> int:
        """Doubles that the states take, whole vectors."""
        return _padded(self.model.shape.states * self.model.shape.lanes)

    @property
    def fixed_size(self) -> int:
        """Doubles without directions."""
        return self._offsets()["end"]

    @property
    def size_of_group(self) -> int:
        """Doubles for each group of directions."""
        return self._direction_offsets()["end"]

    def place(self, code: Code, work: Value, name: str, row: int = 0) -> Value:
        """Return where something lies, or a row of it."""
        return code.at(work, self._offsets()[name] + row * self.width)

    def group(self, code: Code, work: Value, number: Value) -> Value:
        """Return where a group of directions lies."""
        before = code.times(number, code.whole(self.size_of_group))
        return code.at(work, code.plus(before, code.whole(self.fixed_size)))

    def of_group(self, code: Code, group: Value, name: str, row: int = 0) -> Value:
        """Return where something of a group of directions lies."""
        own = self.model.shape.states * LANES
        return code.at(group, self._direction_offsets()[name] + row * own)


def _padded(size: int) -> int:
    return -(-size // LANES) * LANES


def _placed(sizes: dict[str, int]) -> dict[str, int]:
    found, end = {}, 0
    for name, size in sizes.items():
        found[name] = end
        end += size
    return {**found, "end": end}


def chunks(code: Code, doubles: int) -> Iterator[Value]:
    """Write what is done for each vector of an array, unrolled where it is short."""
    if doubles <= _MOST_UNROLLED * LANES:
        yield from (code.whole(offset) for offset in range(0, doubles, LANES))
        return
    with code.each(doubles, LANES) as offset:
        yield offset


def weighted_sum(
    code: Code,
    weights: Sequence[float | Value],
    places: Sequence[Value],
    offset: Value,
) -> Value | None:
    """Return the sum of weighted arrays at an offset; None where there are none."""
    total = None
    for weight, place in zip(weights, places, strict=True):
        if isinstance(weight, float) and weight == 0.0:
            continue
        value = code.load(place, offset, LANES)
        if not (isinstance(weight, float) and weight == 1.0):
            factor = (
                code.real(weight, LANES)
                if isinstance(weight, float)
                else code.spread(weight, LANES)
            )
            value = code.multiply(factor, value)
        total = value if total is None else code.add(total, value)
    return total


def write_step(module: ir.Module, model: ModelCode, space: Workspace) -> Code:
    """Write ``step(work, h)``: the stages, u and y_new of a step of the states."""
    lanes = model.shape.lanes
    code = Code(module, f"step_{lanes}", (POINTER, REAL))
    code.function.attributes.add("noinline")
    work, h = code.arguments
    per_h = code.divide(code.real(1.0), h)
    diagonal = code.spread(code.multiply(per_h, code.real(1.0 / GAMMA)), lanes)
    lu, k, f = (space.place(code, work, name) for name in ("LU", "k", "f"))
    code.call(model.factor, space.place(code, work, "J"), diagonal, lu)
    y = space.place(code, work, "y")
    u = [space.place(code, work, "u", row) for row in range(STAGES)]
    at = y
    for stage in range(STAGES):
        if stage:
            at = space.place(code, work, "stages", stage)
            base, weights = _stage_weights(stage)
            before = space.place(code, work, "stages", base) if base else y
            _write_stage(code, space.width, at, before, weights, u)
        code.call(model.derivatives, at, k, f)
        _write_right_side(code, space.width, u[stage], f, C[stage], u, per_h)
        code.call(model.solve, lu, u[stage])
    for offset in chunks(code, space.width):
        last = code.load(at, offset, LANES)
        new = code.add(last, code.load(u[-1], offset, LANES))
        code.store(new, space.place(code, work, "y_new"), offset)
    code.builder.ret_void()
    return code


def _stage_weights(stage: int) -> tuple[int, Sequence[float]]:
    """Return what a stage starts from, and the weights of the u added to it."""
    if np.array_equal(A[stage, : stage - 1], A[stage - 1, : stage - 1]):
        return stage - 1, [0.0] * (stage - 1) + [float(A[stage, stage - 1])]
    return 0, [float(weight) for weight in A[stage]]


def _write_stage(
    code: Code,
    doubles: int,
    to: Value,
    y: Value,
    weights: Sequence[float],
    u: Sequence[Value],
) -> None:
    for offset in chunks(code, doubles):
        change = weighted_sum(code, weights, u[: len(weights)], offset)
        value = code.load(y, offset, LANES)
        code.store(value if change is None else code.add(value, change), to, offset)


def _write_right_side(
    code: Code,
    doubles: int,
    to: Value,
    f: Value,
    weights: Sequence[float],
    u: Sequence[Value],
    per_h: Value,
) -> None:
    for offset in chunks(code, doubles):
        value = code.load(f, offset, LANES)
        change = weighted_sum(code, [float(w) for w in weights], u, offset)
        if change is not None:
            scaled = code.multiply(change, code.spread(per_h, LANES))
            value = code.add(value, scaled)
        code.store(value, to, offset)


def write_step_of_directions(
    module: ir.Module, model: ModelCode, space: Workspace
) -> Code:
    """Write ``step_directions(work, h, groups)``: s_new after a step of the states."""
    shape = model.shape
    code = Code(module, f"step_directions_{shape.lanes}", (POINTER, REAL, WHOLE))
    code.function.attributes.add("noinline")
    work, h, groups = code.arguments
    per_h = code.divide(code.real(1.0), h)
    y, k, stage_jacobian, scale = (
        space.place(code, work, name) for name in ("y", "k", "J_stage", "scale")
    )
    with code.each(groups) as number:
        group = space.group(code, work, number)
        s, dk, slopes = (space.of_group(code, group, n) for n in ("s", "dk", "dJ"))
        code.call(model.jacobian_slopes, y, k, scale, s, dk, slopes)
    for stage in range(STAGES):
        at, jacobian = y, space.place(code, work, "J")
        if stage:
            at, jacobian = space.place(code, work, "stages", stage), stage_jacobian
            code.call(model.jacobian, at, k, scale, jacobian)
        with code.each(groups) as number:
            group = space.group(code, work, number)
            _write_direction_stage(
                code, model, space, (work, group), stage, (at, jacobian, per_h)
            )
    code.builder.ret_void()
    return code


def _write_direction_stage(
    code: Code,
    model: ModelCode,
    space: Workspace,
    places: tuple[Value, Value],
    stage: int,
    known: tuple[Value, Value, Value],
) -> None:
    work, group = places
    at, jacobian, per_h = known
    doubles = model.shape.states * LANES
    s, dk = (space.of_group(code, group, name) for name in ("s", "dk"))
    du = [space.of_group(code, group, "u", row) for row in range(STAGES)]
    k, f = (space.place(code, work, name) for name in ("k", "f_direction"))
    s_stage = s
    if stage:
        s_stage = space.place(code, work, "s_stage")
        weights = [float(weight) for weight in A[stage]]
        _write_stage(code, doubles, s_stage, s, weights, du)
    scale = space.place(code, work, "scale")
    code.call(model.directional, jacobian, at, k, scale, s_stage, dk, f)
    _write_right_side(code, doubles, du[stage], f, C[stage], du, per_h)
    slopes = space.of_group(code, group, "dJ")
    u = space.place(code, work, "u", stage)
    code.call(model.add_jacobian_slopes, slopes, u, du[stage])
    code.call(model.solve_directions, space.place(code, work, "LU"), du[stage])
    if stage == STAGES - 1:
        for offset in chunks(code, doubles):
            last = code.load(s_stage, offset, LANES)
            new = code.add(last, code.load(du[stage], offset, LANES))
            code.store(new, space.of_group(code, group, "s_new"), offset)


def write_error(module: ir.Module, space: Workspace) -> Code:
    """Write ``error(work, relative)``: the largest error of a step by its tolerance.

    It is infinite where anything is not finite.
    """
    code = Code(module, f"error_{space.model.shape.lanes}", (POINTER, REAL), REAL)
    work, relative = code.arguments
    zero = code.real(0.0, LANES)
    largest, total = code.variable(zero), code.variable(zero)
    tolerance = code.spread(relative, LANES)
    for offset in chunks(code, space.width):
        y, new, error, absolute = (
            code.load(space.place(code, work, name, row), offset, LANES)
            for name, row in (
                ("y", 0),
                ("y_new", 0),
                ("u", STAGES - 1),
                ("absolute", 0),
            )
        )
        size = code.larger(code.intrinsic("fabs", y), code.intrinsic("fabs", new))
        allowed = code.add(absolute, code.multiply(tolerance, size))
        ratio = code.divide(code.intrinsic("fabs", error), allowed)
        largest.set(code.larger(ratio, largest.get()))
        # What is not a number is never larger; its sum shows it.
        total.set(code.add(total.get(), code.add(ratio, size)))
    none = code.multiply(total.get(), zero)
    found = code.add(largest.get(), none)
    is_finite = code.builder.fcmp_ordered("==", none, zero)
    found = code.builder.select(is_finite, found, code.real(float("inf"), LANES))
    code.builder.ret(code.over_lanes("fmax", found))
    return code


def write_error_of_directions(module: ir.Module, space: Workspace) -> Code:
    """Write ``error_directions(work, relative, groups)``, as `write_error`.

    Each sensitivity is measured by itself and, a little, by the largest of its
    direction. What is not finite counts as exact: the states go on.
    """
    shape = space.model.shape
    kinds = (POINTER, REAL, WHOLE)
    code = Code(module, f"error_directions_{shape.lanes}", kinds, REAL)
    work, relative, groups = code.arguments
    zero, floor = (code.real(x, LANES) for x in (0.0, SENSITIVITY_FLOOR))
    factor = code.multiply(relative, code.real(SENSITIVITY_FACTOR))
    tolerance = code.spread(factor, LANES)
    largest = code.variable(zero)

    def sizes(group: Value, i: Value) -> tuple[Value, Value]:
        offset = code.times(i, code.whole(LANES))
        both = (
            code.load(space.of_group(code, group, name), offset, LANES)
            for name in ("s", "s_new")
        )
        old, new = (code.intrinsic("fabs", value) for value in both)
        own = code.times(i, code.whole(shape.lanes))
        scale = code.load(space.place(code, work, "scale"), own, shape.lanes)
        return code.larger(old, new), code.spread(scale, LANES)

    with code.each(groups) as number:
        group = space.group(code, work, number)
        most = code.variable(zero)
        with code.each(shape.states) as i:
            size, scale = sizes(group, i)
            most.set(code.larger(code.divide(size, scale), most.get()))
        least = code.multiply(most.get(), floor)
        with code.each(shape.states) as i:
            size, scale = sizes(group, i)
            offset = code.times(i, code.whole(LANES))
            last = space.of_group(code, group, "u", STAGES - 1)
            error = code.intrinsic("fabs", code.load(last, offset, LANES))
            allowed = code.add(size, code.multiply(least, scale))
            ratio = code.divide(error, code.multiply(tolerance, allowed))
            largest.set(code.larger(ratio, largest.get()))
    code.builder.ret(code.over_lanes("fmax", largest.get()))
    return code


def write_output(
    code: Code,
    pairs: Sequence[tuple[Value, Value, Sequence[Value]]],
    theta: Value,
    doubles: Sequence[int],
    to: Sequence[Value],
) -> None:
    """Write the interpolation within a step, theta of it on, of (y, y_new, u) pairs."""
    one = code.real(1.0)
    rest = code.subtract(one, theta)
    product = code.multiply(theta, rest)
    weights: list[Value] = []
    for stage in range(STAGES):
        inner = code.real(float(H[2, stage]))
        for row in (1, 0):
            inner = code.add(
                code.multiply(theta, inner), code.real(float(H[row, stage]))
            )
        weights.append(code.multiply(product, inner))
    for (y, new, u), count, place in zip(pairs, doubles, to, strict=True):
        for offset in chunks(code, count):
            value = weighted_sum(code, [rest, theta, *weights], [y, new, *u], offset)
            code.store(value, place, offset)
