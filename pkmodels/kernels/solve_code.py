"""Solve code: the loop over segments that integrates one group of draws.

What fails gets NaN from there on, and its `Outcome`.
"""

from llvmlite import ir

from pkmodels.kernels.emission import LANES, POINTER, STATUS, WHOLE, Code, Value
from pkmodels.kernels.model_code import write_model
from pkmodels.kernels.problem import Outcome
from pkmodels.kernels.reduction import Reduced
from pkmodels.kernels.solve_frame import Frame
from pkmodels.kernels.step_code import (
    Workspace,
    chunks,
    write_error,
    write_error_of_directions,
    write_step,
    write_step_of_directions,
)
from pkmodels.kernels.step_control import Routines, write_steps
from pkmodels.kernels.step_rules import (
    SAME_TIME,
)


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
        self.space = Workspace(model)
        self.routines = Routines(
            write_step(module, model, self.space),
            write_step_of_directions(module, model, self.space),
            write_error(module, self.space),
            write_error_of_directions(module, self.space),
        )
        kinds = (WHOLE, POINTER, POINTER, POINTER)
        self.code = Code(module, f"integrate_{lanes}", kinds, STATUS)
        self.code.function.attributes.add("noinline")
        self.frame = Frame(self.code, self.space)
        code = self.code
        segment = code.variable(code.whole(0))
        with code.repeat(
            lambda: code.both(
                code.is_less(segment.get(), self.frame.size["segments"]),
                self.frame.has_times(),
                self.frame.is_well(),
            )
        ):
            self.frame.segment = segment.get()
            self._write_segment()
            segment.set(code.plus(self.frame.segment, code.whole(1)))
        # Times that no segment holds are no numbers, or follow what is none.
        left = code.both(self.frame.has_times(), self.frame.is_well())
        with code.builder.if_then(left):
            self.frame.fail(Outcome.NOT_FINITE)
        self.frame.report()
        code.builder.ret(self.frame.outcome.get())

    def _write_segment(self) -> None:
        code = self.code
        begins = self._boundary(self.frame.segment)
        self.frame.begins = begins
        self._jump()
        with code.builder.if_then(code.builder.not_(self._is_finite())):
            self.frame.fail(Outcome.NOT_FINITE)
        slack = code.multiply(
            code.real(SAME_TIME),
            code.larger(code.intrinsic("fabs", begins), code.real(1.0)),
        )
        self.frame.slack = slack
        with code.repeat(
            lambda: code.both(self.frame.is_well(), self.frame.is_due(slack))
        ):
            self.frame.emit_state(self.frame.place("y"), "s")
        end = self._end()
        is_long = code.builder.fcmp_ordered(">", end, slack)
        goes_on = code.both(is_long, self.frame.has_times(), self.frame.is_well())
        with code.builder.if_then(goes_on):
            write_steps(self.frame, self.routines, end)

    def _is_finite(self) -> Value:
        """Say whether the start of the segment and all states there are numbers."""
        code = self.code
        begins = code.spread(self.frame.begins, LANES)
        total = code.variable(code.subtract(begins, begins))
        for offset in chunks(code, self.space.width):
            value = code.load(self.frame.place("y"), offset, LANES)
            total.set(code.add(total.get(), code.subtract(value, value)))
        zero = code.real(0.0, LANES)
        is_number = code.builder.fcmp_ordered("==", total.get(), zero)
        one = code.builder.select(is_number, code.real(1.0, LANES), zero)
        return code.builder.fcmp_ordered(
            ">", code.over_lanes("fmin", one), code.real(0.5)
        )

    def _boundary(self, segment: Value) -> Value:
        return self.frame.gathered(
            "boundaries", self.frame.rows[:1], self.frame.size["segments"], segment
        )

    def _end(self) -> Value:
        """Return how long to integrate: to the next jump, or to the last time."""
        code = self.code
        next_one = code.plus(self.frame.segment, code.whole(1))
        is_last = code.builder.icmp_signed("==", next_one, self.frame.size["segments"])
        following = self._boundary(self.frame.at_most(next_one, self._last_segment()))
        infinite = code.real(float("inf"))
        length = code.subtract(following, self.frame.begins)
        length = code.builder.select(is_last, infinite, length)
        last_time = code.plus(self.frame.size["times"], code.whole(-1))
        here = code.builder.icmp_signed(
            "==", self.frame.time_place(last_time), self.frame.segment
        )
        until = code.subtract(self.frame.time(last_time), self.frame.begins)
        until = code.builder.select(here, until, infinite)
        return code.smaller(until, length)

    def _last_segment(self) -> Value:
        return self.code.plus(self.frame.size["segments"], self.code.whole(-1))

    def _jump(self) -> None:
        """Write what happens at the start of a segment, to states and directions."""
        code, shape = self.code, self.frame.model.shape
        y, k, f, before = (self.frame.place(n) for n in ("y", "k", "f", "f_before"))
        has_directions = code.is_less(code.whole(0), self.frame.groups)
        is_later = code.is_less(code.whole(0), self.frame.segment)
        with code.builder.if_then(code.both(has_directions, is_later)):
            code.call(self.frame.model.derivatives, y, k, before)
        with code.each(shape.constants) as i:
            value = self.frame.of_segment(
                "constants", self.frame.rows, shape.constants, i
            )
            self.frame.put(value, self.frame.place("c"), i)
        code.call(self.frame.model.coefficients, self.frame.place("c"), k)
        code.call(self.frame.model.fixed_jacobian, k, self.frame.place("J"))
        code.call(self.frame.model.fixed_jacobian, k, self.frame.place("J_stage"))
        with code.each(shape.states) as i:
            keep = self.frame.of_segment("keep", self.frame.rows, shape.states, i)
            added = self.frame.of_segment("added", self.frame.rows, shape.states, i)
            self.frame.put(
                code.add(code.multiply(keep, self.frame.get(y, i)), added), y, i
            )
        with code.builder.if_then(has_directions):
            code.call(self.frame.model.derivatives, y, k, f)
            with code.each(self.frame.groups) as number:
                self._jump_of_directions(number, f, before)

    def _jump_of_directions(self, number: Value, f: Value, before: Value) -> None:
        code, shape = self.code, self.frame.model.shape
        group = self.frame.space.group(code, self.frame.work, number)
        rows = self.frame.direction_rows(number)
        s = self.frame.space.of_group(code, group, "s")
        moved = self.frame.gathered(
            "boundary_slopes", rows, self.frame.size["segments"], self.frame.segment
        )
        with code.each(shape.states) as i:
            keep = self.frame.of_segment("keep", self.frame.rows, shape.states, i)
            added = self.frame.of_segment("added_slopes", rows, shape.states, i)
            offset = code.times(i, code.whole(LANES))
            value = code.load(s, offset, LANES)
            gone, come = (
                self._moved(self.frame.get(slope, i), moved) for slope in (before, f)
            )
            value = code.multiply(code.spread(keep, LANES), code.add(value, gone))
            code.store(code.subtract(code.add(value, added), come), s, offset)
        # The slopes of the constants wait where a stage's will be.
        slopes = self.frame.place("f_direction")
        with code.each(shape.constants) as i:
            value = self.frame.of_segment("constant_slopes", rows, shape.constants, i)
            code.store(value, slopes, code.times(i, code.whole(LANES)))
        dk = self.frame.space.of_group(code, group, "dk")
        code.call(
            self.frame.model.coefficient_slopes, self.frame.place("c"), slopes, dk
        )
        jacobian_slopes = self.frame.space.of_group(code, group, "dJ")
        k = self.frame.place("k")
        code.call(self.frame.model.fixed_jacobian_slopes, k, dk, jacobian_slopes)

    def _moved(self, slope: Value, moved: Value) -> Value:
        """Return a slope times how a boundary moves; 0 where it does not."""
        code, zero = self.code, self.code.real(0.0, LANES)
        # Where nothing has been given yet, a slope may be 0 / 0.
        product = code.multiply(code.spread(slope, LANES), moved)
        is_still = code.builder.fcmp_ordered("==", moved, zero)
        return code.builder.select(is_still, zero, product)
