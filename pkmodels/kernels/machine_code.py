"""Machine code: LLVM's language to an object file, and that into the process."""

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Processor:
    """What code is compiled for.

    Parameters
    ----------
    triple : str
        Architecture and operating system, as LLVM names them.
    name : str
        LLVM's name of the processor.
    features : str
        What it can and cannot do, ``+avx512f,-amx-tile,...``.
    """

    triple: str
    name: str
    features: str


@dataclass(frozen=True, eq=False)
class Library:
    """Machine code in the memory of this process, where it stays until the end.

    Parameters
    ----------
    addresses : mapping of str to int
        Address of each function and variable that was asked for, by name.
    """

    addresses: Mapping[str, int]


@functools.cache
def processor() -> Processor:
    """Return the processor that this process runs on.

    Returns
    -------
    Processor

    Examples
    --------
    >>> processor().name != ""
    True
    """
    return Processor(
        triple=llvm.get_process_triple(),
        name=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
    )


def object_code(text: str) -> bytes:
    """Compile a module in LLVM's language for this processor, as ``-O3`` does.

    Vectors of 512 bits stay whole where the processor has them, whatever it prefers.

    Parameters
    ----------
    text : str
        The module.

    Returns
    -------
    bytes
        A relocatable object file.

    Raises
    ------
    RuntimeError
        When LLVM cannot read the module, or finds it ill-formed.

    Examples
    --------
    >>> code = object_code("define double @half(double %x) {"
    ...                    "  %y = fmul double %x, 5.0e-1  ret double %y }")
    >>> b"half" in code
    True
    """
    machine = _target_machine()
    module = llvm.parse_assembly(text)
    # Without them the optimizer would know neither sizes nor alignments.
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def load(code: bytes, names: Iterable[str]) -> Library:
    """Bring an object file into this process, for as long as that lives.

    Functions that it calls are looked for in the process: those of the C library.
    Bytes that only resemble an object file may end the process: check them first.

    Parameters
    ----------
    code : bytes
        What `object_code` gave.
    names : iterable of str
        The functions and variables whose addresses are wanted.

    Returns
    -------
    Library

    Raises
    ------
    RuntimeError
        When LLVM refuses it: a name that is not in it, or a function that it calls and
        the process does not have.

    Examples
    --------
    >>> import ctypes
    >>> code = object_code("define double @half(double %x) {"
    ...                    "  %y = fmul double %x, 5.0e-1  ret double %y }")
    >>> library = load(code, ["half"])
    >>> half = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    >>> half(library.addresses["half"])(3.0)
    1.5
    """
    linked = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    wanted = tuple(names)
    for name in wanted:
        linked.export_symbol(name)
    tracker = linked.link(_engine(), f"library {next(_NUMBERS)}")
    # LLVM would unload it with the tracker, while XLA still knows its addresses.
    _TRACKERS.append(tracker)
    return Library({name: tracker[name] for name in wanted})


_NUMBERS = itertools.count()
_TRACKERS: list[llvm.ResourceTracker] = []


@functools.cache
def _engine() -> llvm.LLJIT:
    llvm.initialize_native_target()
    # JITLink lays out an object in one piece, so that no relocation is out of reach.
    return llvm.create_lljit_compiler(use_jit_link=True)


def _target_machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    host = processor()
    features = [host.features]
    if host.triple.startswith("x86_64"):
        features.append("-prefer-256-bit")
    return llvm.Target.from_triple(host.triple).create_target_machine(
        cpu=host.name,
        features=",".join(features),
        opt=3,
        reloc="pic",
        codemodel="default",
        jit=True,
    )
