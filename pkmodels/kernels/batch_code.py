"""Batch code: the entry ``solve(sizes, arrays)``, which shares a batch among threads.

Draws go in groups of `LANES`; a group whose draws differ in boundaries or times, or one
of whose draws fails, is solved draw by draw instead, so that none disturbs another.
"""

from llvmlite import ir

from pkmodels.kernels.emission import LANES, POINTER, STATUS, WHOLE, Code, Value
from pkmodels.kernels.equations import Equations
from pkmodels.kernels.problem import Outcome
from pkmodels.kernels.reduction import reduce_equations
from pkmodels.kernels.solve_code import Group, write_group
from pkmodels.kernels.solve_frame import ARRAYS, SIZES

ENTRY = "solve"
# Below this a group of lanes costs more than its draws one by one.
_LEAST_GROUP = 3
_MOST_THREADS = 256
_ALIGNMENT = 64

# Pointers to sizes, arrays and the counter, and whether there was no memory.
_WORDS_OF_JOB = 4


def write_kernel(equations: Equations, *, in_lanes: bool = True) -> ir.Module:
    """Write the whole kernel of some equations.

    Parameters
    ----------
    equations : Equations
        The equations.
    in_lanes : bool
        Whether to write what solves `LANES` draws at once: half of the work of
        compiling, which a single solve does not need.

    Returns
    -------
    ir.Module
        With the external function ``int solve(int64* sizes, double** arrays)``: sizes
        as `SIZES`, arrays as `ARRAYS` in `pkmodels.kernels.solve_frame`. It returns 0,
        or 1 where there was no memory.

    Raises
    ------
    ModelError
        When a function occurs that no code is generated for.

    Examples
    --------
    >>> import sympy
    >>> x, a = sympy.symbols("x a")
    >>> module = write_kernel(Equations("decay", (x,), (a,), (-a * x,), False))
    >>> module.get_global("solve").name
    'solve'
    """
    reduced = reduce_equations(equations)
    module = ir.Module(equations.name)
    single = write_group(module, reduced, 1)
    lanes = write_group(module, reduced, LANES) if in_lanes else None
    worker = _write_worker(module, single, lanes)
    _write_entry(module, worker)
    return module


def _size(code: Code, sizes: Value, name: str) -> Value:
    return code.load_whole(sizes, SIZES.index(name))


def _write_worker(module: ir.Module, single: Group, lanes: Group | None) -> Code:
    """Write ``worker(job)``, which takes groups from a shared counter until none is."""
    code = Code(module, "worker", (POINTER,), POINTER)
    sizes, arrays, counter = (
        code.load_pointer(code.arguments[0], number) for number in range(3)
    )
    batch = _size(code, sizes, "batch")
    block, work = _work(code, sizes, single, lanes)
    nothing = ir.Constant(POINTER, None)
    has_memory = code.builder.icmp_unsigned("!=", block, nothing)
    with code.builder.if_else(has_memory) as (then, otherwise):
        with then:
            first = code.variable(code.whole(0))

            def take() -> Value:
                step = code.whole(LANES)
                first.set(code.builder.atomic_rmw("add", counter, step, "monotonic"))
                return code.is_less(first.get(), batch)

            with code.repeat(take):
                _write_group(code, single, lanes, first.get(), (sizes, arrays, work))
            code.called("free", ir.VoidType(), block)
        with otherwise:
            place = code.at(code.arguments[0], 3)
            code.builder.store(ir.Constant(STATUS, 1), place)
    code.builder.ret(nothing)
    return code


def _work(
    code: Code, sizes: Value, single: Group, lanes: Group | None
) -> tuple[Value, Value]:
    """Return a block of memory, and where in it whole vectors begin."""
    directions = _size(code, sizes, "directions")
    needed = []
    for group, directions_of_group in ((single, LANES), (lanes or single, 1)):
        more = code.plus(directions, code.whole(directions_of_group - 1))
        groups = code.builder.sdiv(more, code.whole(directions_of_group))
        own = code.times(groups, code.whole(group.space.size_of_group))
        needed.append(code.plus(own, code.whole(group.space.fixed_size)))
    is_less = code.is_less(needed[0], needed[1])
    doubles = code.builder.select(is_less, needed[1], needed[0])
    size = code.plus(code.times(doubles, code.whole(8)), code.whole(_ALIGNMENT))
    block = code.called("malloc", POINTER, size)
    address = code.builder.ptrtoint(block, WHOLE)
    address = code.plus(address, code.whole(_ALIGNMENT - 1))
    aligned = code.builder.and_(address, code.whole(-_ALIGNMENT))
    return block, code.builder.inttoptr(aligned, POINTER)


def _write_group(
    code: Code,
    single: Group,
    lanes: Group | None,
    first: Value,
    call: tuple[Value, Value, Value],
) -> None:
    """Solve a group at once where that can be, else draw by draw."""
    sizes, arrays, work = call
    batch = _size(code, sizes, "batch")
    outcome = code.variable(ir.Constant(STATUS, -1))
    if lanes is not None:
        left = code.builder.sub(batch, first)
        least = code.whole(_LEAST_GROUP)
        with code.builder.if_then(code.builder.icmp_signed(">=", left, least)):
            alike = _write_alike(code, sizes, arrays, first)
            with code.builder.if_then(alike):
                outcome.set(code.call(lanes.code, first, sizes, arrays, work))
    solved = ir.Constant(STATUS, Outcome.SOLVED)
    is_open = code.builder.icmp_signed("!=", outcome.get(), solved)
    with code.builder.if_then(is_open):
        with code.each(LANES) as lane:
            draw = code.plus(first, lane)
            with code.builder.if_then(code.is_less(draw, batch)):
                code.call(single.code, draw, sizes, arrays, work)


def _write_alike(code: Code, sizes: Value, arrays: Value, first: Value) -> Value:
    """Say whether the draws of a group have the same boundaries, times and places."""
    batch = _size(code, sizes, "batch")
    until = code.plus(first, code.whole(LANES))
    until = code.builder.select(code.is_less(until, batch), until, batch)
    differing = code.variable(code.whole(0))
    for name, size in (
        ("boundaries", "segments"),
        ("times", "times"),
        ("places", "times"),
    ):
        count = _size(code, sizes, size)
        place = code.load_pointer(arrays, ARRAYS.index(name))
        own = code.times(first, count)
        following = code.plus(own, count)
        others = code.builder.sub(until, code.plus(first, code.whole(1)))
        length = code.times(others, count)
        with code.each(length) as number:
            # As bits: whole numbers and doubles alike, and no NaN equals another.
            one = code.load_whole(place, code.plus(own, number))
            other = code.load_whole(place, code.plus(following, number))
            differs = code.builder.xor(one, other)
            differing.set(code.builder.or_(differing.get(), differs))
    return code.builder.icmp_signed("==", differing.get(), code.whole(0))


def _write_entry(module: ir.Module, worker: Code) -> None:
    """Write ``solve(sizes, arrays)``: one job, and a thread for each more of them."""
    code = Code(module, ENTRY, (POINTER, POINTER), STATUS, external=True)
    sizes, arrays = code.arguments
    zero = code.whole(0)
    jobs, names, counter = (
        code.room(words) for words in (_WORDS_OF_JOB * _MOST_THREADS, _MOST_THREADS, 1)
    )
    code.builder.store(zero, counter)
    batch, wanted = (_size(code, sizes, name) for name in ("batch", "threads"))
    groups = code.builder.sdiv(
        code.plus(batch, code.whole(LANES - 1)), code.whole(LANES)
    )
    for most in (groups, code.whole(_MOST_THREADS)):
        wanted = code.builder.select(code.is_less(wanted, most), wanted, most)
    started = code.variable(code.whole(1))

    def job(number: Value) -> Value:
        return code.at(jobs, code.times(number, code.whole(_WORDS_OF_JOB)))

    def prepare(number: Value) -> Value:
        place = job(number)
        for offset, value in enumerate((sizes, arrays, counter)):
            code.store(value, place, offset)
        code.builder.store(ir.Constant(STATUS, 0), code.at(place, 3))
        return place

    own = prepare(zero)
    failed = code.variable(ir.Constant(STATUS, 0))
    can_start = code.variable(ir.Constant(STATUS, 0))

    def more() -> Value:
        fine = code.builder.icmp_signed("==", can_start.get(), ir.Constant(STATUS, 0))
        return code.both(code.is_less(started.get(), wanted), fine)

    # Where no thread can be had, those that there are do the work.
    with code.repeat(more):
        number = started.get()
        place = prepare(number)
        nothing = ir.Constant(POINTER, None)
        name = code.at(names, number)
        can_start.set(
            code.called("pthread_create", STATUS, name, nothing, worker.function, place)
        )
        fine = code.builder.icmp_signed("==", can_start.get(), ir.Constant(STATUS, 0))
        one = code.builder.select(fine, code.whole(1), zero)
        started.set(code.plus(number, one))
    code.call(worker, own)
    joined = code.variable(code.whole(1))
    with code.repeat(lambda: code.is_less(joined.get(), started.get())):
        number = joined.get()
        name = code.load_pointer(code.at(names, number), 0)
        code.called("pthread_join", STATUS, name, ir.Constant(POINTER, None))
        joined.set(code.plus(number, code.whole(1)))
    checked = code.variable(zero)
    with code.repeat(lambda: code.is_less(checked.get(), started.get())):
        number = checked.get()
        status = code.builder.load(code.at(job(number), 3), typ=STATUS)
        failed.set(code.builder.or_(failed.get(), status))
        checked.set(code.plus(number, code.whole(1)))
    code.builder.ret(failed.get())
