"""Compartment models from symbols to a safe activity.

A compartment model is defined in symbols, assembled into equations, compiled to JAX,
fitted to a patient's or a cohort's measurements, and its posterior is carried through
another radionuclide, dose and limits to the largest activity that is safe.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkmodels.administrations import Administration, Delivery, SteadyState, repeat
    from pkmodels.analysis.findings import analyse
    from pkmodels.compiled import CompiledSystem, compile_system
    from pkmodels.compiled_integrals import compile_integrals
    from pkmodels.composition import merge
    from pkmodels.courses import Course, course_of
    from pkmodels.decision import Burden, safe_activity
    from pkmodels.definition import Fate, Model
    from pkmodels.dosimetry.doses import absorbed_dose
    from pkmodels.errors import (
        FitRefusedError,
        InputError,
        ModelError,
        PkmodelsError,
        SolveError,
    )
    from pkmodels.event_tables import read_event_table
    from pkmodels.frames import frame_means
    from pkmodels.kernels.problem import Controls, Outcome
    from pkmodels.measurements import Measurement, Quantity
    from pkmodels.notation.equations import equations_text, latex
    from pkmodels.notation.graph import graph_svg
    from pkmodels.nuclides import Nuclide, nuclide
    from pkmodels.populations import gather_sets, simulate_sets
    from pkmodels.reactions import Reaction, flow
    from pkmodels.routes import Route
    from pkmodels.schedule import Schedule, Window
    from pkmodels.symbols import (
        Amount,
        Parameter,
        amounts,
        inputs,
        parameters,
        receptors,
    )
    from pkmodels.system import System, assemble
    from pkmodels.trajectory import Trajectory, simulate
    from pkmodels.units import convert
    from pkmodels.values import Prior, Value

    __version__: str

# Each name is loaded from its module at first use, so that importing pkmodels is quick.
_MODULE_OF = {
    "Administration": "administrations",
    "Amount": "symbols",
    "Burden": "decision",
    "CompiledSystem": "compiled",
    "Controls": "kernels.problem",
    "Course": "courses",
    "Delivery": "administrations",
    "Fate": "definition",
    "FitRefusedError": "errors",
    "InputError": "errors",
    "Measurement": "measurements",
    "Model": "definition",
    "ModelError": "errors",
    "Nuclide": "nuclides",
    "Outcome": "kernels.problem",
    "Parameter": "symbols",
    "PkmodelsError": "errors",
    "Prior": "values",
    "Quantity": "measurements",
    "Reaction": "reactions",
    "Route": "routes",
    "Schedule": "schedule",
    "SolveError": "errors",
    "SteadyState": "administrations",
    "System": "system",
    "Trajectory": "trajectory",
    "Value": "values",
    "Window": "schedule",
    "absorbed_dose": "dosimetry.doses",
    "amounts": "symbols",
    "analyse": "analysis.findings",
    "assemble": "system",
    "compile_integrals": "compiled_integrals",
    "compile_system": "compiled",
    "convert": "units",
    "course_of": "courses",
    "equations_text": "notation.equations",
    "flow": "reactions",
    "frame_means": "frames",
    "gather_sets": "populations",
    "graph_svg": "notation.graph",
    "inputs": "symbols",
    "latex": "notation.equations",
    "merge": "composition",
    "nuclide": "nuclides",
    "parameters": "symbols",
    "read_event_table": "event_tables",
    "receptors": "symbols",
    "repeat": "administrations",
    "safe_activity": "decision",
    "simulate": "trajectory",
    "simulate_sets": "populations",
}

__all__ = [
    "Administration",
    "Amount",
    "Burden",
    "CompiledSystem",
    "Controls",
    "Course",
    "Delivery",
    "Fate",
    "FitRefusedError",
    "InputError",
    "Measurement",
    "Model",
    "ModelError",
    "Nuclide",
    "Outcome",
    "Parameter",
    "PkmodelsError",
    "Prior",
    "Quantity",
    "Reaction",
    "Route",
    "Schedule",
    "SolveError",
    "SteadyState",
    "System",
    "Trajectory",
    "Value",
    "Window",
    "absorbed_dose",
    "amounts",
    "analyse",
    "assemble",
    "compile_integrals",
    "compile_system",
    "convert",
    "course_of",
    "equations_text",
    "flow",
    "frame_means",
    "gather_sets",
    "graph_svg",
    "inputs",
    "latex",
    "merge",
    "nuclide",
    "parameters",
    "read_event_table",
    "receptors",
    "repeat",
    "safe_activity",
    "simulate",
    "simulate_sets",
]


# Hidden from type checkers, which would otherwise accept any name at all.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load a public name from its module (PEP 562)."""
        if name == "__version__":
            return import_module("importlib.metadata").version(__name__)
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})
