"""A kernel in LLVM's language whose answer is a formula that reads all it is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from pkmodels.kernels.ffi_frame import emit_handler
from pkmodels.kernels.foreign import NAMES, ForeignKernel
from pkmodels.kernels.machine_code import load, object_code
from pkmodels.kernels.problem import Controls, Problem, Solution, Tangents

STATUS, WHOLE, REAL = ir.IntType(32), ir.IntType(64), ir.DoubleType()
POINTER = ir.PointerType()


def expected(
    problem: Problem, tangents: Tangents, controls: Controls, threads: int
) -> Solution:
    """The formula: problems and tangents without batch axes, or with the same ones."""
    rate = np.take_along_axis(problem.constants[..., 0], problem.places, -1)
    start = np.take_along_axis(problem.boundaries_h, problem.places, -1)
    fraction = np.exp(-rate * (problem.times_h - start))[..., None]
    first = (problem.keep * problem.added)[..., :1, :]
    states = first * fraction + problem.scales[..., None, :]
    weights = tangents.constants[..., 0, 0] + 10 * tangents.boundaries_h[..., 0]
    sensitivities = (tangents.added[..., :1, :] + weights[..., None, None]) * fraction[
        ..., None, :, :
    ]
    sums = controls.relative + 10 * controls.absolute + 100 * controls.negative
    report = np.broadcast_to(
        [sums, float(controls.most_steps), float(threads)], (*states.shape[:-2], 3)
    )
    return Solution(states, sensitivities, report)


def kernel(key: str, n_constants: int, n_states: int) -> ForeignKernel:
    """The formula, compiled; it has no memory for a negative number of steps."""
    code = object_code(text(n_constants, n_states))
    return ForeignKernel(load(code, NAMES), key, n_constants, n_states)


def text(n_constants: int, n_states: int) -> str:
    module = ir.Module("decay")
    kind = ir.FunctionType(STATUS, [POINTER, POINTER])
    solve = ir.Function(module, kind, "solve")
    exponential = ir.Function(module, ir.FunctionType(REAL, [REAL]), "exp")
    code = _Code(ir.IRBuilder(solve.append_basic_block("entry")), solve, exponential)
    code.emit(n_constants, n_states)
    emit_handler(module, solve)
    return str(module)


class _Code:
    def __init__(
        self, builder: ir.IRBuilder, solve: ir.Function, exponential: ir.Function
    ) -> None:
        self.builder: Any = builder
        self.exponential = exponential
        self.sizes, self.arrays = solve.args

    def emit(self, n_constants: int, n_states: int) -> None:
        builder = self.builder
        size = [self.item(WHOLE, self.sizes, WHOLE(n)) for n in range(6)]
        batch, n_segments, n_times, n_directions, threads, most_steps = size
        with builder.if_then(builder.icmp_signed("<", most_steps, WHOLE(0))):
            builder.ret(STATUS(1))
        states, constants = WHOLE(n_states), WHOLE(n_constants)
        with self.loop(batch) as b:
            self.emit_report(b, threads, most_steps)
            with self.loop(n_times) as t:
                fraction = self.fraction(b, t, n_segments, n_times, constants)
                with self.loop(states) as i:
                    at = self.place((batch, b), (n_segments, WHOLE(0)), (states, i))
                    value = self.product(self.read(2, at), self.read(3, at), fraction)
                    scale = self.read(4, self.place((batch, b), (states, i)))
                    out = self.place((batch, b), (n_times, t), (states, i))
                    self.write(11, out, builder.fadd(value, scale))
                    with self.loop(n_directions) as d:
                        before = ((batch, b), (n_directions, d), (n_segments, WHOLE(0)))
                        rate = self.place(*before, (constants, WHOLE(0)))
                        tangent = builder.fadd(
                            self.read(9, self.place(*before, (states, i))),
                            builder.fadd(
                                self.read(7, rate),
                                builder.fmul(
                                    REAL(10), self.read(8, self.place(*before))
                                ),
                            ),
                        )
                        out = self.place(
                            (batch, b), (n_directions, d), (n_times, t), (states, i)
                        )
                        self.write(12, out, builder.fmul(tangent, fraction))
        builder.ret(STATUS(0))

    def emit_report(self, b: ir.Value, threads: ir.Value, most_steps: ir.Value) -> None:
        builder = self.builder
        first = builder.mul(b, WHOLE(3))
        total = self.read(10, WHOLE(0))
        for number, weight in ((1, 10.0), (2, 100.0)):
            term = builder.fmul(REAL(weight), self.read(10, WHOLE(number)))
            total = builder.fadd(total, term)
        numbers = [builder.sitofp(n, REAL) for n in (most_steps, threads)]
        for number, value in enumerate((total, *numbers)):
            self.write(13, builder.add(first, WHOLE(number)), value)

    def fraction(self, b: ir.Value, t: ir.Value, *lengths: ir.Value) -> ir.Value:
        builder, one = self.builder, WHOLE(1)
        n_segments, n_times, constants = lengths
        time = self.place((one, b), (n_times, t))
        segment = self.item(WHOLE, self.item(POINTER, self.arrays, WHOLE(6)), time)
        at = self.place((one, b), (n_segments, segment))
        rate = self.read(0, builder.mul(at, constants))
        since = builder.fsub(self.read(5, time), self.read(1, at))
        return builder.call(self.exponential, [builder.fneg(builder.fmul(rate, since))])

    def product(self, *factors: ir.Value) -> ir.Value:
        first, *others = factors
        for factor in others:
            first = self.builder.fmul(first, factor)
        return first

    def place(self, *axes: tuple[ir.Value, ir.Value]) -> ir.Value:
        found: ir.Value = WHOLE(0)
        for length, number in axes:
            found = self.builder.add(self.builder.mul(found, length), number)
        return found

    def item(self, kind: ir.Type, start: ir.Value, number: ir.Value) -> ir.Value:
        place = self.builder.gep(start, [number], source_etype=kind)
        return self.builder.load(place, typ=kind)

    def read(self, array: int, number: ir.Value) -> ir.Value:
        return self.item(REAL, self.item(POINTER, self.arrays, WHOLE(array)), number)

    def write(self, array: int, number: ir.Value, value: ir.Value) -> None:
        start = self.item(POINTER, self.arrays, WHOLE(array))
        place = self.builder.gep(start, [number], source_etype=REAL)
        self.builder.store(value, place)

    @contextmanager
    def loop(self, number: ir.Value) -> Iterator[ir.Value]:
        builder = self.builder
        before = builder.block
        head, body, after = (builder.append_basic_block() for _ in range(3))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(WHOLE)
        index.add_incoming(WHOLE(0), before)
        builder.cbranch(builder.icmp_signed("<", index, number), body, after)
        builder.position_at_end(body)
        yield index
        index.add_incoming(builder.add(index, WHOLE(1)), builder.block)
        builder.branch(head)
        builder.position_at_end(after)
