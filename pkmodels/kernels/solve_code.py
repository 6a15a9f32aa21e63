"""Solve code: the loop over segments that integrates one group of draws.

What fails gets NaN from there on, and its `Outcome`.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Group:
    """The code of ``integrate(first, sizes, arrays, work)``.

    Parameters
    ----------
    code : Code
        The function.
    space : Workspace
        Where everything lies in `work`.
    """

    code: Code
    space: Workspace


def write_group(module: ir.Module, reduced: Reduced, lanes: int) -> Group:
    """Write what integrates one group of draws.

    Parameters
    ----------
    module : ir.Module
        Where to.
    reduced : Reduced
        The model.
    lanes : int
        1 or `LANES`.

    Returns
    -------
    Group

    Examples
    --------
    >>> import sympy
    >>> from pkmodels.kernels.equations import Equations
    >>> from pkmodels.kernels.reduction import reduce_equations
    >>> x, a = sympy.symbols("x a")
    >>> reduced = reduce_equations(Equations("decay", (x,), (a,), (-a * x,), False))
    >>> write_group(ir.Module("decay"), reduced, 1).code.function.name
    'integrate_1'
    """
    model = write_model(module, reduced, lanes)
    space = Workspace(model)
    routines = Routines(
        write_step(module, model, space),
        write_step_of_directions(module, model, space),
        write_error(module, space),
        write_error_of_directions(module, space),
    )
    kinds = (WHOLE, POINTER, POINTER, POINTER)
    code = Code(module, f"integrate_{lanes}", kinds, STATUS)
    code.function.attributes.add("noinline")
    frame = Frame(code, space)
    segment = code.variable(code.whole(0))
    with code.repeat(
        lambda: code.both(
            code.is_less(segment.get(), frame.size["segments"]),
            frame.has_times(),
            frame.is_well(),
        )
    ):
        frame.segment = segment.get()
        _write_segment(frame, routines)
        segment.set(code.plus(frame.segment, code.whole(1)))
    # Times that no segment holds are no numbers, or follow what is none.
    left = code.both(frame.has_times(), frame.is_well())
    with code.builder.if_then(left):
        frame.fail(Outcome.NOT_FINITE)
    frame.report()
    code.builder.ret(frame.outcome.get())
    return Group(code, space)


def _write_segment(frame: Frame, routines: Routines) -> None:
    code = frame.code
    begins = _boundary(frame, frame.segment)
    frame.begins = begins
    _jump(frame)
    with code.builder.if_then(code.builder.not_(_is_finite(frame))):
        frame.fail(Outcome.NOT_FINITE)
    slack = code.multiply(
        code.real(SAME_TIME),
        code.larger(code.intrinsic("fabs", begins), code.real(1.0)),
    )
    frame.slack = slack
    with code.repeat(lambda: code.both(frame.is_well(), frame.is_due(slack))):
        frame.emit_state(frame.place("y"), "s")
    end = _end(frame)
    is_long = code.builder.fcmp_ordered(">", end, slack)
    goes_on = code.both(is_long, frame.has_times(), frame.is_well())
    with code.builder.if_then(goes_on):
        write_steps(frame, routines, end)


def _is_finite(frame: Frame) -> Value:
    """Say whether the start of the segment and all states there are numbers."""
    code = frame.code
    begins = code.spread(frame.begins, LANES)
    total = code.variable(code.subtract(begins, begins))
    for offset in chunks(code, frame.space.width):
        value = code.load(frame.place("y"), offset, LANES)
        total.set(code.add(total.get(), code.subtract(value, value)))
    zero = code.real(0.0, LANES)
    is_number = code.builder.fcmp_ordered("==", total.get(), zero)
    one = code.builder.select(is_number, code.real(1.0, LANES), zero)
    return code.builder.fcmp_ordered(">", code.over_lanes("fmin", one), code.real(0.5))


def _boundary(frame: Frame, segment: Value) -> Value:
    return frame.gathered("boundaries", frame.rows[:1], frame.size["segments"], segment)


def _end(frame: Frame) -> Value:
    """Return how long to integrate: to the next jump, or to the last time."""
    code = frame.code
    next_one = code.plus(frame.segment, code.whole(1))
    is_last = code.builder.icmp_signed("==", next_one, frame.size["segments"])
    following = _boundary(frame, frame.at_most(next_one, _last_segment(frame)))
    infinite = code.real(float("inf"))
    length = code.subtract(following, frame.begins)
    length = code.builder.select(is_last, infinite, length)
    last_time = code.plus(frame.size["times"], code.whole(-1))
    here = code.builder.icmp_signed("==", frame.time_place(last_time), frame.segment)
    until = code.subtract(frame.time(last_time), frame.begins)
    until = code.builder.select(here, until, infinite)
    return code.smaller(until, length)


def _last_segment(frame: Frame) -> Value:
    return frame.code.plus(frame.size["segments"], frame.code.whole(-1))


def _jump(frame: Frame) -> None:
    """Write what happens at the start of a segment, to states and directions."""
    code, shape = frame.code, frame.model.shape
    y, k, f, before = (frame.place(n) for n in ("y", "k", "f", "f_before"))
    has_directions = code.is_less(code.whole(0), frame.groups)
    is_later = code.is_less(code.whole(0), frame.segment)
    with code.builder.if_then(code.both(has_directions, is_later)):
        code.call(frame.model.derivatives, y, k, before)
    with code.each(shape.constants) as i:
        value = frame.of_segment("constants", frame.rows, shape.constants, i)
        frame.put(value, frame.place("c"), i)
    code.call(frame.model.coefficients, frame.place("c"), k)
    code.call(frame.model.fixed_jacobian, k, frame.place("J"))
    code.call(frame.model.fixed_jacobian, k, frame.place("J_stage"))
    with code.each(shape.states) as i:
        keep = frame.of_segment("keep", frame.rows, shape.states, i)
        added = frame.of_segment("added", frame.rows, shape.states, i)
        frame.put(code.add(code.multiply(keep, frame.get(y, i)), added), y, i)
    with code.builder.if_then(has_directions):
        code.call(frame.model.derivatives, y, k, f)
        with code.each(frame.groups) as number:
            _jump_of_directions(frame, number, f, before)


def _jump_of_directions(frame: Frame, number: Value, f: Value, before: Value) -> None:
    code, shape = frame.code, frame.model.shape
    group = frame.space.group(code, frame.work, number)
    rows = frame.direction_rows(number)
    s = frame.space.of_group(code, group, "s")
    moved = frame.gathered(
        "boundary_slopes", rows, frame.size["segments"], frame.segment
    )
    with code.each(shape.states) as i:
        keep = frame.of_segment("keep", frame.rows, shape.states, i)
        added = frame.of_segment("added_slopes", rows, shape.states, i)
        offset = code.times(i, code.whole(LANES))
        value = code.load(s, offset, LANES)
        gone, come = (
            _moved(frame, frame.get(slope, i), moved) for slope in (before, f)
        )
        value = code.multiply(code.spread(keep, LANES), code.add(value, gone))
        code.store(code.subtract(code.add(value, added), come), s, offset)
    # The slopes of the constants wait where a stage's will be.
    slopes = frame.place("f_direction")
    with code.each(shape.constants) as i:
        value = frame.of_segment("constant_slopes", rows, shape.constants, i)
        code.store(value, slopes, code.times(i, code.whole(LANES)))
    dk = frame.space.of_group(code, group, "dk")
    code.call(frame.model.coefficient_slopes, frame.place("c"), slopes, dk)
    jacobian_slopes = frame.space.of_group(code, group, "dJ")
    k = frame.place("k")
    code.call(frame.model.fixed_jacobian_slopes, k, dk, jacobian_slopes)


def _moved(frame: Frame, slope: Value, moved: Value) -> Value:
    """Return a slope times how a boundary moves; 0 where it does not."""
    code, zero = frame.code, frame.code.real(0.0, LANES)
    # Where nothing has been given yet, a slope may be 0 / 0.
    product = code.multiply(code.spread(slope, LANES), moved)
    is_still = code.builder.fcmp_ordered("==", moved, zero)
    return code.builder.select(is_still, zero, product)
