"""Step control: the steps from one jump to the next, tried, taken or shortened."""

from dataclasses import dataclass

from llvmlite import ir

from pkmodels.kernels.emission import LANES, STATUS, Code, Value, Variable
from pkmodels.kernels.problem import Outcome
from pkmodels.kernels.solve_frame import Frame
from pkmodels.kernels.step_code import STAGES, chunks, write_output
from pkmodels.kernels.step_rules import (
    EXPONENT,
    FIRST_GUESS,
    FIRST_LEAST_SLOPE,
    FIRST_MOST,
    FIRST_SHARE,
    FIRST_SMALL,
    LEAST_ERROR,
    LEAST_GROWTH,
    LEAST_REMEMBERED_ERROR,
    MOST_GROWTH,
    MOST_RETRIES,
    SAFETY,
    SHORTEST_RETRY,
    SMALLEST_STEP,
    SMALLEST_TIME_H,
    STRETCH,
)


@dataclass(frozen=True)
class Routines:
    """What the steps call: see `pkmodels.kernels.step_code`."""

    step: Code
    directions: Code
    error: Code
    error_of_directions: Code


def write_steps(frame: Frame, routines: Routines, end: Value) -> None:
    """Write the integration from the start of a segment.

    Parameters
    ----------
    frame : Frame
        The function.
    routines : Routines
        The step.
    end : Value
        How long to integrate, h, > 0.
    """
    code = frame.code
    true = ir.Constant(ir.IntType(1), 1)
    stretch = _Stretch(
        frame=frame,
        routines=routines,
        code=code,
        end=end,
        local=code.variable(code.real(0.0)),
        h=code.variable(_first_step(frame, end)),
        last_h=code.variable(code.real(1.0)),
        last_error=code.variable(code.real(-1.0)),
        retries=code.variable(code.whole(0)),
        is_fresh=code.variable(true),
        is_free=code.variable(true),
    )

    def goes_on() -> Value:
        before_end = code.builder.fcmp_ordered("<", stretch.local.get(), end)
        return code.both(before_end, frame.has_times(), frame.is_well())

    with code.repeat(goes_on):
        steps = frame.steps.get()
        may = code.is_less(steps, frame.size["most_steps"])
        with code.builder.if_else(may) as (within, beyond):
            with beyond:
                frame.fail(Outcome.STEP_LIMIT)
            with within:
                frame.steps.set(code.plus(steps, code.whole(1)))
                stretch.try_step()
    frame.reached.set(code.add(frame.begins, stretch.local.get()))


def _first_step(frame: Frame, end: Value) -> Value:
    """Hairer, Norsett and Wanner, Solving Differential Equations I, II.4."""
    code = frame.code
    y, k, f = (frame.place(name) for name in ("y", "k", "f"))
    code.call(frame.model.derivatives, y, k, f)
    size, slope = _norm(frame, y), _norm(frame, f)
    small = code.real(FIRST_SMALL)
    is_small = code.builder.or_(
        code.builder.fcmp_unordered("<", size, small),
        code.builder.fcmp_unordered("<", slope, small),
    )
    ratio = code.multiply(code.real(FIRST_SHARE), code.divide(size, slope))
    guess = code.builder.select(is_small, code.real(FIRST_GUESS), ratio)
    guess = code.smaller(guess, end)
    step = code.spread(guess, LANES)
    moved, there = frame.place("y_new"), frame.place("f_before")
    for offset in chunks(code, frame.space.width):
        change = code.multiply(step, code.load(f, offset, LANES))
        code.store(code.add(code.load(y, offset, LANES), change), moved, offset)
    code.call(frame.model.derivatives, moved, k, there)
    for offset in chunks(code, frame.space.width):
        change = code.subtract(
            code.load(there, offset, LANES), code.load(f, offset, LANES)
        )
        code.store(change, there, offset)
    bend = code.divide(_norm(frame, there), guess)
    largest = code.larger(slope, bend)
    largest = code.larger(largest, code.real(FIRST_LEAST_SLOPE))
    found = code.intrinsic(
        "pow", code.divide(code.real(FIRST_SHARE), largest), code.real(EXPONENT)
    )
    found = code.smaller(found, code.multiply(code.real(FIRST_MOST), guess))
    return code.smaller(found, end)


def _norm(frame: Frame, place: Value) -> Value:
    """Return the largest of an array by the tolerances at y."""
    code = frame.code
    largest = code.variable(code.real(0.0, LANES))
    relative = code.spread(frame.control["relative"], LANES)
    for offset in chunks(code, frame.space.width):
        value = code.intrinsic("fabs", code.load(place, offset, LANES))
        y = code.intrinsic("fabs", code.load(frame.place("y"), offset, LANES))
        absolute = code.load(frame.place("absolute"), offset, LANES)
        allowed = code.add(absolute, code.multiply(relative, y))
        largest.set(code.larger(code.divide(value, allowed), largest.get()))
    return code.over_lanes("fmax", largest.get())


@dataclass(frozen=True)
class _Stretch:
    """The steps of one segment: where they are written, and their variables.

    Times are from the start of the segment.
    """

    frame: Frame
    routines: Routines
    code: Code
    end: Value
    local: Variable
    h: Variable
    last_h: Variable
    last_error: Variable
    retries: Variable
    is_fresh: Variable
    is_free: Variable

    def try_step(self) -> None:
        """Write one step, which is taken or else shortened."""
        code, end = self.code, self.end
        y, k, jacobian, scale = (
            self.frame.place(name) for name in ("y", "k", "J", "scale")
        )
        planned = self.h.get()
        now = self.local.get()
        stretched = code.multiply(planned, code.real(STRETCH))
        reaches = code.builder.fcmp_ordered(">=", code.add(now, stretched), end)
        h = code.builder.select(reaches, code.subtract(end, now), planned)
        with code.builder.if_then(self.is_fresh.get()):
            code.call(self.frame.model.jacobian, y, k, scale, jacobian)
        code.call(self.routines.step, self.frame.work, h)
        error = code.call(
            self.routines.error, self.frame.work, self.frame.control["relative"]
        )
        accepted = code.builder.fcmp_ordered("<=", error, code.real(1.0))
        with code.builder.if_else(accepted) as (then, otherwise):
            with then:
                self._accept(
                    h, error, code.builder.select(reaches, end, code.add(now, h))
                )
            with otherwise:
                self._reject(h, error)

    def _accept(self, h: Value, error: Value, then: Value) -> None:
        code = self.code
        with code.builder.if_else(self._is_negative()) as (below, sound):
            with below:
                # What is right before the fall is reached by shorter steps.
                self._reject(h, code.real(float("inf")), Outcome.NEGATIVE)
            with sound:
                worst = self._step_directions(h, error)
                accepted = code.builder.fcmp_ordered("<=", worst, code.real(1.0))
                with code.builder.if_else(accepted) as (good, poor):
                    with good:
                        self._interpolate(h, then)
                        self._take_over()
                        self._choose_next(h, worst)
                        self.local.set(then)
                    with poor:
                        self._shorten(h, worst)

    def _step_directions(self, h: Value, error: Value) -> Value:
        """Step the directions, and return the largest error with theirs."""
        code, work, groups = self.code, self.frame.work, self.frame.groups
        worst = code.variable(error)
        with code.builder.if_then(code.is_less(code.whole(0), groups)):
            code.call(self.routines.directions, work, h, groups)
            relative = self.frame.control["relative"]
            theirs = code.call(
                self.routines.error_of_directions, work, relative, groups
            )
            # A slope that has no end must not hold up what it is a slope of.
            retries = self.retries.get()
            shortest = code.multiply(self.end, code.real(SHORTEST_RETRY))
            is_held = code.both(
                code.is_less(retries, code.whole(MOST_RETRIES)),
                code.builder.fcmp_ordered(">", h, shortest),
            )
            worst.set(code.builder.select(is_held, code.larger(theirs, error), error))
            is_poor = code.builder.fcmp_ordered(">", theirs, code.real(1.0))
            more, less = (code.plus(retries, code.whole(n)) for n in (1, -1))
            is_some = code.is_less(code.whole(0), retries)
            less = code.builder.select(is_some, less, retries)
            more = code.builder.select(is_held, more, retries)
            self.retries.set(code.builder.select(is_poor, more, less))
        return worst.get()

    def _is_negative(self) -> Value:
        code = self.code
        least = code.variable(code.real(0.0, LANES))
        tolerance = code.spread(self.frame.control["negative"], LANES)
        for offset in chunks(code, self.frame.space.width):
            new = code.load(self.frame.place("y_new"), offset, LANES)
            scale = code.load(self.frame.place("scale"), offset, LANES)
            above = code.add(new, code.multiply(tolerance, scale))
            least.set(code.smaller(above, least.get()))
        found = code.over_lanes("fmin", least.get())
        return code.builder.fcmp_ordered("<", found, code.real(0.0))

    def _interpolate(self, h: Value, then: Value) -> None:
        """Give out the states at the times within a step."""
        code = self.code
        begins = code.add(self.frame.begins, self.local.get())
        until = code.add(then, self.frame.slack)
        y_out, stages = self.frame.place("f"), range(STAGES)
        with code.repeat(lambda: self.frame.is_due(until)):
            since = code.subtract(self.frame.time(self.frame.time_number.get()), begins)
            theta = code.smaller(code.divide(since, h), code.real(1.0))
            theta = code.larger(theta, code.real(0.0))
            u = [self.frame.place("u", stage) for stage in stages]
            pair = (self.frame.place("y"), self.frame.place("y_new"), u)
            write_output(code, [pair], theta, [self.frame.space.width], [y_out])
            with code.each(self.frame.groups) as number:
                group = self.frame.space.group(code, self.frame.work, number)
                own = [self.frame.space.of_group(code, group, "u", s) for s in stages]
                s, new = (
                    self.frame.space.of_group(code, group, n) for n in ("s", "s_new")
                )
                to = self.frame.space.of_group(code, group, "s_out")
                doubles = self.frame.model.shape.states * LANES
                write_output(code, [(s, new, own)], theta, [doubles], [to])
            self.frame.emit_state(y_out, "s_out")

    def _take_over(self) -> None:
        code = self.code
        self.frame.copy(
            self.frame.place("y_new"), self.frame.place("y"), self.frame.space.width
        )
        with code.each(self.frame.groups) as number:
            group = self.frame.space.group(code, self.frame.work, number)
            s, new = (self.frame.space.of_group(code, group, n) for n in ("s", "s_new"))
            self.frame.copy(new, s, self.frame.model.shape.states * LANES)

    def _choose_next(self, h: Value, error: Value) -> None:
        """Gustafsson's predictive control, as RODAS has it; h is divided here."""
        code = self.code
        error = code.larger(error, code.real(LEAST_ERROR))
        power = code.intrinsic("pow", error, code.real(EXPONENT))
        divisor = code.multiply(power, code.real(1.0 / SAFETY))
        last = self.last_error.get()
        has_last = code.builder.fcmp_ordered(">", last, code.real(0.0))
        square = code.divide(
            code.multiply(error, error),
            code.larger(last, code.real(LEAST_REMEMBERED_ERROR)),
        )
        predicted = code.intrinsic("pow", square, code.real(EXPONENT))
        trend = code.divide(self.last_h.get(), h)
        predicted = code.multiply(
            predicted, code.multiply(trend, code.real(1.0 / SAFETY))
        )
        predicted = code.larger(predicted, divisor)
        divisor = code.builder.select(has_last, predicted, divisor)
        divisor = self._bounded(divisor)
        next_h = code.divide(h, divisor)
        is_free = self.is_free.get()
        kept = code.smaller(next_h, h)
        self.h.set(code.builder.select(is_free, next_h, kept))
        self.last_h.set(h)
        self.last_error.set(code.larger(error, code.real(LEAST_REMEMBERED_ERROR)))
        true = ir.Constant(ir.IntType(1), 1)
        self.is_fresh.set(true)
        self.is_free.set(true)

    def _bounded(self, divisor: Value) -> Value:
        code = self.code
        divisor = code.larger(divisor, code.real(1.0 / MOST_GROWTH))
        return code.smaller(divisor, code.real(1.0 / LEAST_GROWTH))

    def _reject(
        self, h: Value, error: Value, otherwise: Outcome = Outcome.NOT_FINITE
    ) -> None:
        """Shorten the step, and give up where that has no end."""
        code = self.code
        shorter = self._shorten(h, error)
        reached = code.add(self.frame.begins, self.local.get())
        size = code.larger(code.intrinsic("fabs", reached), code.real(SMALLEST_TIME_H))
        least_h = code.multiply(size, code.real(SMALLEST_STEP))
        is_tiny = code.builder.fcmp_ordered("<", shorter, least_h)
        with code.builder.if_then(is_tiny):
            small, infinite = (
                ir.Constant(STATUS, outcome)
                for outcome in (Outcome.STEP_TOO_SMALL, otherwise)
            )
            is_finite = code.builder.fcmp_ordered("<", error, code.real(float("inf")))
            outcome = code.builder.select(is_finite, small, infinite)
            self.frame.outcome.set(outcome)

    def _shorten(self, h: Value, error: Value) -> Value:
        """Try the same again with a shorter step, which is returned."""
        code = self.code
        is_finite = code.builder.fcmp_ordered("<", error, code.real(float("inf")))
        power = code.intrinsic("pow", error, code.real(EXPONENT))
        divisor = self._bounded(code.multiply(power, code.real(1.0 / SAFETY)))
        least = code.real(1.0 / LEAST_GROWTH)
        shorter = code.divide(h, code.builder.select(is_finite, divisor, least))
        false = ir.Constant(ir.IntType(1), 0)
        self.h.set(shorter)
        self.is_fresh.set(false)
        self.is_free.set(false)
        return shorter
