"""Compartment models from symbols to a safe activity.

A compartment model is defined in symbols, assembled into equations, compiled to JAX,
fitted to a patient's or a cohort's measurements, and its posterior is carried through
another radionuclide, dose and limits to the largest activity that is safe.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkmodels.compiled import CompiledSystem, compile_system
    from pkmodels.decision import Burden, safe_activity
    from pkmodels.definition import Model, latex
    from pkmodels.dosimetry import absorbed_dose
    from pkmodels.errors import (
        FitRefusedError,
        InputError,
        ModelError,
        PkmodelsError,
        SolveError,
    )
    from pkmodels.measurements import Measurement, Quantity
    from pkmodels.nuclides import Nuclide, nuclide
    from pkmodels.reactions import Reaction, flow
    from pkmodels.schedule import Administration, Schedule
    from pkmodels.symbols import amounts, parameters
    from pkmodels.system import System, assemble
    from pkmodels.trajectory import Trajectory, simulate
    from pkmodels.values import Prior, Value

    __version__: str

# Each name is loaded from its module at first use, so that importing pkmodels is quick.
_MODULE_OF = {
    "Administration": "schedule",
    "Burden": "decision",
    "CompiledSystem": "compiled",
    "FitRefusedError": "errors",
    "InputError": "errors",
    "Measurement": "measurements",
    "Model": "definition",
    "ModelError": "errors",
    "Nuclide": "nuclides",
    "PkmodelsError": "errors",
    "Prior": "values",
    "Quantity": "measurements",
    "Reaction": "reactions",
    "Schedule": "schedule",
    "SolveError": "errors",
    "System": "system",
    "Trajectory": "trajectory",
    "Value": "values",
    "absorbed_dose": "dosimetry",
    "amounts": "symbols",
    "assemble": "system",
    "compile_system": "compiled",
    "flow": "reactions",
    "latex": "definition",
    "nuclide": "nuclides",
    "parameters": "symbols",
    "safe_activity": "decision",
    "simulate": "trajectory",
}

__all__ = [
    "Administration",
    "Burden",
    "CompiledSystem",
    "FitRefusedError",
    "InputError",
    "Measurement",
    "Model",
    "ModelError",
    "Nuclide",
    "PkmodelsError",
    "Prior",
    "Quantity",
    "Reaction",
    "Schedule",
    "SolveError",
    "System",
    "Trajectory",
    "Value",
    "absorbed_dose",
    "amounts",
    "assemble",
    "compile_system",
    "flow",
    "latex",
    "nuclide",
    "parameters",
    "safe_activity",
    "simulate",
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
