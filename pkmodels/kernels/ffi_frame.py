"""The call frame of XLA's typed FFI: a handler in LLVM's language around a kernel.

The structures are those of ``xla/ffi/api/c_api.h``, whose major version counts changes
to the ones that were there before.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llvmlite import ir

from pkmodels.errors import PkmodelsError

HANDLER = "ffi_handler"
VERSION = "ffi_api_version"
WRITTEN_FOR = 0

# In the order in which a kernel's function takes them; the attributes' is by name.
OPERANDS = 10
RESULTS = 3
ATTRIBUTES = ("controls", "limits")

_INT = ir.IntType(32)
_LONG = ir.IntType(64)
_POINTER = ir.PointerType()
_NOTHING = ir.Constant(_POINTER, None)


def _struct(*fields: ir.Type) -> ir.LiteralStructType:
    """Return a structure as the header's, which all open with size and extension."""
    return _plain(_LONG, _POINTER, *fields)


def _plain(*fields: ir.Type) -> ir.LiteralStructType:
    return ir.LiteralStructType(fields)


# number, types, each of them
_LIST = _struct(_LONG, _POINTER, _POINTER)
# number, types, names, each of them
_NAMED_LIST = _struct(_LONG, _POINTER, _POINTER, _POINTER)
# functions of XLA, context, stage, operands, results, attributes
_FRAME = _struct(_POINTER, _POINTER, _INT, _LIST, _LIST, _NAMED_LIST)
_API, _OPERANDS, _RESULTS, _ATTRIBUTES = 2, 5, 6, 7
# type of the numbers, the numbers, rank, length of each axis
_BUFFER = _struct(_INT, _POINTER, _LONG, _POINTER)
_DATA, _RANK, _LENGTHS = 3, 4, 5
# type of the numbers, how many, the numbers
_ARRAY = _plain(_INT, _LONG, _POINTER)
# major, minor
_API_VERSION = _struct(_INT, _INT)
_API_VERSION_BYTES = 24
# size, version, traits, type of a state
_METADATA = _plain(_LONG, _API_VERSION, _INT, _LONG)
# size, type, next; then the metadata
_METADATA_EXTENSION = _plain(_LONG, _INT, _POINTER, _POINTER)
_IS_METADATA = 1
# version, internal functions, the function that makes an error
_HANDLER = ir.FunctionType(_POINTER, [_POINTER])
_FUNCTIONS = _struct(_API_VERSION, _POINTER, ir.PointerType(_HANDLER))
_MAKE_ERROR = 4
# message, code
_ERROR = _struct(_POINTER, _INT)
_ERROR_BYTES = 28
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED = 3, 8


class UnknownVersionError(PkmodelsError, RuntimeError):
    """A version of XLA's typed FFI that handlers were not written for."""


def read_api_version(include: Path) -> tuple[int, int]:
    """Read the version of XLA's typed FFI from the header that came with it.

    Parameters
    ----------
    include : Path
        The folder of jaxlib's headers.

    Returns
    -------
    major, minor : int

    Raises
    ------
    UnknownVersionError
        When the header is not there or names no version, or a major one whose
        structures are not those that handlers were written for.

    Examples
    --------
    >>> import jax
    >>> major, _ = read_api_version(Path(jax.ffi.include_dir()))
    >>> major
    0
    """
    header = include / "xla" / "ffi" / "api" / "c_api.h"
    try:
        text = header.read_text("utf-8")
    except OSError as error:
        raise UnknownVersionError(
            f"the version of XLA's typed FFI is unknown: {header} cannot be read "
            f"({error.strerror})"
        ) from error
    found = [
        re.search(rf"^#define XLA_FFI_API_{part} +(\d+)", text, re.MULTILINE)
        for part in ("MAJOR", "MINOR")
    ]
    if found[0] is None or found[1] is None:
        raise UnknownVersionError(
            f"the version of XLA's typed FFI is unknown: {header} does not name it"
        )
    major, minor = int(found[0][1]), int(found[1][1])
    if major != WRITTEN_FOR:
        raise UnknownVersionError(
            f"XLA's typed FFI is of version {major}.{minor}, and pkmodels knows "
            f"{WRITTEN_FOR}.x: update pkmodels, or use an earlier jaxlib"
        )
    return major, minor


def emit_handler(module: ir.Module, solve: ir.Function) -> ir.Function:
    """Add the handler by which XLA calls a kernel to the module that it is in.

    XLA asks a handler for the version of the FFI that it was written for; it answers
    with the variable `VERSION` of two 32-bit integers, which is to be set before.

    Parameters
    ----------
    module : llvmlite.ir.Module
        Where to.
    solve : llvmlite.ir.Function
        ``int solve(int64_t *sizes, void **arrays)``: sizes are batch, n_segments,
        n_times, n_directions, threads and most_steps; arrays are the fields of
        `Problem`, those of `Tangents`, three numbers of `Controls` (relative, absolute,
        negative), then those of `Solution`. Not 0 where memory could not be had.

    Returns
    -------
    llvmlite.ir.Function
        Named `HANDLER`.

    Examples
    --------
    >>> module = ir.Module()
    >>> kind = ir.FunctionType(ir.IntType(32), [ir.PointerType()] * 2)
    >>> emit_handler(module, ir.Function(module, kind, "solve")).name
    'ffi_handler'
    """
    handler = ir.Function(module, _HANDLER, HANDLER)
    handler.attributes.add("nounwind")
    builder = ir.IRBuilder(handler.append_basic_block("entry"))
    frame = handler.args[0]
    _emit_answer(builder, frame)
    for field, number in (
        (_OPERANDS, OPERANDS),
        (_RESULTS, RESULTS),
        (_ATTRIBUTES, len(ATTRIBUTES)),
    ):
        found = _load(builder, _FRAME, frame, field, 2)
        with builder.if_then(builder.icmp_unsigned("!=", found, _LONG(number))):
            message = "pkmodels: not the operands, results and attributes of a kernel"
            builder.ret(_emit_error(builder, frame, message, _INVALID_ARGUMENT))
    failed = _emit_call(builder, frame, solve)
    with builder.if_then(builder.icmp_unsigned("!=", failed, _INT(0))):
        message = "pkmodels: no memory for so many solves; ask for fewer at a time"
        builder.ret(_emit_error(builder, frame, message, _RESOURCE_EXHAUSTED))
    builder.ret(_NOTHING)
    return handler


def _emit_answer(builder: ir.IRBuilder, frame: ir.Value) -> None:
    """Answer which version of the FFI this is for, and return, where that is asked."""
    version = ir.GlobalVariable(builder.module, ir.ArrayType(_INT, 2), VERSION)
    _initialize(version, [0, 0])
    extension = _load(builder, _FRAME, frame, 1)
    with builder.if_then(builder.icmp_unsigned("!=", extension, _NOTHING)):
        kind = _load(builder, _METADATA_EXTENSION, extension, 1)
        with builder.if_then(builder.icmp_unsigned("==", kind, _INT(_IS_METADATA))):
            metadata = _load(builder, _METADATA_EXTENSION, extension, 3)
            _store(builder, _LONG(_API_VERSION_BYTES), _METADATA, metadata, 1, 0)
            _store(builder, _NOTHING, _METADATA, metadata, 1, 1)
            for place in (0, 1):
                number = _load(builder, version.value_type, version, place)
                _store(builder, number, _METADATA, metadata, 1, 2 + place)
            # No traits, and no state between calls.
            _store(builder, _INT(0), _METADATA, metadata, 2)
            _store(builder, _LONG(0), _METADATA, metadata, 3)
            builder.ret(_NOTHING)


def _emit_call(builder: ir.IRBuilder, frame: ir.Value, solve: ir.Function) -> ir.Value:
    """Fill the sizes and arrays of a kernel's function and call it."""
    operands = _load(builder, _FRAME, frame, _OPERANDS, 4)
    results = _load(builder, _FRAME, frame, _RESULTS, 4)
    attributes = _load(builder, _FRAME, frame, _ATTRIBUTES, 5)
    buffers = [_element(builder, _POINTER, operands, n) for n in range(OPERANDS)]
    controls, limits = (
        _load(builder, _ARRAY, _element(builder, _POINTER, attributes, n), 2)
        for n in range(len(ATTRIBUTES))
    )
    arrays = [_load(builder, _BUFFER, buffer, _DATA) for buffer in buffers]
    arrays.append(controls)
    for number in range(RESULTS):
        buffer = _element(builder, _POINTER, results, number)
        arrays.append(_load(builder, _BUFFER, buffer, _DATA))
    constants, times, tangents = buffers[0], buffers[5], buffers[8]
    sizes = [
        _emit_batch(builder, constants),
        _axis(builder, constants, 2),
        _axis(builder, times, 1),
        _axis(builder, tangents, 2),
        _element(builder, _LONG, limits, 0),
        _element(builder, _LONG, limits, 1),
    ]
    arguments = []
    for kind, values in ((_LONG, sizes), (_POINTER, arrays)):
        room = _room(builder, kind, len(values))
        for number, value in enumerate(values):
            builder.store(value, builder.gep(room, [_INT(number)], source_etype=kind))
        arguments.append(room)
    return builder.call(solve, arguments)


def _emit_batch(builder: ir.IRBuilder, constants: ir.Value) -> ir.Value:
    """Return the product of the lengths of the axes before the last two."""
    rank = _load(builder, _BUFFER, constants, _RANK)
    lengths = _load(builder, _BUFFER, constants, _LENGTHS)
    leading = builder.sub(rank, _LONG(2))
    before, loop, after = (
        builder.append_basic_block(name) for name in ("before", "axes", "after")
    )
    builder.branch(before)
    builder.position_at_end(before)
    builder.cbranch(builder.icmp_signed(">", leading, _LONG(0)), loop, after)
    builder.position_at_end(loop)
    axis, product = builder.phi(_LONG), builder.phi(_LONG)
    length = builder.load(builder.gep(lengths, [axis], source_etype=_LONG), typ=_LONG)
    larger, following = builder.mul(product, length), builder.add(axis, _LONG(1))
    builder.cbranch(builder.icmp_signed("<", following, leading), loop, after)
    for phi, first, later in ((axis, 0, following), (product, 1, larger)):
        phi.add_incoming(_LONG(first), before)
        phi.add_incoming(later, loop)
    builder.position_at_end(after)
    batch = builder.phi(_LONG)
    batch.add_incoming(_LONG(1), before)
    batch.add_incoming(larger, loop)
    return batch


def _axis(builder: ir.IRBuilder, buffer: ir.Value, from_end: int) -> ir.Value:
    """Return the length of an axis of a buffer, counted from the last, which is 1."""
    lengths = _load(builder, _BUFFER, buffer, _LENGTHS)
    rank = _load(builder, _BUFFER, buffer, _RANK)
    place = builder.gep(
        lengths, [builder.sub(rank, _LONG(from_end))], source_etype=_LONG
    )
    return builder.load(place, typ=_LONG)


def _emit_error(
    builder: ir.IRBuilder, frame: ir.Value, message: str, code: int
) -> ir.Value:
    """Return the error that XLA makes of a message."""
    content = bytearray(message.encode() + b"\0")
    kind = ir.ArrayType(ir.IntType(8), len(content))
    module = builder.module
    text = ir.GlobalVariable(module, kind, module.get_unique_name("message"))
    text.linkage = "internal"
    text.global_constant = True
    _initialize(text, content)
    error = _room(builder, _ERROR, 1)
    _store(builder, _LONG(_ERROR_BYTES), _ERROR, error, 0)
    _store(builder, _NOTHING, _ERROR, error, 1)
    _store(builder, text, _ERROR, error, 2)
    _store(builder, _INT(code), _ERROR, error, 3)
    functions = _load(builder, _FRAME, frame, _API)
    make = _load(builder, _FUNCTIONS, functions, _MAKE_ERROR)
    return builder.call(make, [error])


def _initialize(variable: ir.GlobalVariable, value: Sequence[int]) -> None:
    kind = variable.value_type
    variable.initializer = ir.Constant(kind, value)  # pyright: ignore[reportAttributeAccessIssue]


def _room(builder: ir.IRBuilder, kind: ir.Type, number: int) -> ir.Value:
    """Return memory of the function's own."""
    with builder.goto_entry_block():
        room = builder.alloca(kind, number)
    # llvmlite would have it point to its first kind of content only.
    room.type = _POINTER
    return room


def _element(
    builder: ir.IRBuilder, kind: ir.Type, start: ir.Value, number: int
) -> ir.Value:
    place = builder.gep(start, [_INT(number)], source_etype=kind)
    return builder.load(place, typ=kind)


def _field(
    builder: ir.IRBuilder, kind: ir.Type, start: ir.Value, path: tuple[int, ...]
) -> ir.Value:
    indices = [_INT(0), *(_INT(number) for number in path)]
    return builder.gep(start, indices, source_etype=kind)


def _load(
    builder: ir.IRBuilder, kind: ir.Type, start: ir.Value, *path: int
) -> ir.Value:
    found: Any = kind
    for number in path:
        found = found.gep(_INT(number))
    return builder.load(_field(builder, kind, start, path), typ=found)


def _store(
    builder: ir.IRBuilder, value: ir.Value, kind: ir.Type, start: ir.Value, *path: int
) -> None:
    builder.store(value, _field(builder, kind, start, path))
