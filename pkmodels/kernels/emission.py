"""Emission: a thin layer over llvmlite's builder for the code that we generate.

A value is one double, or `LANES` doubles side by side: parameter sets of a batch, or
directions of sensitivities.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

# 512 bits of doubles; where a processor has less, LLVM splits them.
LANES = 8

# llvmlite's own types of values do not say what they have.
type Value = Any

REAL = ir.DoubleType()
WHOLE = ir.IntType(64)
STATUS = ir.IntType(32)
POINTER = ir.PointerType()
_FAST = ("contract",)


def lanes_type(lanes: int) -> ir.Type:
    """Return the type of a value of some lanes.

    Parameters
    ----------
    lanes : int
        1 or `LANES`.

    Returns
    -------
    ir.Type

    Examples
    --------
    >>> print(lanes_type(1), lanes_type(8))
    double <8 x double>
    """
    return REAL if lanes == 1 else ir.VectorType(REAL, lanes)


class Variable:
    """A number that code changes as it runs."""

    def __init__(self, code: "Code", kind: ir.Type, value: Value) -> None:
        self._code, self._kind = code, kind
        with code.builder.goto_entry_block():
            self._place = code.builder.alloca(kind)
        self.set(value)

    def get(self) -> Value:
        """Return its value now."""
        return self._code.builder.load(self._place, typ=self._kind)

    def set(self, value: Value) -> None:
        """Change it."""
        self._code.builder.store(value, self._place)


class Code:
    """A function that is being written.

    Parameters
    ----------
    module : ir.Module
        Where to.
    name : str
        Name of the function.
    kinds : sequence of ir.Type
        Types of its arguments. Pointers never overlap.
    gives : ir.Type
        What it returns.
    external : bool
        Whether it is called from outside the module.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        kinds: Sequence[ir.Type],
        gives: ir.Type | None = None,
        *,
        external: bool = False,
    ) -> None:
        kind = ir.FunctionType(gives or ir.VoidType(), kinds)
        self.function = ir.Function(module, kind, name)
        if not external:
            self.function.linkage = "internal"
        self.arguments: Any = self.function.args
        self.builder: Any = ir.IRBuilder(self.function.append_basic_block("entry"))

    def whole(self, value: int) -> Value:
        """Return a whole number."""
        return ir.Constant(WHOLE, value)

    def real(self, value: float, lanes: int = 1) -> Value:
        """Return a number in every lane."""
        if lanes == 1:
            return ir.Constant(REAL, float(value))
        return ir.Constant(lanes_type(lanes), [float(value)] * lanes)

    def variable(self, value: Value) -> Variable:
        """Return a variable with a first value."""
        return Variable(self, value.type, value)

    def room(self, words: int) -> Value:
        """Return a place of some words of 8 bytes, for as long as the function runs."""
        place = self.builder.alloca(WHOLE, self.whole(words))
        return self.builder.inttoptr(self.builder.ptrtoint(place, WHOLE), POINTER)

    def at(self, place: Value, offset: int | Value) -> Value:
        """Return a place some doubles (or other words of 8 bytes) further on."""
        if isinstance(offset, int):
            offset = self.whole(offset)
        return self.builder.gep(place, [offset], inbounds=True, source_etype=REAL)

    def load(self, place: Value, offset: int | Value = 0, lanes: int = 1) -> Value:
        """Return the numbers at a place."""
        kind = lanes_type(lanes)
        return self.builder.load(self.at(place, offset), typ=kind, align=8)

    def load_whole(self, place: Value, offset: int | Value) -> Value:
        """Return the whole number at a place."""
        return self.builder.load(self.at(place, offset), typ=WHOLE, align=8)

    def load_pointer(self, place: Value, offset: int) -> Value:
        """Return the pointer at a place."""
        return self.builder.load(self.at(place, offset), typ=POINTER, align=8)

    def store(self, value: Value, place: Value, offset: int | Value = 0) -> None:
        """Put numbers in a place."""
        self.builder.store(value, self.at(place, offset), align=8)

    def spread(self, value: Value, lanes: int) -> Value:
        """Return a value in every lane, where it is not already."""
        if lanes == 1 or isinstance(value.type, ir.VectorType):
            return value
        kind = ir.VectorType(REAL, lanes)
        first = self.builder.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(STATUS, 0)
        )
        zeros = ir.Constant(ir.VectorType(STATUS, lanes), [0] * lanes)
        return self.builder.shuffle_vector(
            first, ir.Constant(kind, ir.Undefined), zeros
        )

    def gather(
        self,
        place: Value,
        rows: Sequence[Value],
        stride: Value,
        offset: Value,
    ) -> Value:
        """Return one number of each of some rows, one row a lane."""
        found = [
            self.load(place, self.plus(self.times(row, stride), offset)) for row in rows
        ]
        if len(found) == 1:
            return found[0]
        value = ir.Constant(lanes_type(len(rows)), ir.Undefined)
        for lane, number in enumerate(found):
            value = self.builder.insert_element(
                value, number, ir.Constant(STATUS, lane)
            )
        return value

    def scatter(
        self,
        value: Value,
        place: Value,
        rows: Sequence[Value],
        stride: Value,
        offset: Value,
    ) -> None:
        """Put each lane into its row."""
        for lane, row in enumerate(rows):
            number = value
            if len(rows) > 1:
                number = self.builder.extract_element(value, ir.Constant(STATUS, lane))
            self.store(number, place, self.plus(self.times(row, stride), offset))

    def plus(self, a: Value, b: Value) -> Value:
        """Return the sum of whole numbers."""
        return self.builder.add(a, b, flags=("nsw",))

    def times(self, a: Value, b: Value) -> Value:
        """Return the product of whole numbers."""
        return self.builder.mul(a, b, flags=("nsw",))

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b."""
        return self.builder.fadd(a, b, flags=_FAST)

    def subtract(self, a: Value, b: Value) -> Value:
        """Return a - b."""
        return self.builder.fsub(a, b, flags=_FAST)

    def multiply(self, a: Value, b: Value) -> Value:
        """Return a b."""
        return self.builder.fmul(a, b, flags=_FAST)

    def divide(self, a: Value, b: Value) -> Value:
        """Return a / b."""
        return self.builder.fdiv(a, b)

    def larger(self, a: Value, b: Value) -> Value:
        """Return the larger of two; b where a is not a number."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def smaller(self, a: Value, b: Value) -> Value:
        """Return the smaller of two; b where a is not a number."""
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def intrinsic(self, name: str, *values: Value) -> Value:
        """Return what one of LLVM's own functions gives, lane by lane."""
        kind = values[0].type
        lanes = kind.count if isinstance(kind, ir.VectorType) else 1
        full = f"llvm.{name}." + ("f64" if lanes == 1 else f"v{lanes}f64")
        return self.called(full, kind, *values)

    def over_lanes(self, name: str, value: Value) -> Value:
        """Return one number of all lanes: their fmax or fmin."""
        if not isinstance(value.type, ir.VectorType):
            return value
        full = f"llvm.vector.reduce.{name}.v{value.type.count}f64"
        return self.called(full, REAL, value)

    def called(self, name: str, gives: ir.Type, *values: Value) -> Value:
        """Return what a function gives that is declared by its name."""
        found = self.builder.module.globals.get(name)
        if found is None:
            kind = ir.FunctionType(gives, [value.type for value in values])
            found = ir.Function(self.builder.module, kind, name)
        return self.builder.call(found, values)

    def call(self, code: "Code", *values: Value) -> Value:
        """Return what another function of the module gives."""
        return self.builder.call(code.function, values)

    def is_less(self, a: Value, b: Value) -> Value:
        """Say whether a < b, of whole numbers."""
        return self.builder.icmp_signed("<", a, b)

    def both(self, *conditions: Value) -> Value:
        """Say whether all conditions hold."""
        found = conditions[0]
        for condition in conditions[1:]:
            found = self.builder.and_(found, condition)
        return found

    @contextmanager
    def repeat(self, condition: Callable[[], Value]) -> Iterator[None]:
        """Write what is done again while a condition holds."""
        head, body, after = (
            self.function.append_basic_block(name) for name in ("head", "body", "after")
        )
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self.builder.cbranch(condition(), body, after)
        self.builder.position_at_end(body)
        yield
        self.builder.branch(head)
        self.builder.position_at_end(after)

    @contextmanager
    def each(self, count: Value | int, step: int = 1) -> Iterator[Value]:
        """Write what is done for 0, step, 2 step, ... below a count."""
        until = self.whole(count) if isinstance(count, int) else count
        number = self.variable(self.whole(0))
        with self.repeat(lambda: self.is_less(number.get(), until)):
            now = number.get()
            yield now
            number.set(self.plus(now, self.whole(step)))
