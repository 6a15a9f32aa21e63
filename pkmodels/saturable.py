"""Saturable systems: what labels show in a body in which ligand mass matters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import sympy  # noqa: E402

from pkmodels.administrations import Administration  # noqa: E402
from pkmodels.compiled import compile_system  # noqa: E402
from pkmodels.definition import Model  # noqa: E402
from pkmodels.errors import InputError, ModelError, suggest  # noqa: E402
from pkmodels.exact import Doses  # noqa: E402
from pkmodels.kernels.printing import jax_matrix, numpy_function  # noqa: E402
from pkmodels.kernels.problem import Controls  # noqa: E402
from pkmodels.label_courses import (  # noqa: E402
    LabelCourse,
    form_of_labels,
    label_course,
    label_places,
    label_reader,
    labelled_amounts,
    with_doses,
)
from pkmodels.label_integrals import label_integrator  # noqa: E402
from pkmodels.readability import label_unit, unreadable  # noqa: E402
from pkmodels.schedule import Schedule  # noqa: E402
from pkmodels.symbols import Amount, Parameter, amounts_in, symbols_in  # noqa: E402
from pkmodels.system import System, assemble, linear_matrix  # noqa: E402

# Organs of the library's models are within 1e-6 so, in a third of the default's time.
CONTROLS = Controls(relative=1e-5, absolute=1e-9)

# The form of a schedule needs some label and amounts; only the form is used.
_ANY_LABEL = "Lu-177"
_ANY_MBQ, _ANY_NMOL, _ANY_HOURS = 1e-3, 1.0, 1.0


@dataclass(frozen=True, eq=False)
class SaturableSystem:
    """The activity that labels show, as JAX functions of what varies (float64).

    The carrier, all ligand, is solved once, whatever is given of how many ligands. A
    label on a ligand that is given once rides on it: with n nmol in the syringe and the
    activity A, the activity in an amount x of ligand is (A / n) x(t) exp(-lambda (t -
    start)); any other has states of its own. What a ligand does depends on its mass, so
    that nothing is rescaled from another one.

    It pickles as what it was compiled from, and is compiled again where it is loaded.

    Parameters
    ----------
    model : Model
        What was compiled.
    schedule : Schedule
        What is given, of which the form and the inputs' windows count.
    controls : Controls
        Tolerances and limits of each solve.
    system : System
        The equations.
    parameters : tuple of str
        The parameters that vary, in the order of the vectors below.
    fixed : mapping of str to float
        Values of the others.
    amounts : tuple of Amount
        The amounts that activities are in; nothing is ever in a receptor's.
    units : tuple of str
        Unit of each of ``system.observables`` where the amounts are in MBq: ``MBq`` of
        an organ or of what is collected, ``MBq/L`` (kBq/mL) of blood.
    observe : callable
        ``observe(parameters) -> (n_observables, n_amounts)``, what turns activities
        into ``system.observables``.
    solve_labels : callable
        ``solve_labels(parameters, given, times) -> (n_labels, n_times, n_amounts)``,
        MBq of each label, in the order of the schedule's, in each amount at each time
        (h). `parameters`: (n_parameters,); `given`: `LabelCourse`, whose arrays may be
        traced. NaN where the solve failed. No second derivatives.
    solve : callable
        ``solve(parameters, doses, times) -> (n_times, n_amounts)``, the same of a
        system of one administration. `doses`: `Doses` of one, with its ``ligand_nmol``.
    integrate_labels : callable
        ``integrate_labels(parameters, given, times) -> (activities, until, totals)`` of
        many draws, (n_draws, n_parameters): MBq at some times and the time integrals
        until then, each (n_labels, n_draws, n_times, n_amounts), and to infinity,
        (n_labels, n_draws, n_amounts), MBq h. No derivative; NaN where a solve failed.
    integrate : callable
        ``integrate(parameters, doses, times) -> (activities, until, totals)``, the same
        of a system of one administration, without the axis of labels.
    """

    model: Model
    schedule: Schedule
    controls: Controls
    system: System
    parameters: tuple[str, ...]
    fixed: Mapping[str, float]
    amounts: tuple[Amount, ...]
    units: tuple[str, ...]
    observe: Callable[[Any], Any]
    solve_labels: Callable[[Any, LabelCourse, Any], Any]
    solve: Callable[[Any, Doses, Any], Any]
    integrate_labels: Callable[[np.ndarray, LabelCourse, Any], tuple[Any, Any, Any]]
    integrate: Callable[[np.ndarray, Doses, np.ndarray], tuple[Any, Any, Any]]

    def given(self, schedule: Schedule) -> LabelCourse:
        """Return a schedule of the same form as arrays for `solve_labels`.

        Parameters
        ----------
        schedule : Schedule
            What is given, and the windows of inputs.

        Returns
        -------
        LabelCourse

        Raises
        ------
        InputError
            As `pkmodels.label_courses.label_course`.
        """
        return label_course(self.system, schedule)

    def __reduce__(self) -> Any:
        """Pickle what it was compiled from: functions of JAX cannot be."""
        source = (self.model, self.schedule, self.parameters, self.fixed)
        return _compile, (*source, self.controls)


def compile_saturable(
    model: Model,
    ligand: str,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
    *,
    infusions: bool,
    controls: Controls = CONTROLS,
) -> SaturableSystem:
    """Turn a model into functions of one dose of a ligand and of what varies.

    Parameters
    ----------
    model : Model
        The model, whose observables are as of `compile_schedule`.
    ligand : str
        Name of the ligand, given intravenously.
    varied : tuple of str
        Parameters that vary.
    fixed : mapping of str to float
        Values of all others.
    infusions : bool
        Whether any dose has a length above 0.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    SaturableSystem

    Raises
    ------
    ModelError, InputError
        As `compile_schedule`.

    Examples
    --------
    >>> from pkmodels.models.blocks import binding
    >>> from pkmodels.symbols import amounts, parameters, receptors
    >>> free, bound = amounts("free bound", unit="nmol")
    >>> (site,) = receptors("site", unit="nmol")
    >>> (on,) = parameters("on", unit="L/(nmol h)")
    >>> (off,) = parameters("off", unit="1/h")
    >>> (volume,) = parameters("volume", unit="L")
    >>> (sites,) = parameters("sites", unit="nmol")
    >>> model = Model("binding", binding("binding", free, site, bound, volume=volume,
    ...     k_on=on, k_off=off), {"intravenous": free}, {"bound": bound},
    ...     start={site: sites})
    >>> fixed = {"on": 50.0, "off": 1.0, "volume": 1.0}
    >>> compiled = compile_saturable(model, "x", ("sites",), fixed, infusions=False)
    >>> def share(nmol):  # of 1 MBq, with 5 nmol of sites
    ...     dose = Doses(np.zeros(1), np.zeros(1), np.ones(1), 0.0, np.array([nmol]))
    ...     amounts = compiled.solve(np.array([5.0]), dose, np.array([24.0]))
    ...     return round(float((compiled.observe(np.array([5.0])) @ amounts[0])[0]), 3)
    >>> share(1.0), share(10.0)
    (0.995, 0.498)
    """
    length = _ANY_HOURS if infusions else 0.0
    one = Administration(
        0.0, length, ligand, _ANY_LABEL, _ANY_MBQ, ligand_nmol=_ANY_NMOL
    )
    schedule = Schedule((one,))
    return compile_schedule(model, schedule, varied, fixed, controls=controls)


def compile_schedule(
    model: Model,
    schedule: Schedule,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
    *,
    controls: Controls = CONTROLS,
) -> SaturableSystem:
    """Turn a model into functions of all that is given and of what varies.

    Several administrations, of several ligands and labels or of none, each with its own
    mass, act on one body: what an earlier one has left on receptors is there for the
    next.

    Parameters
    ----------
    model : Model
        The model. Its observables are linear in the amounts, with coefficients of
        parameters: activities (MBq), what a sink has collected, concentrations (MBq/L).
    schedule : Schedule
        What is given, one label at least; every amount of ligand is known (nmol). Its
        numbers may be others later (`SaturableSystem.given`), its form may not.
    varied : tuple of str
        Parameters that vary.
    fixed : mapping of str to float
        Values of all others.
    controls : Controls
        Tolerances and limits of each solve.

    Returns
    -------
    SaturableSystem

    Raises
    ------
    ModelError
        When an observable is a ratio, or holds an input or something of the label or of
        what was administered, as SUV and counts do; or nothing saturates: then
        `pkmodels.exact.compile_exactly` is exact and faster.
    InputError
        When a parameter is neither varied nor fixed, or both, or is not the model's; or
        the schedule gives no label, one with daughters, or a dose at steady state.

    Examples
    --------
    Of 10 nmol of sites 8 nmol of unlabelled ligand leave 2, for half of the next 4:

    >>> from pkmodels.models.blocks import binding
    >>> from pkmodels.symbols import amounts, parameters, receptors
    >>> free, bound = amounts("free bound", unit="nmol")
    >>> (site,) = receptors("site", unit="nmol")
    >>> (on,) = parameters("on", unit="L/(nmol h)")
    >>> (off,) = parameters("off", unit="1/h")
    >>> (volume,) = parameters("volume", unit="L")
    >>> (sites,) = parameters("sites", unit="nmol")
    >>> model = Model("binding", binding("binding", free, site, bound, volume=volume,
    ...     k_on=on, k_off=off), {"intravenous": free}, {"bound": bound},
    ...     start={site: sites})
    >>> cold = Administration(0.0, 0.0, "x", ligand_nmol=8.0)
    >>> hot = Administration(24.0, 0.0, "x", "Lu-177", 1.0, ligand_nmol=4.0)
    >>> fixed = {"on": 50.0, "off": 1e-4, "volume": 1.0}
    >>> both = Schedule((cold, hot))
    >>> compiled = compile_schedule(model, both, ("sites",), fixed)
    >>> ten, given = np.array([10.0]), compiled.given(both)
    >>> found = compiled.solve_labels(ten, given, np.array([23.0, 25.0]))
    >>> print((found @ compiled.observe(ten).T)[0, :, 0].round(3))
    [0.    0.498]
    """
    return _compile(model, schedule, varied, fixed, controls)


def _compile(
    model: Model,
    schedule: Schedule,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
    controls: Controls,
) -> SaturableSystem:
    system = assemble(model, form_of_labels(schedule))
    _check(system, varied, fixed)
    rest = {name: float(fixed[name]) for name in fixed}
    example = label_course(system, schedule)
    solve = _solver(system, varied, rest, controls)
    integrate = label_integrator(system, _ordered(system, varied, rest), controls)

    def solve_one(parameters: Any, doses: Doses, times: Any) -> Any:
        return solve(parameters, with_doses(example, doses), times)[0]

    def integrate_one(
        parameters: np.ndarray, doses: Doses, times: np.ndarray
    ) -> tuple[Any, Any, Any]:
        parts = integrate(parameters, with_doses(example, doses), times)
        return parts[0][0], parts[1][0], parts[2][0]

    return SaturableSystem(
        model=model,
        schedule=schedule,
        controls=controls,
        system=system,
        parameters=varied,
        fixed=rest,
        amounts=labelled_amounts(system),
        units=tuple(str(label_unit(model.observables[n])) for n in system.observables),
        observe=_observed(system, varied, rest),
        solve_labels=solve,
        solve=solve_one,
        integrate_labels=integrate,
        integrate=integrate_one,
    )


def _check(system: System, varied: tuple[str, ...], fixed: Mapping[str, float]) -> None:
    if system.matrix is not None:
        raise ModelError(
            f"nothing saturates in {system.name!r}: use compile_exactly, which is exact"
        )
    known = [str(parameter) for parameter in system.parameters]
    for name in (*varied, *fixed):
        if name not in known:
            raise InputError(
                f"{system.name!r} has no parameter {name!r}: {suggest(name, known)}"
            )
    for name in known:
        if (name in varied) == (name in fixed):
            raise InputError(
                f"parameter {name!r} of {system.name!r} is "
                f"{'both varied and fixed' if name in fixed else 'not given'}: it must "
                "be varied or fixed"
            )
    for name, reading in zip(system.observables, system.readings, strict=True):
        reason = _not_linear(reading)
        if reason is not None:
            raise ModelError(
                f"observable {name!r} of {system.name!r} is {reading}: it must be a "
                "sum of activities times what parameters say (MBq, or MBq/L of "
                f"blood), but {reason}: leave it out of the model, or make it of "
                "others after the solve"
            )


def _not_linear(reading: sympy.Expr) -> str | None:
    """Say why a reading is no sum of a label's activities, if it is none."""
    if reading == 0:  # of a ligand that is not given
        return None
    others = [s for s in symbols_in(reading) if not isinstance(s, Amount | Parameter)]
    if others:
        return f"it holds {', '.join(map(str, others))}"
    reason = unreadable(reading)
    if reason is None and linear_matrix(tuple(amounts_in(reading)), (reading,)) is None:
        reason = "it is not linear in the amounts"
    return reason


def _observed(
    system: System, varied: tuple[str, ...], fixed: Mapping[str, float]
) -> Callable[[Any], Any]:
    amounts = labelled_amounts(system)
    reached = np.any([places >= 0 for places in label_places(system)], axis=0)
    matrix = sympy.zeros(len(system.readings), len(amounts))
    for row, reading in enumerate(system.readings):
        for column, amount in enumerate(amounts):
            if reached[column]:  # others hold no activity
                matrix[row, column] = sympy.diff(reading, amount)
    if not {str(symbol) for symbol in matrix.free_symbols} & set(varied):
        known = [fixed.get(str(p), np.nan) for p in system.parameters]
        numbers = numpy_function(system.parameters, tuple(matrix))(known)
        constant = np.array(numbers, np.float64).reshape(matrix.shape)
        return lambda parameters: jnp.asarray(constant)
    entries = jax_matrix(system.parameters, sympy.ImmutableMatrix(matrix))
    order = _ordered(system, varied, fixed)
    return lambda parameters: entries(order(parameters))


def _ordered(
    system: System, varied: tuple[str, ...], fixed: Mapping[str, float]
) -> Callable[[Any], Any]:
    """Return what puts a vector of those that vary into the system's order."""

    def order(parameters: Any) -> Any:
        own = {**fixed, **dict(zip(varied, parameters, strict=True))}
        return jnp.stack([jnp.asarray(own[str(p)]) for p in system.parameters])

    return order


def _solver(
    system: System,
    varied: tuple[str, ...],
    fixed: Mapping[str, float],
    controls: Controls,
) -> Callable[[Any, LabelCourse, Any], Any]:
    compiled, read = compile_system(system, controls=controls), label_reader(system)

    def solve(parameters: Any, given: LabelCourse, times: Any) -> Any:
        own = dict(zip(varied, jnp.asarray(parameters), strict=True))
        states = compiled.solve({**fixed, **own}, given.course, times)
        return read(given, states, times)

    return solve
