"""Factor code: the sparse LU factorization of a step, written out entry by entry."""

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from pkmodels.kernels.elimination import Elimination, Place
from pkmodels.kernels.emission import POINTER, Code, Value, lanes_type


@dataclass(frozen=True)
class Shape:
    """Sizes of what the functions of a model work on.

    Parameters
    ----------
    lanes : int
        Of states and coefficients.
    states, constants, coefficients : int
        How many there are.
    entries : tuple of (row, column)
        Those of the Jacobian, in order.
    elimination : Elimination
        How it is factored.
    changing : frozenset of int
        Numbers of those that depend on the states.
    """

    lanes: int
    states: int
    constants: int
    coefficients: int
    entries: tuple[Place, ...]
    elimination: Elimination
    changing: frozenset[int]


def begin_function(
    module: ir.Module, shape: Shape, name: str, kinds: Sequence[ir.Type]
) -> Code:
    """Begin one of the functions of a model, whose arrays do not overlap."""
    code = Code(module, f"{name}_{shape.lanes}", kinds)
    for argument in code.arguments:
        if argument.type == POINTER:
            argument.add_attribute("noalias")
    code.function.attributes.add("noinline")
    code.function.attributes.add("nounwind")
    return code


def write_factor(module: ir.Module, shape: Shape) -> Code:
    """Write ``(J, d, LU)``: the elimination of W = d I - J, with inverted pivots."""
    lanes = shape.lanes
    kinds = (POINTER, lanes_type(lanes), POINTER)
    code = begin_function(module, shape, "factor", kinds)
    place_of = {place: n for n, place in enumerate(shape.entries)}
    # Never read as 0 - J where it is just filled in.
    entries: dict[Place, Value] = {}
    for place in shape.elimination.filled:
        value = None
        if place in place_of:
            value = code.load(code.arguments[0], place_of[place] * lanes, lanes)
        if place[0] == place[1]:
            diagonal = code.arguments[1]
            entries[place] = (
                diagonal if value is None else code.subtract(diagonal, value)
            )
        elif value is not None:
            entries[place] = code.builder.fneg(value)
    one, steps = code.real(1.0, lanes), shape.elimination
    for pivot, below, right in zip(steps.order, steps.below, steps.right, strict=True):
        inverse = code.divide(one, entries[pivot, pivot])
        entries[pivot, pivot] = inverse
        for row in below:
            part = code.multiply(entries[row, pivot], inverse)
            entries[row, pivot] = part
            for column in right:
                change = code.multiply(part, entries[pivot, column])
                before = entries.get((row, column))
                entries[row, column] = (
                    code.builder.fneg(change)
                    if before is None
                    else code.subtract(before, change)
                )
    for number, place in enumerate(steps.filled):
        code.store(entries[place], code.arguments[2], number * lanes)
    code.builder.ret_void()
    return code


def write_solve(module: ir.Module, shape: Shape, name: str, lanes: int) -> Code:
    """Write ``(LU, b)``: b becomes W^-1 b, by substitution forwards and backwards."""
    code = begin_function(module, shape, name, (POINTER, POINTER))
    steps, own = shape.elimination, shape.lanes
    number = {place: n for n, place in enumerate(steps.filled)}

    def entry(place: Place) -> Value:
        value = code.load(code.arguments[0], number[place] * own, own)
        return code.spread(value, lanes)

    b = [code.load(code.arguments[1], i * lanes, lanes) for i in range(shape.states)]
    for pivot, below in zip(steps.order, steps.below, strict=True):
        for row in below:
            part = code.multiply(entry((row, pivot)), b[pivot])
            b[row] = code.subtract(b[row], part)
    for pivot, right in reversed(list(zip(steps.order, steps.right, strict=True))):
        for column in right:
            part = code.multiply(entry((pivot, column)), b[column])
            b[pivot] = code.subtract(b[pivot], part)
        b[pivot] = code.multiply(b[pivot], entry((pivot, pivot)))
    for row, value in enumerate(b):
        code.store(value, code.arguments[1], row * lanes)
    code.builder.ret_void()
    return code
