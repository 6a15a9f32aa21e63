"""One battery for every model of the library, and for small ones known on paper."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import jax
import lsoda
import numpy as np
import problems
import pytest
import sympy
from problems import EVERY, FORMS, SMALL, Problem, by_exponentials, problem_of

from pkmodels.analysis.conservation import conserved_totals, mass_balance
from pkmodels.courses import course_of
from pkmodels.definition import Model
from pkmodels.errors import InputError
from pkmodels.kernels.equations import Equations, equations_of
from pkmodels.kernels.native import native_kernel
from pkmodels.kernels.problem import Controls, Outcome
from pkmodels.kernels.problem import Problem as Arrays
from pkmodels.kernels.xla import xla_solver
from pkmodels.lowering import lower_course
from pkmodels.notation.parameter_values import check_values
from pkmodels.symbols import NO_LIGAND, Amount, amounts_in
from pkmodels.system import assemble
from pkmodels.timeline import lower
from pkmodels.trajectory import label_of_states, simulate

FINE = Controls(relative=1e-10, absolute=1e-14)
# Errors of steps add up: at the usual tolerances to 1e-5, the most that is promised.
STEPS = 100.0
# Far below what occupies any receptor: deviations are in proportion to it.
TRACE_NMOL = 1e-12

# Models that do not keep count of ligand, or do not start at rest; and why.
UNBALANCED: dict[str, str] = {}
RESTLESS: dict[str, str] = {}

each = pytest.mark.parametrize("name", EVERY)


def each_but(*slow: str) -> pytest.MarkDecorator:
    """Return the mark of a test that runs over some when slow tests are asked for."""
    names = (pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in EVERY)
    return pytest.mark.parametrize("name", list(names))


# Bodies of ten organs of the same blocks; one of them is simulated in every run.
LARGE = ("dotatate_pbpk", "psma_pbpk")
# Linear, and compared with closed forms in a test of their own.
ON_PAPER = ("organ_exchange", "pet_tissue", "exponentials")
# Each takes seconds to compile or to integrate, and so do further forms of a model.
each_solved = each_but("psma_pbpk", "pentixather, pentixafor")
each_simulated = each_but(*FORMS, *ON_PAPER, "psma_pbpk")
# A fresh machine compiles a kernel for each: these stand for the others.
_KERNELS = (*SMALL, "pentixather", "organ_exchange", "binding_assay")
each_kernel = each_but(*(name for name in EVERY if name not in _KERNELS))


@each
def test_values_are_those_of_the_parameters_in_their_units(name: str) -> None:
    problem = problem_of(name)
    assert set(problem.values) == {p.name for p in problem.model.parameters}
    check_values(problem.model.parameters, problem.values)
    for value in problem.values.values():
        assert value.source.strip()


@each
def test_no_reaction_makes_ligand_of_ligand_or_loses_a_part(name: str) -> None:
    """Ligand may leave; it may be made, too, but not out of ligand that stays."""
    model = problem_of(name).model
    reactions = {reaction.name: reaction for reaction in model.reactions}
    for balance in mass_balance(model):
        assert balance.unequal == () or name in UNBALANCED, balance
        for made in balance.created:
            by = {a.ligand for a in amounts_in(reactions[made].rate)}
            assert balance.ligand not in by or name in UNBALANCED, (made, by)


@each
def test_receptors_are_conserved_where_none_are_made(name: str) -> None:
    model = problem_of(name).model
    balances = {balance.ligand: balance for balance in mass_balance(model)}
    if NO_LIGAND not in balances or balances[NO_LIGAND].created:
        return
    held = {a for total in conserved_totals(model) for a in amounts_in(total)}
    assert {a for a in model.amounts if a.ligand == NO_LIGAND} <= held


def groups_of(model: Model) -> list[set[str]]:
    """Return the ligands, those that turn into others in one group."""
    ligands = [b for b in mass_balance(model) if b.ligand != NO_LIGAND]
    if any(balance.exchanged for balance in ligands):
        return [{balance.ligand for balance in ligands}]
    return [{balance.ligand} for balance in ligands]


def counted(problem: Problem) -> tuple[Problem, list[tuple[Amount, Amount]]]:
    """Return a problem whose model counts what leaves, and what is made, of a group."""
    groups = groups_of(problem.model)
    counters = [
        (Amount(f"left_{n}", "nmol", ""), Amount(f"made_{n}", "nmol", ""))
        for n in range(len(groups))
    ]
    reactions = []
    for reaction in problem.model.reactions:
        more = reaction.products
        for group, (left, made) in zip(groups, counters, strict=True):
            net = reaction.net_counts().items()
            change = sum(count for amount, count in net if amount.ligand in group)
            if change:
                more = (*more, (left if change < 0 else made, abs(change)))
        reactions.append(replace(reaction, products=more))
    model = replace(problem.model, reactions=tuple(reactions))
    # What is observed is not left out of the equations.
    model = replace(model, observables={str(a): a for a in model.amounts})
    return replace(problem, model=model), counters


@cache
def counted_curves(name: str) -> tuple[Model, np.ndarray]:
    """Return all amounts of a counted model over time, by LSODA, typical values."""
    problem, _ = counted(problem_of(name).of_ligand())
    values = problem.sets[0]
    system = assemble(problem.model, problem.schedule.form)
    used = {str(p): values[str(p)] for p in system.parameters}
    line = lower(system, used, problem.schedule)
    curves = lsoda.integrate(line, problem.times_h)
    order = [
        system.amounts.index(a) if a in system.amounts else -1
        for a in problem.model.amounts
    ]
    padded = np.concatenate([curves, np.zeros((len(curves), 1))], axis=1)
    return problem.model, padded[:, order]


@each_solved
def test_what_is_given_is_inside_or_has_left(name: str) -> None:
    problem, counters = counted(problem_of(name).of_ligand())
    values, times = problem.sets[0], problem.times_h
    model, curves = counted_curves(name)
    column = {amount: curves[:, n] for n, amount in enumerate(model.amounts)}
    given = problems.arrived(problem, values, times)
    start = problems.start_of(model, values)
    nothing = np.zeros(len(times))
    for group, (left, made) in zip(
        groups_of(problem_of(name).model), counters, strict=True
    ):
        of = [n for n, a in enumerate(model.amounts) if a.ligand in group]
        inside = curves[:, of].sum(axis=1)
        brought = start[of].sum() + given[:, of].sum(axis=1)
        brought = brought + column.get(made, nothing)
        np.testing.assert_allclose(
            inside + column.get(left, nothing),
            brought,
            rtol=1e-8,
            atol=1e-12 * max(brought),
        )


@each_solved
def test_totals_that_no_reaction_changes_change_by_doses_only(name: str) -> None:
    problem = problem_of(name).of_ligand()
    values, times = problem.sets[0], problem.times_h
    model, curves = counted_curves(name)
    given = problems.arrived(replace(problem, model=model), values, times)
    start = problems.start_of(model, values)
    place = {amount: n for n, amount in enumerate(model.amounts)}
    for total in conserved_totals(problem.model):
        weights = np.zeros(len(place))
        for amount in amounts_in(total):
            weights[place[amount]] = float(sympy.diff(total, amount))
        expected = (start + given) @ weights
        np.testing.assert_allclose(curves @ weights, expected, rtol=1e-8)


@each_simulated
def test_simulated_ligand_is_that_of_lsoda_and_never_negative(name: str) -> None:
    """And at draws it is solved, and not negative."""
    problem = problem_of(name).of_ligand()
    model, curves = counted_curves(name)
    system = assemble(problem.model, problem.schedule.form)
    given = sum(a.ligand_nmol or 0.0 for a in problem.schedule.administrations)
    for number, values in enumerate(problem.sets):
        used = {str(p): values[str(p)] for p in system.parameters}
        found = simulate(system, used, problem.schedule, problem.times_h)
        for curve in (*found.amounts.values(), *found.observables.values()):
            assert np.nanmin(curve, initial=0.0) >= -1e-12 * given
        if number > 0:
            continue
        for at, amount in enumerate(model.amounts):
            if str(amount) in found.amounts:
                size = max(given, curves[0, at])
                np.testing.assert_allclose(
                    found.amounts[str(amount)],
                    curves[:, at],
                    rtol=1e-7,
                    atol=1e-13 * size,
                )


@each
def test_nothing_moves_before_the_first_dose(name: str) -> None:
    problem = problem_of(name)
    for values in problem.sets:
        start = problems.start_of(problem.model, values)
        slopes = problems.drift(problem, values)
        at_rest = np.abs(slopes) <= 1e-9 * (np.abs(start).max(initial=0.0) + 1e-30)
        assert at_rest.all() or name in RESTLESS, slopes


@each_simulated
def test_traces_and_linear_models_follow_matrix_exponentials(name: str) -> None:
    """A linear model at its doses; any other at two traces, in proportion to them."""
    whole = problem_of(name).of_ligand()
    if name in RESTLESS:
        pytest.skip(f"{name} does not start at rest: {RESTLESS[name]}")
    values, times = whole.sets[0], whole.times_h
    system = assemble(whole.model, whole.schedule.form)
    total = sum(a.ligand_nmol or 0.0 for a in whole.schedule.administrations)
    traces = [TRACE_NMOL / total, 2.0 * TRACE_NMOL / total]
    used = {str(p): values[str(p)] for p in system.parameters}
    start = problems.start_of(whole.model, values)
    for scale in [1.0] if system.matrix is not None else traces:
        problem = problem_of(name).of_ligand(scale)
        expected = by_exponentials(problem, values, times) - start
        found = simulate(system, used, problem.schedule, times).amounts
        for n, amount in enumerate(whole.model.amounts):
            # What was there before any dose hides what a trace does to it.
            if str(amount) in found and start[n] == 0.0:
                np.testing.assert_allclose(
                    found[str(amount)],
                    expected[:, n],
                    rtol=1e-6,
                    atol=1e-9 * scale * total,
                )


def lowered(problem: Problem) -> tuple[Equations, Arrays, np.ndarray, np.ndarray]:
    """Return equations, all sets in one batch, the readings' rows, LSODA's states."""
    schedule = problem.schedule
    label = schedule.labels[0] if schedule.labels else "ligand"
    system = assemble(problem.model, schedule.form)
    of = label_of_states(system, label)
    if of is None and system.matrix is not None:
        problem = problem.of_ligand()
        schedule = problem.schedule
    times = problem.times_h
    equations, layout = equations_of(system)
    course = course_of(system, schedule, of)
    sets = [{str(p): s[str(p)] for p in system.parameters} for s in problem.sets]
    one = lambda values: lower_course(system, layout, values, course, times)  # noqa: E731
    arrays, rows = jax.jit(jax.vmap(one))(np.array([list(s.values()) for s in sets]))
    expected = [lsoda.integrate(lower(system, s, schedule, of), times) for s in sets]
    arrays = Arrays(*map(np.asarray, arrays))
    return equations, arrays, np.asarray(rows[0]), np.stack(expected)


def worst(found: np.ndarray, expected: np.ndarray, scales: np.ndarray) -> float:
    """Return the largest error, relative, with 1e-6 of what is given added."""
    # Steps tolerate errors by what is given of a ligand, not by its receptors: with
    # much AMD3100, the few that stay free are off the most, 3.7e-6 in "xenograft, rat".
    count = expected.shape[-1]
    size = np.abs(expected) + 1e-6 * scales[..., None, :count]
    return float(np.max(np.abs(found[..., :count] - expected) / size))


@each_kernel
def test_the_native_kernel_agrees_with_lsoda(name: str) -> None:
    """All sets in lanes, at tolerances fine and usual."""
    equations, arrays, rows, expected = lowered(problem_of(name))
    kernel = native_kernel(equations)
    for controls in (FINE, Controls()):
        found = kernel.solve(arrays, controls=controls)
        assert (found.report[:, 0] == Outcome.SOLVED).all(), found.report
        bound = max(STEPS * controls.relative, 1e-7)
        assert worst(found.states[:, rows], expected, arrays.scales) < bound


@pytest.mark.slow
@each
def test_the_xla_kernel_agrees_with_lsoda_and_takes_the_native_steps(name: str) -> None:
    equations, arrays, rows, expected = lowered(problem_of(name))
    found = xla_solver(equations)(arrays, None, Controls())
    assert (np.asarray(found.report)[:, 0] == Outcome.SOLVED).all()
    states = np.asarray(found.states)
    bound = STEPS * Controls().relative
    assert worst(states[:, rows], expected, arrays.scales) < bound
    kernel = native_kernel(equations, in_lanes=False)
    for number, own in enumerate(states):
        alone = kernel.solve(Arrays(*(array[number] for array in arrays)))
        scales = arrays.scales[number]
        assert worst(own, alone.states, scales) < Controls().relative


def broken(what: str) -> Problem:
    """Return the receptor's problem with one mistake."""
    sound = problem_of("a receptor")
    model, values = sound.model, dict(sound.values)
    _, dissociation, elimination = model.reactions
    plasma, bound = elimination.reactants[0][0], dissociation.reactants[0][0]
    first = {"a receptor lost": replace(dissociation, products=((plasma, 1),))}
    if what == "a value missing":
        del values["loss"]
    if what == "a value in another unit":
        values["loss"] = replace(values["v"], value=0.2)
    if what == "ligand doubled":
        first[what] = replace(elimination, products=((bound, 2),))
    if what == "ligand made of ligand":
        first[what] = replace(elimination, reactants=(), products=((bound, 1),))
    if what == "a start that moves":
        start = {**model.start, bound: next(iter(model.start.values()))}
        return replace(sound, model=replace(model, start=start))
    changed = first.get(what)
    reactions = [
        changed if changed is not None and reaction.name == changed.name else reaction
        for reaction in model.reactions
    ]
    return replace(
        sound, model=replace(model, reactions=tuple(reactions)), values=values
    )


@pytest.mark.parametrize(
    ("what", "finds"),
    [
        ("a value missing", test_values_are_those_of_the_parameters_in_their_units),
        (
            "a value in another unit",
            test_values_are_those_of_the_parameters_in_their_units,
        ),
        ("ligand doubled", test_no_reaction_makes_ligand_of_ligand_or_loses_a_part),
        (
            "ligand made of ligand",
            test_no_reaction_makes_ligand_of_ligand_or_loses_a_part,
        ),
        ("a receptor lost", test_receptors_are_conserved_where_none_are_made),
        ("a start that moves", test_nothing_moves_before_the_first_dose),
    ],
)
def test_the_battery_finds_mistakes(
    what: str, finds: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds("a receptor")
    problem = broken(what)
    monkeypatch.setattr(sys.modules[__name__], "problem_of", lambda name: problem)
    with pytest.raises((AssertionError, InputError)):
        finds(what)
