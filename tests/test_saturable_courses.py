"""Several doses of several ligands and labels in one body that saturates.

The reference is written anew here and solved by SciPy's LSODA; besides, closed forms
where nothing saturates, the balance of activity, and `simulate`.
"""

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import odeint
from scipy.linalg import expm

from pkmodels import Administration, Schedule, assemble, nuclide, simulate
from pkmodels.definition import Model
from pkmodels.errors import InputError, ModelError
from pkmodels.exact import Doses
from pkmodels.kernels.problem import Controls
from pkmodels.label_courses import LabelCourse
from pkmodels.models import pentixather
from pkmodels.models.blocks import binding, internalization_and_release
from pkmodels.observables import ratio, standardized_uptake
from pkmodels.reactions import flow
from pkmodels.routes import Route
from pkmodels.saturable import SaturableSystem, compile_saturable, compile_schedule
from pkmodels.schedule import Window
from pkmodels.symbols import amounts, inputs, parameters, receptors
from pkmodels.values import typical

VALUES = {
    "k_on": 0.6,
    "k_off": 0.9,
    "k_int": 0.05,
    "k_rel": 0.02,
    "clearance": 4.0,
    "sites": 12.0,
    "volume": 3.0,
    "haematocrit": 0.42,
    "affinity_ratio": 0.4,
}
VARIED = ("k_on", "sites", "clearance")
FIXED = {name: value for name, value in VALUES.items() if name not in VARIED}
TRUTH = np.array([VALUES[name] for name in VARIED])
LIGANDS = ("x", "y")
TIMES = np.array([0.3, 2.0, 24.0, 120.0, 239.9, 240.5, 250.0, 300.0, 480.0])
BLOCKED_UNTIL, BLOCKED = 4.0, 0.8
FINE = Controls(relative=1e-8, absolute=1e-13)


def model() -> Model:
    """Two ligands that compete for one receptor; urine is collected for ever."""
    k_off, k_int, k_rel = parameters("k_off k_int k_rel", unit="1/h")
    (k_on,) = parameters("k_on", unit="L/(nmol h)")
    (clearance,) = parameters("clearance", unit="L/h")
    (volume,) = parameters("volume", unit="L")
    (sites,) = parameters("sites", unit="nmol")
    haematocrit, weaker = parameters("haematocrit affinity_ratio", unit="1")
    (free,) = receptors("free", unit="nmol")
    (block,) = inputs("block", unit="1", otherwise=0.0)
    reactions, routes, shown = [], [], {}
    for ligand in LIGANDS:
        P, B, N, U = amounts(
            " ".join(f"{part}_{ligand}" for part in "PBNU"), unit="nmol", ligand=ligand
        )
        on = k_on if ligand == "x" else k_on * weaker
        excreted = clearance * (1 - block) / volume * P
        reactions += [
            *binding(
                f"tumour_{ligand}", P, free, B, volume=volume, k_on=on, k_off=k_off
            ),
            *internalization_and_release(
                f"tumour_{ligand}",
                B,
                N,
                internalization=k_int,
                release=k_rel,
                receptor=free,
                released=P,
            ),
            flow(f"excretion_{ligand}", P, U, excreted),
        ]
        routes.append(P)
        shown |= {
            f"tumour_{ligand}": B + N + P / 50,
            f"blood_{ligand}": P * (1 - haematocrit) / volume,
            f"urine_{ligand}": U,
        }
    given = {"intravenous": tuple(Route(entry) for entry in routes)}
    return Model("two ligands", tuple(reactions), given, shown, start={free: sites})


@dataclass(frozen=True)
class Dose:
    time_h: float
    length_h: float
    ligand: str
    nmol: float
    label: str | None
    MBq: float


COLD = Dose(0.0, 0.0, "y", 25.0, None, 0.0)
TRACER = Dose(0.5, 0.4, "x", 6.0, "Lu-177", 200.0)
THERAPY = Dose(240.25, 0.5, "x", 30.0, "Y-90", 1000.0)
IMAGED = Dose(0.1, 0.0, "y", 9.0, "Ga-68", 150.0)


def schedule(*doses: Dose, blocked: bool = True) -> Schedule:
    given = tuple(
        Administration(
            d.time_h, d.length_h, d.ligand, d.label, d.MBq, ligand_nmol=d.nmol
        )
        for d in doses
    )
    window = Window("block", 0.0, BLOCKED_UNTIL, BLOCKED)
    return Schedule(given, windows=(window,) if blocked else ())


def reference(
    values: dict[str, float], doses: Sequence[Dose], *, integrated: bool = False
) -> dict[str, np.ndarray]:
    """Return MBq of each label, (n_times, 6): tumour, blood, urine of x, then of y.

    `integrated` gives their time integrals from 0 instead.
    """
    return _reference(tuple(sorted(values.items())), tuple(doses), integrated)


@cache
def _reference(
    named: tuple[tuple[str, float], ...], doses: tuple[Dose, ...], integrated: bool
) -> dict[str, np.ndarray]:
    v = dict(named)
    labels = list(dict.fromkeys(d.label for d in doses if d.label is not None))
    decays = [math.log(2.0) / nuclide(label).half_life_h for label in labels]
    edges = {0.0, BLOCKED_UNTIL, float(TIMES[-1])}
    edges |= {d.time_h for d in doses} | {d.time_h + d.length_h for d in doses}
    on = {"x": v["k_on"], "y": v["k_on"] * v["affinity_ratio"]}
    width = 16 if integrated else 8
    size = 9 + width * len(labels)

    def first(ligand: str, label: str | None = None) -> int:
        """Return where what is in plasma stands: of the carrier, or of a label."""
        start = 1 if label is None else 9 + width * labels.index(label)
        return start + 4 * LIGANDS.index(ligand)

    places = {x: [first(x), *(first(x, label) for label in labels)] for x in LIGANDS}

    def change(t: float, state: np.ndarray, begin: float) -> list[float]:
        known, out = state.tolist(), [0.0] * size
        block = BLOCKED if begin < BLOCKED_UNTIL else 0.0
        away = v["clearance"] * (1.0 - block) / v["volume"]
        for ligand in LIGANDS:
            forward = on[ligand] / v["volume"] * known[0]
            for decay, at in zip([0.0, *decays], places[ligand], strict=True):
                P, B, N, U = known[at : at + 4]
                bound, inside = forward * P - v["k_off"] * B, v["k_int"] * B
                released, excreted = v["k_rel"] * N, away * P
                out[at] = released - bound - excreted - decay * P
                out[at + 1] = bound - inside - decay * B
                out[at + 2] = inside - released - decay * N
                out[at + 3] = excreted - decay * U
                if decay == 0.0:  # an internalized receptor is replaced
                    out[0] += inside - bound
                elif integrated:
                    out[at + 8 : at + 12] = P, B, N, U
        for d in doses:
            if d.time_h <= begin < d.time_h + d.length_h:
                out[first(d.ligand)] += d.nmol / d.length_h
                if d.label is not None:
                    left = math.exp(-decays[labels.index(d.label)] * (t - d.time_h))
                    out[first(d.ligand, d.label)] += d.MBq / d.length_h * left
        return out

    state = np.zeros(size)
    state[0] = v["sites"]
    found = np.zeros((len(TIMES), size))
    for begin, end in pairwise([*sorted(edges), np.inf]):
        for d in doses:
            if d.time_h == begin and d.length_h == 0.0:
                state[first(d.ligand)] += d.nmol
                if d.label is not None:
                    state[first(d.ligand, d.label)] += d.MBq
        here = (TIMES >= begin) & (TIMES < end)
        last = min(end, TIMES[-1] + 1.0)
        outputs = np.array([begin, *TIMES[here], last])
        solved = odeint(
            change,
            state,
            outputs,
            (begin,),
            tfirst=True,
            rtol=1e-10,
            atol=1e-12,
            tcrit=[last],
            mxstep=50_000,
        )
        found[here], state = solved[1:-1], solved[-1].copy()
    shift = 8 if integrated else 0
    return {
        label: np.concatenate(
            [
                _shown(v, found[:, at + shift : at + shift + 4])
                for at in (first(ligand, label) for ligand in LIGANDS)
            ],
            axis=1,
        )
        for label in labels
    }


def _shown(v: dict[str, float], amounts: np.ndarray) -> np.ndarray:
    P, B, N, U = amounts.T
    blood = P * (1.0 - v["haematocrit"]) / v["volume"]
    return np.stack([B + N + P / 50.0, blood, U], axis=1)


def seen(compiled: SaturableSystem, values: np.ndarray, given: Schedule) -> np.ndarray:
    """Return (n_labels, n_times, n_observables)."""
    found = compiled.solve_labels(values, compiled.given(given), TIMES)
    return np.asarray(found @ compiled.observe(values).T)


@pytest.fixture(scope="module")
def twice() -> SaturableSystem:
    """177Lu and 90Y on x, after unlabelled y."""
    given = schedule(COLD, TRACER, THERAPY)
    return compile_schedule(model(), given, VARIED, FIXED, controls=FINE)


@pytest.fixture(scope="module")
def at_once() -> SaturableSystem:
    """68Ga on y beside 177Lu on x: each in proportion to its ligand."""
    given = schedule(IMAGED, TRACER)
    return compile_schedule(model(), given, VARIED, FIXED)


def close(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    """Compare to a part of each curve's largest value, too."""
    largest = np.abs(expected).max(axis=0)
    np.testing.assert_array_less(
        np.abs(found - expected), relative * (np.abs(expected) + 0.01 * largest) + 1e-12
    )


def test_two_labels_after_a_block_are_those_of_scipy(twice: SaturableSystem) -> None:
    doses = (COLD, TRACER, THERAPY)
    found = seen(twice, TRUTH, schedule(*doses))
    for row, label in enumerate(("Lu-177", "Y-90")):
        close(found[row], reference(VALUES, doses)[label], 1e-6)
    # The block and the tracer before matter: alone, each dose gives something else.
    alone = reference(VALUES, (TRACER,))["Lu-177"]
    assert not np.allclose(found[0], alone, rtol=0.1)


def test_patients_of_one_form_share_one_compilation(twice: SaturableSystem) -> None:
    other = (
        replace(COLD, nmol=3.0),
        replace(TRACER, time_h=1.0, nmol=15.0, label="Y-90"),
        replace(THERAPY, time_h=200.0, length_h=2.0, MBq=1.0, label="Lu-177"),
    )
    traced = []

    def counted(values: jax.Array, given: LabelCourse) -> jax.Array:
        traced.append(given)
        return twice.solve_labels(values, given, TIMES)

    solve = jax.jit(counted)
    for doses in ((COLD, TRACER, THERAPY), other):
        found = solve(TRUTH, twice.given(schedule(*doses)))
        for row, dose in enumerate(doses[1:]):
            shown = np.asarray(found[row] @ twice.observe(TRUTH).T)
            assert dose.label is not None
            close(shown, reference(VALUES, doses)[dose.label], 1e-6)
    assert len(traced) == 1


def test_two_ligands_compete_for_receptors(at_once: SaturableSystem) -> None:
    doses = (IMAGED, TRACER)
    assert not at_once.system.tracers  # no label needs states of its own
    found = seen(at_once, TRUTH, schedule(*doses))
    for row, label in enumerate(("Ga-68", "Lu-177")):
        expected = reference(VALUES, doses)[label]
        close(found[row, :4], expected[:4], 2e-4)
    without = reference(VALUES, (TRACER,))["Lu-177"]
    assert found[1, 1, 0] < 0.9 * without[1, 0]


def test_two_syringes_of_one_vial_may_be_of_two_vials_in_another_patient() -> None:
    left = 0.5 ** (240.0 / nuclide("Lu-177").half_life_h)
    again = replace(TRACER, time_h=240.5, length_h=0.0, MBq=TRACER.MBq * left)
    one_vial = schedule(TRACER, again)
    assert one_vial.form.labels[0].proportional
    compiled = compile_schedule(model(), one_vial, VARIED, FIXED)
    for doses in ((TRACER, again), (TRACER, replace(again, nmol=40.0))):
        found = seen(compiled, TRUTH, schedule(*doses))
        close(found[0], reference(VALUES, doses)["Lu-177"], 3e-4)


def test_a_short_lived_label_weeks_later_is_not_nan_before(
    at_once: SaturableSystem,
) -> None:
    late = schedule(replace(IMAGED, time_h=1500.0), TRACER)
    times = np.array([1.0, 24.0, 1500.0, 1501.0])
    found = at_once.solve_labels(TRUTH, at_once.given(late), times)
    by_time = np.asarray(found.sum(axis=2))[0]
    assert by_time[:2].tolist() == [0.0, 0.0]
    assert by_time[2:] == pytest.approx(
        150.0 * 0.5 ** np.array([0.0, 60.0 / 67.71]), rel=2e-3
    )


def test_derivatives_are_those_of_the_reference(twice: SaturableSystem) -> None:
    doses = (COLD, TRACER, THERAPY)
    given = twice.given(schedule(*doses))

    def shown(values: jax.Array) -> jax.Array:
        found = twice.solve_labels(values, given, TIMES)
        return found @ twice.observe(values).T

    found = np.asarray(jax.jit(jax.jacfwd(shown))(TRUTH))
    scores = np.linspace(-1.0, 2.0, found[..., 0].size).reshape(found.shape[:-1])
    by_grad = jax.jit(jax.grad(lambda values: jnp.sum(scores * shown(values))))(TRUTH)
    expected = np.einsum("lto,ltop->p", scores, found)
    np.testing.assert_allclose(by_grad, expected, rtol=1e-9)
    for column, name in enumerate(VARIED):
        step = 1e-4 * VALUES[name]
        up, down = (
            reference({**VALUES, name: VALUES[name] + s}, doses) for s in (step, -step)
        )
        for row, label in enumerate(("Lu-177", "Y-90")):
            slopes = (up[label] - down[label]) / (2.0 * step)
            close(found[row, ..., column], slopes, 3e-5)


@pytest.mark.parametrize(
    ("number", "field", "label"), [(0, "nmol", "Lu-177"), (2, "time_h", "Y-90")]
)
def test_derivatives_by_mass_and_time_of_a_dose(
    twice: SaturableSystem, number: int, field: str, label: str
) -> None:
    doses = [COLD, TRACER, THERAPY]
    given = twice.given(schedule(*doses))
    names = {"nmol": "ligand_nmol", "time_h": "time_h"}

    def shown(moved: jax.Array) -> jax.Array:
        column = jnp.asarray(getattr(given.course, names[field]))
        numbers = {names[field]: column.at[number].set(moved)}
        changed = replace(given, course=replace(given.course, **numbers))
        found = twice.solve_labels(TRUTH, changed, TIMES)
        return found[("Lu-177", "Y-90").index(label)] @ twice.observe(TRUTH).T

    value = getattr(doses[number], field)
    step = 1e-3
    sides = []
    for moved in (value + step, value - step):
        other = [*doses]
        other[number] = replace(doses[number], **{field: moved})
        sides.append(reference(VALUES, other)[label])
    expected = (sides[0] - sides[1]) / (2.0 * step)
    close(np.asarray(jax.jit(jax.jacfwd(shown))(value)), expected, 1e-4)


def test_draws_in_lanes_are_those_one_by_one(twice: SaturableSystem) -> None:
    given = twice.given(schedule(COLD, TRACER, THERAPY))
    draws = TRUTH * np.exp(0.3 * np.random.default_rng(1).normal(size=(9, 3)))

    def total(values: jax.Array) -> jax.Array:
        found = twice.solve_labels(values, given, TIMES)
        return jnp.sum(jnp.log1p(found @ twice.observe(values).T))

    both = jax.value_and_grad(total)
    one_by_one = jax.jit(both)
    values, slopes = jax.jit(jax.vmap(both))(draws)
    for row in (0, 8):
        value, slope = one_by_one(draws[row])
        assert values[row] == pytest.approx(float(value), rel=1e-6)
        np.testing.assert_allclose(slopes[row], slope, rtol=1e-4, atol=1e-6)


def test_traces_of_ligand_add_up_as_a_matrix_exponential_does(
    twice: SaturableSystem,
) -> None:
    doses = (
        replace(COLD, nmol=1e-6),
        replace(TRACER, nmol=1e-4, length_h=0.0, MBq=1e-3, label="Y-90"),
        replace(THERAPY, nmol=1e-4, length_h=0.0, MBq=1e-3, label="Lu-177"),
    )
    found = seen(twice, TRUTH, schedule(*doses))
    v = VALUES
    forward = v["k_on"] / v["volume"] * v["sites"]

    def flows(block: float) -> np.ndarray:
        away = v["clearance"] * (1.0 - block) / v["volume"]
        return np.array(
            [
                [-forward - away, v["k_off"], v["k_rel"]],
                [forward, -v["k_off"] - v["k_int"], 0.0],
                [0.0, v["k_int"], -v["k_rel"]],
            ]
        )

    for row, dose in enumerate(doses[1:]):
        assert dose.label is not None
        decay = np.log(2.0) / nuclide(dose.label).half_life_h
        for number, time in enumerate(TIMES):
            expected = 0.0
            if time >= dose.time_h:
                blocked = max(min(time, BLOCKED_UNTIL) - dose.time_h, 0.0)
                state = expm(flows(BLOCKED) * blocked)[:, 0]
                state = expm(flows(0.0) * (time - dose.time_h - blocked)) @ state
                left = dose.MBq * np.exp(-decay * (time - dose.time_h))
                expected = left * (state[1] + state[2] + state[0] / 50.0)
            assert found[row, number, 0] == pytest.approx(expected, rel=2e-5, abs=1e-15)


def test_integrals_of_all_labels_are_those_of_scipy_and_balance(
    twice: SaturableSystem,
) -> None:
    doses = (COLD, replace(TRACER, length_h=0.0), replace(THERAPY, length_h=0.0))
    given = twice.given(schedule(*doses))
    draws = TRUTH * np.array([[1.0, 1.0, 1.0], [0.5, 2.0, 1.5]])
    activity, until, totals = twice.integrate_labels(draws, given, TIMES)
    assert activity.shape == (2, 2, len(TIMES), len(twice.amounts))
    for row, dose in enumerate(doses[1:]):
        assert dose.label is not None
        decay = np.log(2.0) / nuclide(dose.label).half_life_h
        # All that was given decays somewhere in the body or in what was collected.
        np.testing.assert_allclose(totals[row].sum(axis=1), dose.MBq / decay, rtol=1e-6)
        for draw, values in enumerate(draws):
            named = {**VALUES, **dict(zip(VARIED, values, strict=True))}
            observe = np.asarray(twice.observe(values)).T
            close(
                activity[row, draw] @ observe,
                reference(named, doses)[dose.label],
                1e-6,
            )
            expected = reference(named, doses, integrated=True)[dose.label]
            close(until[row, draw] @ observe, expected, 1e-6)


def test_integrals_of_labels_in_proportion_are_those_with_states(
    at_once: SaturableSystem,
) -> None:
    doses = (IMAGED, TRACER)
    parts = at_once.integrate_labels(
        TRUTH[None], at_once.given(schedule(*doses)), TIMES
    )
    observe = np.asarray(at_once.observe(TRUTH)).T
    for row, label in enumerate(("Ga-68", "Lu-177")):
        expected = reference(VALUES, doses, integrated=True)[label]
        close(parts[1][row, 0] @ observe, expected, 1e-4)


def test_units_tell_concentrations_from_activities(twice: SaturableSystem) -> None:
    assert dict(zip(twice.system.observables, twice.units, strict=True)) == {
        "tumour_x": "MBq",
        "blood_x": "MBq/L",
        "urine_x": "MBq",
        "tumour_y": "MBq",
        "blood_y": "MBq/L",
        "urine_y": "MBq",
    }


def test_it_pickles_as_what_it_was_compiled_from(at_once: SaturableSystem) -> None:
    again = pickle.loads(pickle.dumps(at_once))
    assert again is not at_once
    assert again.parameters == VARIED
    given = schedule(IMAGED, TRACER)
    np.testing.assert_array_equal(
        seen(again, TRUTH, given), seen(at_once, TRUTH, given)
    )


def test_one_dose_is_the_plain_case_and_keeps_its_windows() -> None:
    plain = compile_schedule(model(), schedule(TRACER), VARIED, FIXED)
    decay = nuclide("Lu-177").decay_constant_per_h
    doses = Doses(
        np.array([TRACER.time_h]),
        np.array([TRACER.length_h]),
        np.array([TRACER.MBq]),
        decay,
        np.array([TRACER.nmol]),
    )
    found = plain.solve(TRUTH, doses, TIMES) @ plain.observe(TRUTH).T
    close(np.asarray(found), reference(VALUES, (TRACER,))["Lu-177"], 3e-4)
    free = compile_saturable(model(), "x", VARIED, FIXED, infusions=True)
    other = free.solve(TRUTH, doses, TIMES) @ free.observe(TRUTH).T
    assert other[2, 2] > found[2, 2]  # without the block, more is excreted


def test_what_it_cannot_follow_is_refused(
    twice: SaturableSystem, at_once: SaturableSystem
) -> None:
    bolus = replace(TRACER, length_h=0.0)
    decayed = 0.5 ** (24.0 / nuclide("Lu-177").half_life_h)
    later = replace(bolus, time_h=24.5, MBq=bolus.MBq * decayed)
    with pytest.raises(InputError, match="compiled for one dose of x"):
        at_once.given(schedule(IMAGED, bolus, later))
    one = Doses(np.zeros(1), np.zeros(1), np.ones(1), 0.01, np.ones(1))
    with pytest.raises(InputError, match="compiled for 3 administrations of 2 labels"):
        twice.solve(TRUTH, one, TIMES)
    with pytest.raises(InputError, match="assembled for other labels"):
        twice.given(schedule(COLD, TRACER))
    with pytest.raises(InputError, match="gives no label"):
        compile_schedule(model(), schedule(COLD), VARIED, FIXED)
    alpha = schedule(replace(TRACER, label="Ac-225", MBq=1e-3))
    with pytest.raises(InputError, match="Ac-225 has daughters"):
        compile_schedule(model(), alpha, VARIED, FIXED)
    unknown = schedule(TRACER)
    given = replace(unknown.administrations[0], ligand_nmol=None)
    with pytest.raises(ModelError, match="state ligand_nmol"):
        compile_schedule(model(), Schedule((given,)), VARIED, FIXED)


@pytest.mark.parametrize("kind", ["ratio", "SUV", "input", "occupancy", "receptor"])
def test_readings_that_are_not_linear_in_activities_are_refused(kind: str) -> None:
    plain = model()
    P, B = (a for a in plain.amounts if str(a) in ("P_x", "B_x"))
    (free,) = receptors("free", unit="nmol")
    (volume,) = parameters("volume", unit="L")
    (mass,) = parameters("body_mass", unit="g")
    readings = {
        "ratio": ratio(B, P),
        "SUV": standardized_uptake(P / volume, mass),
        "input": B * plain.inputs[0],
        "occupancy": B / (B + free),
        "receptor": B + free,
    }
    shown = replace(plain, observables={**plain.observables, "odd": readings[kind]})
    fixed = FIXED | ({"body_mass": 70_000.0} if kind == "SUV" else {})
    with pytest.raises(ModelError, match="observable 'odd' of 'two ligands'"):
        compile_schedule(shown, schedule(TRACER), VARIED, fixed)


@pytest.mark.slow
def test_pentixather_and_pentixafor_of_the_library_are_those_of_simulate() -> None:
    both = pentixather.both()
    (imaged,) = pentixather.schedule("pentixafor").administrations
    (tracer,) = pentixather.schedule().administrations
    tracer = replace(tracer, time_h=24.0)
    therapy = replace(
        tracer,
        time_h=240.0,
        duration_h=0.5,
        label="Y-90",
        ligand_mass_ug=250.0,
        ligand_nmol=None,
    )
    block = Window("amino_acid_block", 239.5, 244.0, 0.9)
    given = Schedule((imaged, tracer, therapy), windows=(block,))
    known = typical(pentixather.values(ligand="pentixafor"))
    varied = ("dissociation_constant", "reabsorbed_fraction")
    names = {
        "kidneys",
        "tumour",
        "blood",
        "kidneys_pentixafor",
        "tumour_pentixafor",
        "bladder",
    }
    shown = {n: e for n, e in both.observables.items() if n in names}
    both = replace(both, observables=shown)
    known = {p.name: known[p.name] for p in both.parameters}
    fixed = {n: v for n, v in known.items() if n not in varied}
    compiled = compile_schedule(both, given, varied, fixed)
    truth = np.array([known[name] for name in varied])
    times = np.array([1.0, 2.0, 25.0, 48.0, 200.0, 241.0, 264.0, 400.0])
    found = compiled.solve_labels(truth, compiled.given(given), times)
    found = np.asarray(found @ compiled.observe(truth).T)
    system = assemble(both, given.form)
    for row, label in enumerate(given.labels):
        curves = simulate(system, known, given, times, label=label).observables
        for column, name in enumerate(compiled.system.observables):
            np.testing.assert_allclose(
                found[row, :, column], curves[name], rtol=1e-4, atol=1e-6
            )
