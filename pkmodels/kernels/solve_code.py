"""Solve code: the loop over segments, steps and times that integrates one group.

A group is one draw of a batch, or `LANES` draws that share their steps, boundaries and
times. What fails gets NaN from there on, and its `Outcome`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from pkmodels.kernels.emission import LANES, POINTER, REAL, STATUS, WHOLE, Code
from pkmodels.kernels.model_code import ModelCode, write_model
from pkmodels.kernels.problem import Outcome
from pkmodels.kernels.reduction import Reduced
from pkmodels.kernels.step_code import (
    STAGES,
    Workspace,
    chunks,
    write_error,
    write_output,
    write_step,
    write_step_of_directions,
)

# Times closer than this, relative to the larger of them and 1 h, are one.
_SAME_TIME = 1e-12
# Hairer and Wanner, Solving Ordinary Differential Equations II, IV.8 (RODAS).
_SAFETY = 0.9
_MOST_GROWTH = 6.0
_LEAST_GROWTH = 0.2
_EXPONENT = 0.2
_LEAST_REMEMBERED_ERROR = 1e-2
# A step is stretched to the end where this much of it would be left.
_STRETCH = 1.0 + 1e-7
_SMALLEST_STEP = 1e-14

SIZES = ("batch", "segments", "times", "directions", "threads", "most_steps")
ARRAYS = (
    "constants",
    "boundaries",
    "keep",
    "added",
    "scales",
    "times",
    "places",
    "constant_slopes",
    "boundary_slopes",
    "added_slopes",
    "controls",
    "states",
    "sensitivities",
    "report",
)


@dataclass(frozen=True)
class Routines:
    """What the loop calls."""

    model: ModelCode
    space: Workspace
    step: Code
    directions: Code
    error: Code


class Group:
    """The code of ``integrate(first, sizes, arrays, work)``, as it is written.

    Parameters
    ----------
    module : ir.Module
        Where to.
    reduced : Reduced
        The model.
    lanes : int
        1 or `LANES`.
    """

    def __init__(self, module: ir.Module, reduced: Reduced, lanes: int) -> None:
        model = write_model(module, reduced, lanes)
        space = Workspace(model)
        self.calls = Routines(
            model,
            space,
            write_step(module, model, space),
            write_step_of_directions(module, model, space),
            write_error(module, space),
        )
        self.lanes, self.space, self.model = lanes, space, model
        kinds = (WHOLE, POINTER, POINTER, POINTER)
        self.code = Code(module, f"integrate_{lanes}", kinds, STATUS)
        self.code.function.attributes.add("noinline")
        self._read_arguments()
        self._write()

    def _read_arguments(self) -> None:
        code = self.code
        first, sizes, arrays, self.work = code.arguments
        self.size = {n: code.load_whole(sizes, i) for i, n in enumerate(SIZES)}
        self.array = {n: code.load_pointer(arrays, i) for i, n in enumerate(ARRAYS)}
        last = code.plus(self.size["batch"], code.whole(-1))
        lanes = [code.plus(first, code.whole(lane)) for lane in range(self.lanes)]
        # The last group repeats its last draw.
        self.rows = [self._at_most(lane, last) for lane in lanes]
        per_group = LANES if self.lanes == 1 else 1
        more = code.plus(self.size["directions"], code.whole(per_group - 1))
        self.groups = code.builder.sdiv(more, code.whole(per_group))
        names = ("relative", "absolute", "negative")
        self.control = {
            n: code.load(self.array["controls"], i) for i, n in enumerate(names)
        }

    def _at_most(self, value: ir.Value, most: ir.Value) -> ir.Value:
        is_less = self.code.is_less(value, most)
        return self.code.builder.select(is_less, value, most)

    def _write(self) -> None:
        code = self.code
        self.time_number = code.variable(code.whole(0))
        self.steps = code.variable(code.whole(0))
        self.outcome = code.variable(ir.Constant(STATUS, Outcome.SOLVED))
        self.reached = code.variable(code.real(0.0))
        self._clear()
        segment = code.variable(code.whole(0))
        with code.repeat(
            lambda: code.both(
                code.is_less(segment.get(), self.size["segments"]),
                self._has_times(),
                self._is_well(),
            )
        ):
            self.segment = segment.get()
            self._write_segment()
            segment.set(code.plus(self.segment, code.whole(1)))
        self._report()
        code.builder.ret(self.outcome.get())

    def _clear(self) -> None:
        code, states = self.code, self.model.shape.states
        zero = code.real(0.0, LANES)
        end = code.times(self.groups, code.whole(self.space.size_of_group))
        with code.each(code.plus(end, code.whole(self.space.fixed_size)), LANES) as i:
            code.store(zero, self.work, i)
        scale, absolute = self._place("scale"), self._place("absolute")
        for offset in chunks(code, self.space.width):
            code.store(code.real(1.0, LANES), scale, offset)
        with code.each(states) as i:
            value = self._gathered("scales", self.rows, code.whole(states), i)
            self._put(value, scale, i)
        tolerance = code.spread(self.control["absolute"], LANES)
        for offset in chunks(code, self.space.width):
            value = code.multiply(code.load(scale, offset, LANES), tolerance)
            code.store(value, absolute, offset)

    def _write_segment(self) -> None:
        code = self.code
        begins = self._boundary(self.segment)
        self.begins = begins
        self._jump()
        slack = code.multiply(
            code.real(_SAME_TIME),
            code.larger(code.intrinsic("fabs", begins), code.real(1.0)),
        )
        self.slack = slack
        with code.repeat(lambda: self._is_due(slack)):
            self._emit_state(self._place("y"), "s")
        end = self._end()
        is_long = code.builder.fcmp_ordered(">", end, slack)
        with code.builder.if_then(code.both(is_long, self._has_times())):
            self._integrate(end)

    def _boundary(self, segment: ir.Value) -> ir.Value:
        return self._gathered(
            "boundaries", self.rows[:1], self.size["segments"], segment
        )

    def _end(self) -> ir.Value:
        """Return how long to integrate: to the next jump, or to the last time."""
        code = self.code
        next_one = code.plus(self.segment, code.whole(1))
        is_last = code.builder.icmp_signed("==", next_one, self.size["segments"])
        following = self._boundary(self._at_most(next_one, self.segment_limit()))
        infinite = code.real(float("inf"))
        length = code.subtract(following, self.begins)
        length = code.builder.select(is_last, infinite, length)
        last_time = code.plus(self.size["times"], code.whole(-1))
        here = code.builder.icmp_signed("==", self._time_place(last_time), self.segment)
        until = code.subtract(self._time(last_time), self.begins)
        until = code.builder.select(here, until, infinite)
        return code.smaller(until, length)

    def segment_limit(self) -> ir.Value:
        """Return the number of the last segment."""
        return self.code.plus(self.size["segments"], self.code.whole(-1))

    def _jump(self) -> None:
        """Write what happens at the start of a segment, to states and directions."""
        code, shape = self.code, self.model.shape
        y, k, f, before = (self._place(n) for n in ("y", "k", "f", "f_before"))
        has_directions = code.is_less(code.whole(0), self.groups)
        is_later = code.is_less(code.whole(0), self.segment)
        with code.builder.if_then(code.both(has_directions, is_later)):
            code.call(self.model.derivatives, y, k, before)
        with code.each(shape.constants) as i:
            value = self._of_segment("constants", self.rows, shape.constants, i)
            self._put(value, self._place("c"), i)
        code.call(self.model.coefficients, self._place("c"), k)
        code.call(self.model.fixed_jacobian, k, self._place("J"))
        code.call(self.model.fixed_jacobian, k, self._place("J_stage"))
        with code.each(shape.states) as i:
            keep = self._of_segment("keep", self.rows, shape.states, i)
            added = self._of_segment("added", self.rows, shape.states, i)
            self._put(code.add(code.multiply(keep, self._get(y, i)), added), y, i)
        with code.builder.if_then(has_directions):
            code.call(self.model.derivatives, y, k, f)
            with code.each(self.groups) as number:
                self._jump_of_directions(number, f, before)

    def _jump_of_directions(
        self, number: ir.Value, f: ir.Value, before: ir.Value
    ) -> None:
        code, shape = self.code, self.model.shape
        group = self.space.group(code, self.work, number)
        rows = self._direction_rows(number)
        s = self.space.of_group(code, group, "s")
        moved = self._gathered(
            "boundary_slopes", rows, self.size["segments"], self.segment
        )
        with code.each(shape.states) as i:
            keep = self._of_segment("keep", self.rows, shape.states, i)
            added = self._of_segment("added_slopes", rows, shape.states, i)
            offset = code.times(i, code.whole(LANES))
            value = code.load(s, offset, LANES)
            gone = code.multiply(code.spread(self._get(before, i), LANES), moved)
            value = code.multiply(code.spread(keep, LANES), code.add(value, gone))
            come = code.multiply(code.spread(self._get(f, i), LANES), moved)
            code.store(code.subtract(code.add(value, added), come), s, offset)
        # The slopes of the constants wait where a stage's will be.
        slopes = self._place("f_direction")
        with code.each(shape.constants) as i:
            value = self._of_segment("constant_slopes", rows, shape.constants, i)
            code.store(value, slopes, code.times(i, code.whole(LANES)))
        dk = self.space.of_group(code, group, "dk")
        code.call(self.model.coefficient_slopes, self._place("c"), slopes, dk)
        jacobian_slopes = self.space.of_group(code, group, "dJ")
        k = self._place("k")
        code.call(self.model.fixed_jacobian_slopes, k, dk, jacobian_slopes)

    def _direction_rows(self, number: ir.Value) -> list[ir.Value]:
        """Return the row of each lane in the arrays of directions."""
        code, count = self.code, self.size["directions"]
        if self.lanes > 1:
            return [code.plus(code.times(row, count), number) for row in self.rows]
        first = code.times(number, code.whole(LANES))
        last = code.plus(count, code.whole(-1))
        start = code.times(self.rows[0], count)
        lanes = [code.plus(first, code.whole(lane)) for lane in range(LANES)]
        return [code.plus(start, self._at_most(lane, last)) for lane in lanes]

    def _integrate(self, end: ir.Value) -> None:
        code = self.code
        one = code.real(1.0)
        self.local = code.variable(code.real(0.0))
        self.h = code.variable(self._first_step(end))
        self.last_h, self.last_error = (
            code.variable(one),
            code.variable(code.real(-1.0)),
        )
        true = ir.Constant(ir.IntType(1), 1)
        self.is_fresh, self.is_free = code.variable(true), code.variable(true)

        def goes_on() -> ir.Value:
            before_end = code.builder.fcmp_ordered("<", self.local.get(), end)
            return code.both(before_end, self._has_times(), self._is_well())

        with code.repeat(goes_on):
            self.steps.set(code.plus(self.steps.get(), code.whole(1)))
            most = code.is_less(self.size["most_steps"], self.steps.get())
            with code.builder.if_else(most) as (beyond, within):
                with beyond:
                    self._fail(Outcome.STEP_LIMIT)
                with within:
                    self._try_step(end)
        self.reached.set(code.add(self.begins, self.local.get()))

    def _first_step(self, end: ir.Value) -> ir.Value:
        """Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4."""
        code = self.code
        y, k, f = (self._place(name) for name in ("y", "k", "f"))
        code.call(self.model.derivatives, y, k, f)
        size, slope = self._norm(y), self._norm(f)
        small = code.real(1e-5)
        is_small = code.builder.or_(
            code.builder.fcmp_unordered("<", size, small),
            code.builder.fcmp_unordered("<", slope, small),
        )
        ratio = code.multiply(code.real(0.01), code.divide(size, slope))
        guess = code.builder.select(is_small, code.real(1e-6), ratio)
        guess = code.smaller(guess, end)
        step = code.spread(guess, LANES)
        moved, there = self._place("y_new"), self._place("f_before")
        for offset in chunks(code, self.space.width):
            change = code.multiply(step, code.load(f, offset, LANES))
            code.store(code.add(code.load(y, offset, LANES), change), moved, offset)
        code.call(self.model.derivatives, moved, k, there)
        for offset in chunks(code, self.space.width):
            change = code.subtract(
                code.load(there, offset, LANES), code.load(f, offset, LANES)
            )
            code.store(change, there, offset)
        bend = code.divide(self._norm(there), guess)
        largest = code.larger(slope, bend)
        largest = code.larger(largest, code.real(1e-15))
        found = code.intrinsic(
            "pow", code.divide(code.real(0.01), largest), code.real(_EXPONENT)
        )
        found = code.smaller(found, code.multiply(code.real(100.0), guess))
        return code.smaller(found, end)

    def _norm(self, place: ir.Value) -> ir.Value:
        """Return the largest of an array by the tolerances at y."""
        code = self.code
        largest = code.variable(code.real(0.0, LANES))
        relative = code.spread(self.control["relative"], LANES)
        for offset in chunks(code, self.space.width):
            value = code.intrinsic("fabs", code.load(place, offset, LANES))
            y = code.intrinsic("fabs", code.load(self._place("y"), offset, LANES))
            absolute = code.load(self._place("absolute"), offset, LANES)
            allowed = code.add(absolute, code.multiply(relative, y))
            largest.set(code.larger(code.divide(value, allowed), largest.get()))
        return code.over_lanes("fmax", largest.get())

    def _try_step(self, end: ir.Value) -> None:
        code = self.code
        y, k, jacobian, absolute = (
            self._place(name) for name in ("y", "k", "J", "absolute")
        )
        planned = self.h.get()
        now = self.local.get()
        stretched = code.multiply(planned, code.real(_STRETCH))
        reaches = code.builder.fcmp_ordered(">=", code.add(now, stretched), end)
        h = code.builder.select(reaches, code.subtract(end, now), planned)
        with code.builder.if_then(self.is_fresh.get()):
            code.call(self.model.jacobian, y, k, absolute, jacobian)
        code.call(self.calls.step, self.work, h)
        error = code.call(self.calls.error, self.work, self.control["relative"])
        accepted = code.builder.fcmp_ordered("<=", error, code.real(1.0))
        with code.builder.if_else(accepted) as (then, otherwise):
            with then:
                self._accept(
                    h, error, code.builder.select(reaches, end, code.add(now, h))
                )
            with otherwise:
                self._reject(h, error)

    def _accept(self, h: ir.Value, error: ir.Value, then: ir.Value) -> None:
        code = self.code
        with code.builder.if_else(self._is_negative()) as (below, sound):
            with below:
                self.local.set(then)
                self._fail(Outcome.NEGATIVE)
            with sound:
                has_directions = code.is_less(code.whole(0), self.groups)
                with code.builder.if_then(has_directions):
                    code.call(self.calls.directions, self.work, h, self.groups)
                self._interpolate(h, then)
                self._take_over()
                self._choose_next(h, error)
                self.local.set(then)

    def _is_negative(self) -> ir.Value:
        code = self.code
        least = code.variable(code.real(0.0, LANES))
        tolerance = code.spread(self.control["negative"], LANES)
        for offset in chunks(code, self.space.width):
            new = code.load(self._place("y_new"), offset, LANES)
            scale = code.load(self._place("scale"), offset, LANES)
            above = code.add(new, code.multiply(tolerance, scale))
            least.set(code.smaller(above, least.get()))
        found = code.over_lanes("fmin", least.get())
        return code.builder.fcmp_ordered("<", found, code.real(0.0))

    def _interpolate(self, h: ir.Value, then: ir.Value) -> None:
        """Give out the states at the times within a step."""
        code = self.code
        begins = code.add(self.begins, self.local.get())
        until = code.add(then, self.slack)
        y_out, stages = self._place("f"), range(STAGES)
        with code.repeat(lambda: self._is_due(until)):
            since = code.subtract(self._time(self.time_number.get()), begins)
            theta = code.smaller(code.divide(since, h), code.real(1.0))
            theta = code.larger(theta, code.real(0.0))
            u = [self._place("u", stage) for stage in stages]
            pair = (self._place("y"), self._place("y_new"), u)
            write_output(code, [pair], theta, [self.space.width], [y_out])
            with code.each(self.groups) as number:
                group = self.space.group(code, self.work, number)
                own = [self.space.of_group(code, group, "u", s) for s in stages]
                s, new = (self.space.of_group(code, group, n) for n in ("s", "s_new"))
                to = self.space.of_group(code, group, "s_out")
                doubles = self.model.shape.states * LANES
                write_output(code, [(s, new, own)], theta, [doubles], [to])
            self._emit_state(y_out, "s_out")

    def _take_over(self) -> None:
        code = self.code
        self._copy(self._place("y_new"), self._place("y"), self.space.width)
        with code.each(self.groups) as number:
            group = self.space.group(code, self.work, number)
            s, new = (self.space.of_group(code, group, n) for n in ("s", "s_new"))
            self._copy(new, s, self.model.shape.states * LANES)

    def _copy(self, source: ir.Value, to: ir.Value, doubles: int) -> None:
        for offset in chunks(self.code, doubles):
            self.code.store(self.code.load(source, offset, LANES), to, offset)

    def _choose_next(self, h: ir.Value, error: ir.Value) -> None:
        """Gustafsson's predictive control, as RODAS has it; growth is a divisor here."""
        code = self.code
        error = code.larger(error, code.real(1e-10))
        power = code.intrinsic("pow", error, code.real(_EXPONENT))
        divisor = code.multiply(power, code.real(1.0 / _SAFETY))
        last = self.last_error.get()
        has_last = code.builder.fcmp_ordered(">", last, code.real(0.0))
        square = code.divide(
            code.multiply(error, error),
            code.larger(last, code.real(_LEAST_REMEMBERED_ERROR)),
        )
        predicted = code.intrinsic("pow", square, code.real(_EXPONENT))
        trend = code.divide(self.last_h.get(), h)
        predicted = code.multiply(
            predicted, code.multiply(trend, code.real(1.0 / _SAFETY))
        )
        predicted = code.larger(predicted, divisor)
        divisor = code.builder.select(has_last, predicted, divisor)
        divisor = self._bounded(divisor)
        next_h = code.divide(h, divisor)
        is_free = self.is_free.get()
        kept = code.smaller(next_h, h)
        self.h.set(code.builder.select(is_free, next_h, kept))
        self.last_h.set(h)
        self.last_error.set(code.larger(error, code.real(_LEAST_REMEMBERED_ERROR)))
        true = ir.Constant(ir.IntType(1), 1)
        self.is_fresh.set(true)
        self.is_free.set(true)

    def _bounded(self, divisor: ir.Value) -> ir.Value:
        code = self.code
        divisor = code.larger(divisor, code.real(1.0 / _MOST_GROWTH))
        return code.smaller(divisor, code.real(1.0 / _LEAST_GROWTH))

    def _reject(self, h: ir.Value, error: ir.Value) -> None:
        code = self.code
        infinite = code.real(float("inf"))
        is_finite = code.builder.fcmp_ordered("<", error, infinite)
        power = code.intrinsic("pow", error, code.real(_EXPONENT))
        divisor = self._bounded(code.multiply(power, code.real(1.0 / _SAFETY)))
        least = code.real(1.0 / _LEAST_GROWTH)
        divisor = code.builder.select(is_finite, divisor, least)
        shorter = code.divide(h, divisor)
        self.h.set(shorter)
        false = ir.Constant(ir.IntType(1), 0)
        self.is_fresh.set(false)
        self.is_free.set(false)
        size = code.larger(
            code.intrinsic("fabs", code.add(self.begins, self.local.get())),
            code.real(1e-3),
        )
        least_h = code.multiply(size, code.real(_SMALLEST_STEP))
        is_tiny = code.builder.fcmp_ordered("<", shorter, least_h)
        with code.builder.if_then(is_tiny):
            small, not_finite = (
                ir.Constant(STATUS, outcome)
                for outcome in (Outcome.STEP_TOO_SMALL, Outcome.NOT_FINITE)
            )
            self.outcome.set(code.builder.select(is_finite, small, not_finite))

    def _emit_state(self, y: ir.Value, name: str) -> None:
        """Give out the states, and the directions, at the next of the times."""
        code, states = self.code, self.model.shape.states
        number = self.time_number.get()
        with code.each(states) as i:
            self._write_out("states", self.rows, number, i, self._get(y, i))
        with code.each(self.groups) as group_number:
            group = self.space.group(code, self.work, group_number)
            rows = self._direction_rows(group_number)
            s = self.space.of_group(code, group, name)
            with code.each(states) as i:
                value = code.load(s, code.times(i, code.whole(LANES)), LANES)
                self._write_out("sensitivities", rows, number, i, value)
        self.time_number.set(code.plus(number, code.whole(1)))

    def _write_out(
        self,
        array: str,
        rows: Sequence[ir.Value],
        time: ir.Value,
        state: ir.Value,
        value: ir.Value,
    ) -> None:
        code = self.code
        states = code.whole(self.model.shape.states)
        stride = code.times(self.size["times"], states)
        offset = code.plus(code.times(time, states), state)
        code.scatter(value, self.array[array], rows, stride, offset)

    def _report(self) -> None:
        code = self.code
        nothing = code.real(float("nan"), LANES)
        y = self._place("f")
        with code.builder.if_then(self._has_times()):
            for offset in chunks(code, self.space.width):
                code.store(nothing, y, offset)
            with code.each(self.groups) as number:
                group = self.space.group(code, self.work, number)
                s = self.space.of_group(code, group, "s_out")
                for offset in chunks(code, self.model.shape.states * LANES):
                    code.store(nothing, s, offset)
        with code.repeat(self._has_times):
            self._emit_state(y, "s_out")
        outcome = code.builder.sitofp(self.outcome.get(), REAL)
        steps = code.builder.sitofp(self.steps.get(), REAL)
        for number, value in enumerate((outcome, self.reached.get(), steps)):
            code.scatter(
                code.spread(value, self.lanes),
                self.array["report"],
                self.rows,
                code.whole(3),
                code.whole(number),
            )

    def _fail(self, outcome: Outcome) -> None:
        self.outcome.set(ir.Constant(STATUS, outcome))

    def _is_well(self) -> ir.Value:
        solved = ir.Constant(STATUS, Outcome.SOLVED)
        return self.code.builder.icmp_signed("==", self.outcome.get(), solved)

    def _has_times(self) -> ir.Value:
        return self.code.is_less(self.time_number.get(), self.size["times"])

    def _is_due(self, until: ir.Value) -> ir.Value:
        """Say whether the next time is in this segment and not after `until`."""
        code, number = self.code, self.time_number.get()
        last = code.plus(self.size["times"], code.whole(-1))
        safe = self._at_most(number, last)
        here = code.builder.icmp_signed("==", self._time_place(safe), self.segment)
        since = code.subtract(self._time(safe), self.begins)
        due = code.builder.fcmp_ordered("<=", since, until)
        return code.both(self._has_times(), here, due)

    def _time(self, number: ir.Value) -> ir.Value:
        return self._gathered("times", self.rows[:1], self.size["times"], number)

    def _time_place(self, number: ir.Value) -> ir.Value:
        offset = self.code.times(self.rows[0], self.size["times"])
        return self.code.load_whole(
            self.array["places"], self.code.plus(offset, number)
        )

    def _gathered(
        self, array: str, rows: Sequence[ir.Value], stride: ir.Value, offset: ir.Value
    ) -> ir.Value:
        return self.code.gather(self.array[array], rows, stride, offset)

    def _of_segment(
        self, array: str, rows: Sequence[ir.Value], count: int, number: ir.Value
    ) -> ir.Value:
        """Return one number of each row of (n_segments, count) arrays."""
        code, width = self.code, self.code.whole(count)
        stride = code.times(self.size["segments"], width)
        offset = code.plus(code.times(self.segment, width), number)
        return self._gathered(array, rows, stride, offset)

    def _place(self, name: str, row: int = 0) -> ir.Value:
        return self.space.place(self.code, self.work, name, row)

    def _get(self, place: ir.Value, number: ir.Value) -> ir.Value:
        offset = self.code.times(number, self.code.whole(self.lanes))
        return self.code.load(place, offset, self.lanes)

    def _put(self, value: ir.Value, place: ir.Value, number: ir.Value) -> None:
        offset = self.code.times(number, self.code.whole(self.lanes))
        self.code.store(value, place, offset)
