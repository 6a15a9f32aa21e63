"""Solve frame: what the loop that integrates one group of draws has at hand.

A group is one draw of a batch, or `LANES` draws that share their steps, boundaries and
times.
"""

from collections.abc import Sequence

from llvmlite import ir

from pkmodels.kernels.emission import LANES, REAL, STATUS, Code, Value
from pkmodels.kernels.problem import Outcome
from pkmodels.kernels.step_code import Workspace, chunks

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


class Frame:
    """The arguments and variables of ``integrate(first, sizes, arrays, work)``.

    Parameters
    ----------
    code : Code
        The function, of which nothing is written yet.
    space : Workspace
        Where everything lies in `work`.

    Attributes
    ----------
    size, array, control : dict of str to Value
        The sizes, the arrays and the controls, by name.
    rows : list of Value
        Number of the draw in each lane.
    groups : Value
        How many groups of directions there are.
    time_number, steps, outcome, reached : Variable
        The next time to give out; how far the solve has come.
    segment, begins, slack : Value
        Number and start of the segment that is being written, and what is no time.
    """

    segment: Value
    begins: Value
    slack: Value

    def __init__(self, code: Code, space: Workspace) -> None:
        self.code, self.space, self.model = code, space, space.model
        self.lanes = self.model.shape.lanes
        first, sizes, arrays, self.work = code.arguments
        self.size = {n: code.load_whole(sizes, i) for i, n in enumerate(SIZES)}
        self.array = {n: code.load_pointer(arrays, i) for i, n in enumerate(ARRAYS)}
        last = code.plus(self.size["batch"], code.whole(-1))
        lanes = [code.plus(first, code.whole(lane)) for lane in range(self.lanes)]
        # The last group repeats its last draw.
        self.rows = [self.at_most(lane, last) for lane in lanes]
        per_group = LANES if self.lanes == 1 else 1
        more = code.plus(self.size["directions"], code.whole(per_group - 1))
        self.groups = code.builder.sdiv(more, code.whole(per_group))
        names = ("relative", "absolute", "negative")
        self.control = {
            n: code.load(self.array["controls"], i) for i, n in enumerate(names)
        }
        self.time_number = code.variable(code.whole(0))
        self.steps = code.variable(code.whole(0))
        self.outcome = code.variable(ir.Constant(STATUS, Outcome.SOLVED))
        self.reached = code.variable(code.real(0.0))
        self.clear()

    def at_most(self, value: Value, most: Value) -> Value:
        """Return the smaller of two whole numbers."""
        is_less = self.code.is_less(value, most)
        return self.code.builder.select(is_less, value, most)

    def clear(self) -> None:
        """Set the work to 0, and find the tolerances."""
        code, states = self.code, self.model.shape.states
        zero = code.real(0.0, LANES)
        end = code.times(self.groups, code.whole(self.space.size_of_group))
        with code.each(code.plus(end, code.whole(self.space.fixed_size)), LANES) as i:
            code.store(zero, self.work, i)
        scale, absolute = self.place("scale"), self.place("absolute")
        for offset in chunks(code, self.space.width):
            code.store(code.real(1.0, LANES), scale, offset)
        with code.each(states) as i:
            value = self.gathered("scales", self.rows, code.whole(states), i)
            self.put(value, scale, i)
        tolerance = code.spread(self.control["absolute"], LANES)
        for offset in chunks(code, self.space.width):
            value = code.multiply(code.load(scale, offset, LANES), tolerance)
            code.store(value, absolute, offset)

    def direction_rows(self, number: Value) -> list[Value]:
        """Return the row of each lane in the arrays of directions."""
        code, count = self.code, self.size["directions"]
        if self.lanes > 1:
            return [code.plus(code.times(row, count), number) for row in self.rows]
        first = code.times(number, code.whole(LANES))
        last = code.plus(count, code.whole(-1))
        start = code.times(self.rows[0], count)
        lanes = [code.plus(first, code.whole(lane)) for lane in range(LANES)]
        return [code.plus(start, self.at_most(lane, last)) for lane in lanes]

    def copy(self, source: Value, to: Value, doubles: int) -> None:
        """Copy some vectors."""
        for offset in chunks(self.code, doubles):
            self.code.store(self.code.load(source, offset, LANES), to, offset)

    def emit_state(self, y: Value, name: str) -> None:
        """Give out the states, and the directions, at the next of the times."""
        code, states = self.code, self.model.shape.states
        number = self.time_number.get()
        with code.each(states) as i:
            self.write_out("states", self.rows, number, i, self.get(y, i))
        with code.each(self.groups) as group_number:
            group = self.space.group(code, self.work, group_number)
            rows = self.direction_rows(group_number)
            s = self.space.of_group(code, group, name)
            with code.each(states) as i:
                value = code.load(s, code.times(i, code.whole(LANES)), LANES)
                self.write_out("sensitivities", rows, number, i, value)
        self.time_number.set(code.plus(number, code.whole(1)))

    def write_out(
        self,
        array: str,
        rows: Sequence[Value],
        time: Value,
        state: Value,
        value: Value,
    ) -> None:
        """Put the values of one state at one time into the results."""
        code = self.code
        states = code.whole(self.model.shape.states)
        stride = code.times(self.size["times"], states)
        offset = code.plus(code.times(time, states), state)
        code.scatter(value, self.array[array], rows, stride, offset)

    def report(self) -> None:
        """Give out NaN for the times that were not reached, and how it ended."""
        code = self.code
        nothing = code.real(float("nan"), LANES)
        y = self.place("f")
        with code.builder.if_then(self.has_times()):
            for offset in chunks(code, self.space.width):
                code.store(nothing, y, offset)
            with code.each(self.groups) as number:
                group = self.space.group(code, self.work, number)
                s = self.space.of_group(code, group, "s_out")
                for offset in chunks(code, self.model.shape.states * LANES):
                    code.store(nothing, s, offset)
        with code.repeat(self.has_times):
            self.emit_state(y, "s_out")
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

    def fail(self, outcome: Outcome) -> None:
        """End the solve."""
        self.outcome.set(ir.Constant(STATUS, outcome))

    def is_well(self) -> Value:
        """Say whether nothing has failed."""
        solved = ir.Constant(STATUS, Outcome.SOLVED)
        return self.code.builder.icmp_signed("==", self.outcome.get(), solved)

    def has_times(self) -> Value:
        """Say whether a time is still to come."""
        return self.code.is_less(self.time_number.get(), self.size["times"])

    def is_due(self, until: Value) -> Value:
        """Say whether the next time is in this segment and not after `until`."""
        code, number = self.code, self.time_number.get()
        last = code.plus(self.size["times"], code.whole(-1))
        safe = self.at_most(number, last)
        here = code.builder.icmp_signed("==", self.time_place(safe), self.segment)
        since = code.subtract(self.time(safe), self.begins)
        due = code.builder.fcmp_ordered("<=", since, until)
        return code.both(self.has_times(), here, due)

    def time(self, number: Value) -> Value:
        """Return one of the times."""
        return self.gathered("times", self.rows[:1], self.size["times"], number)

    def time_place(self, number: Value) -> Value:
        """Return the segment of one of the times."""
        offset = self.code.times(self.rows[0], self.size["times"])
        return self.code.load_whole(
            self.array["places"], self.code.plus(offset, number)
        )

    def gathered(
        self, array: str, rows: Sequence[Value], stride: Value, offset: Value
    ) -> Value:
        """Return one number of each of some rows of an array."""
        return self.code.gather(self.array[array], rows, stride, offset)

    def of_segment(
        self, array: str, rows: Sequence[Value], count: int, number: Value
    ) -> Value:
        """Return one number of each row of (n_segments, count) arrays."""
        code, width = self.code, self.code.whole(count)
        stride = code.times(self.size["segments"], width)
        offset = code.plus(code.times(self.segment, width), number)
        return self.gathered(array, rows, stride, offset)

    def place(self, name: str, row: int = 0) -> Value:
        """Return where something lies in the work."""
        return self.space.place(self.code, self.work, name, row)

    def get(self, place: Value, number: Value) -> Value:
        """Return one number of an array in the work, in every lane."""
        offset = self.code.times(number, self.code.whole(self.lanes))
        return self.code.load(place, offset, self.lanes)

    def put(self, value: Value, place: Value, number: Value) -> None:
        """Change one number of an array in the work."""
        offset = self.code.times(number, self.code.whole(self.lanes))
        self.code.store(value, place, offset)
