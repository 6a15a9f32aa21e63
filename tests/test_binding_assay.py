"""The binding assay against closed forms, a second integrator and its own protocol."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from pkmodels.errors import InputError, SolveError
from pkmodels.models import binding_assay
from pkmodels.models.assay_readouts import (
    activity_of_counts,
    cheng_prusoff,
    fit_saturation,
    ic50_of_curve,
    inhibition_constant,
    internalized_fraction,
    receptors_per_cell,
)
from pkmodels.models.binding_equilibria import (
    competitive_equilibrium,
    equilibrium_with_depletion,
)
from pkmodels.models.flow_cytometry import receptor_ratio
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import Trajectory, simulate
from pkmodels.values import Prior, draw_values, typical

# Round numbers of a tube, beside the library's own.
TUBE_L = 5.5e-4
K_D, K_OFF, K_I = 10.0, 3.0, 300.0
# Nothing goes inside, nothing sticks, and nothing is lost or left by washing.
PLAIN = {
    "dissociation_constant": K_D,
    "dissociation": K_OFF,
    "amd3100_dissociation_constant": K_I,
    "internalization": 0.0,
    "release": 0.0,
    "nonspecific_ratio": 0.0,
    "dissociation_on_ice": 0.0,
    "carried_over": 0.0,
}
EQUILIBRIUM_H = 30.0


def plain(receptors_nmol_per_L: float, **others: float) -> dict[str, float]:
    """Parameters of a tube that only binds, with so many receptors."""
    known = typical(binding_assay.values())
    per_cell = (
        receptors_nmol_per_L * TUBE_L * known["molecules_per_nmol"] / known["cells"]
    )
    return known | PLAIN | {"receptors_per_cell": per_cell} | others


def shown(
    parameters: dict[str, float],
    schedule: Schedule,
    times: np.ndarray,
    label: str = "ligand",
) -> Trajectory:
    system = assemble(binding_assay.model(), schedule.form)
    return simulate(system, parameters, schedule, times, label=label)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    found = brentq(function, low, high, xtol=1e-18, rtol=np.float64(1e-13))
    assert isinstance(found, float)
    return found


def wang(L: float, R: float, K: float, inhibitor: float, Ki: float) -> float:
    """Bound ligand of Wang (1995), equations 5 to 7, written from the paper."""
    a = K + Ki + L + inhibitor - R
    b = Ki * (L - R) + K * (inhibitor - R) + K * Ki
    c = -K * Ki * R
    theta = math.acos((-2 * a**3 + 9 * a * b - 27 * c) / (2 * (a * a - 3 * b) ** 1.5))
    free = -a / 3 + 2 / 3 * math.sqrt(a * a - 3 * b) * math.cos(theta / 3)
    return L * free / (K + free)


def test_an_excess_of_ligand_binds_by_a_single_exponential() -> None:
    """Hulme and Trevethick: k_obs = k_on L + k_off; 1e-6 of the ligand is used up."""
    receptor, ligand = 1e-4, 100.0
    times = np.linspace(0.0, 1.0, 11)
    found = shown(plain(receptor), binding_assay.schedule(ligand), times)
    k_on = K_OFF / K_D
    observed = k_on * ligand + K_OFF
    end = receptor * TUBE_L * ligand / (ligand + K_D)
    expected = end * -np.expm1(-observed * times)
    np.testing.assert_allclose(found.observables["surface"], expected, rtol=3e-6)


@pytest.mark.parametrize("receptor", [1e-3, 0.12, 30.0])
@pytest.mark.parametrize("ligand", [0.01, 1.0, 300.0])
def test_equilibrium_with_depletion_is_the_root_of_a_quadratic(
    receptor: float, ligand: float
) -> None:
    found = shown(
        plain(receptor), binding_assay.schedule(ligand), np.array([EQUILIBRIUM_H])
    )
    # Written anew: the root by bisection, not by the formula.
    expected = root(
        lambda bound: bound * K_D - (ligand - bound) * (receptor - bound),
        0.0,
        min(ligand, receptor),
    )
    bound = found.observables["surface"][0] / TUBE_L
    assert bound == pytest.approx(expected, rel=1e-8)
    assert bound == pytest.approx(
        float(equilibrium_with_depletion(ligand, receptor, K_D)), rel=1e-8
    )


@pytest.mark.parametrize("inhibitor", [1.0, 300.0, 1e4])
@pytest.mark.parametrize(("ligand", "receptor"), [(1.0, 0.12), (10.0, 40.0)])
def test_competition_at_equilibrium_is_wangs_cubic(
    ligand: float, receptor: float, inhibitor: float
) -> None:
    expected = wang(ligand, receptor, K_D, inhibitor, K_I)
    tubes = binding_assay.competition(
        plain(receptor),
        np.array([inhibitor]),
        incubation_h=EQUILIBRIUM_H,
        tracer_nmol_per_L=ligand,
    )
    assert tubes.pellet_nmol[0] / TUBE_L == pytest.approx(expected, rel=1e-7)
    found = competitive_equilibrium(ligand, receptor, K_D, inhibitor, K_I)
    assert float(found) == pytest.approx(expected, rel=1e-7)


def test_1e_7_nmol_are_solved_as_well_as_10_nmol() -> None:
    """A million times less of everything in a million times less volume."""
    times = np.linspace(0.0, 2.0, 9)
    whole = plain(0.12)
    small = whole | {
        "volume": whole["volume"] * 1e-6,
        "cells": whole["cells"] * 1e-6,
    }
    plans = [
        binding_assay.schedule(1.0, 1e4, parameters["volume"])
        for parameters in (whole, small)
    ]
    one, other = (
        shown(parameters, plan, times).observables["surface"]
        for parameters, plan in zip((whole, small), plans, strict=True)
    )
    assert 0.0 < other[-1] < 1e-11
    np.testing.assert_allclose(other, one * 1e-6, rtol=1e-9)


def test_time_course_agrees_with_the_equations_solved_anew() -> None:
    """Every term, at a draw of the priors: binding, inside, sticking, the block."""
    drawn = draw_values(binding_assay.values(), 1, seed=5)
    p = {name: float(value[0]) for name, value in drawn.items()}
    plan = binding_assay.schedule(1.0, 200.0)
    times = np.array([0.6, 1.0, 2.5])
    found = shown(p, plan, times)
    volume, sites = p["volume"], p["cells"] * p["receptors_per_cell"] / 6.02214076e14
    on = p["dissociation"] / p["dissociation_constant"]
    on_amd = p["amd3100_dissociation"] / p["amd3100_dissociation_constant"]
    stick = p["nonspecific_dissociation"]

    def change(_: float, y: np.ndarray) -> list[float]:
        free, bound, inside, stuck, amd, held = y
        receptor = sites - bound - held
        binds = on * free / volume * receptor - p["dissociation"] * bound
        sticks = stick * (p["nonspecific_ratio"] * free - stuck)
        taken, back = p["internalization"] * bound, p["release"] * inside
        holds = on_amd * amd / volume * receptor - p["amd3100_dissociation"] * held
        return [
            back - binds - sticks,
            binds - taken,
            taken - back,
            sticks,
            -holds,
            holds,
        ]

    options = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-19}
    before = solve_ivp(change, (0.0, 0.5), [0, 0, 0, 0, 200.0 * volume, 0], **options)
    start = before.y[:, -1] + np.array([1.0 * volume, 0, 0, 0, 0, 0])
    after = solve_ivp(change, (0.5, 2.5), start, t_eval=times, **options)
    names = ("medium", "surface", "internalized", "nonspecific")
    for name, expected in zip(names, after.y, strict=False):
        np.testing.assert_allclose(found.observables[name], expected, rtol=1e-7)
    blocked = after.y[5] / sites
    np.testing.assert_allclose(found.observables["blocked"], blocked, rtol=1e-7)
    washed = after.y[1] * math.exp(-p["dissociation_on_ice"] * 0.1)
    left = washed + after.y[2] + after.y[3] + p["carried_over"] * after.y[0]
    np.testing.assert_allclose(found.observables["pellet"], left, rtol=1e-7)


def test_ligand_and_receptors_are_conserved() -> None:
    parameters = typical(binding_assay.values())
    times = np.array([0.5, 1.0, 5.0, 24.0])
    found = shown(parameters, binding_assay.schedule(1.0, 1e5), times)
    a = found.amounts
    tracer = a["free"] + a["bound"] + a["inside"] + a["stuck"]
    np.testing.assert_allclose(tracer, 1.0 * TUBE_L, rtol=1e-12)
    np.testing.assert_allclose(a["blocker"] + a["blocking"], 1e5 * TUBE_L, rtol=1e-12)
    sites = parameters["cells"] * parameters["receptors_per_cell"]
    sites /= parameters["molecules_per_nmol"]
    total = a["receptor"] + a["bound"] + a["blocking"]
    np.testing.assert_allclose(total, sites, rtol=1e-9)


def test_100_umol_per_L_of_amd3100_leave_the_unspecific_part() -> None:
    parameters = typical(binding_assay.values()) | {"carried_over": 0.0}
    tubes = binding_assay.competition(parameters, np.array([1e5]), incubation_h=1.0)
    unspecific = parameters["nonspecific_ratio"] * TUBE_L * 1.0
    assert tubes.pellet_nmol[0] == pytest.approx(unspecific, rel=0.02)


# ---- what the bench makes of it ----
DOSES = 10.0 ** np.linspace(-1.0, 3.0, 9)


def specific(
    parameters: dict[str, float], hours: float
) -> tuple[np.ndarray, np.ndarray]:
    """Free tracer and what is bound specifically, nmol/L."""
    open_tubes = binding_assay.saturation(parameters, DOSES, incubation_h=hours)
    blocked = binding_assay.saturation(
        parameters, DOSES, incubation_h=hours, amd3100_nmol_per_L=1e7
    )
    bound = (open_tubes.pellet_nmol - blocked.pellet_nmol) / TUBE_L
    return open_tubes.free_nmol_per_L, bound


def test_a_saturation_experiment_gives_back_k_d_and_receptors() -> None:
    parameters = plain(2.0, nonspecific_ratio=0.002)
    free, bound = specific(parameters, EQUILIBRIUM_H)
    fit = fit_saturation(free, bound)
    assert fit.dissociation_constant_nmol_per_L == pytest.approx(K_D, rel=5e-3)
    per_cell = receptors_per_cell(fit.sites_nmol_per_L, parameters["cells"], TUBE_L)
    assert per_cell == pytest.approx(parameters["receptors_per_cell"], rel=5e-3)


def test_added_instead_of_free_tracer_makes_k_d_seem_larger() -> None:
    """Half of the sites are filled at F = K_D, thus where K_D + R / 2 were added."""
    receptor = 20.0
    parameters = plain(receptor)
    half = binding_assay.saturation(
        parameters, np.array([K_D + receptor / 2.0]), incubation_h=EQUILIBRIUM_H
    )
    assert half.pellet_nmol[0] / TUBE_L == pytest.approx(receptor / 2.0, rel=1e-8)
    free, bound = specific(parameters, EQUILIBRIUM_H)
    right = fit_saturation(free, bound).dissociation_constant_nmol_per_L
    wrong = fit_saturation(DOSES, bound).dissociation_constant_nmol_per_L
    assert right == pytest.approx(K_D, rel=5e-3)
    assert wrong > K_D + receptor / 2.0


def test_internalization_makes_the_apparent_k_d_that_of_a_steady_state() -> None:
    """Without release, total bound keeps its K_D but B_max grows by the time inside."""
    hours = 4.0
    parameters = plain(1e-3, internalization=0.12)
    fit = fit_saturation(*specific(parameters, hours))
    apparent = K_D * (K_OFF + 0.12) / K_OFF
    assert fit.dissociation_constant_nmol_per_L == pytest.approx(apparent, rel=0.05)
    # B + N = B (1 + k_int (t - 1/k_obs)) about, of B_max as at the surface.
    assert fit.sites_nmol_per_L == pytest.approx(1e-3 * (1.0 + 0.12 * hours), rel=0.03)


def competition_ic50(
    parameters: dict[str, float], hours: float, tracer: float
) -> float:
    inhibitor = 10.0 ** np.linspace(1.0, 5.0, 9)
    tubes = binding_assay.competition(
        parameters, inhibitor, incubation_h=hours, tracer_nmol_per_L=tracer
    )
    alone = binding_assay.saturation(parameters, np.array([tracer]), incubation_h=hours)
    return ic50_of_curve(inhibitor, tubes.pellet_nmol, float(alone.pellet_nmol[0]))


def test_cheng_prusoff_holds_where_nothing_is_used_up() -> None:
    tracer = 20.0
    ic50 = competition_ic50(plain(1e-3), EQUILIBRIUM_H, tracer)
    assert ic50 == pytest.approx(K_I * (1.0 + tracer / K_D), rel=5e-3)
    assert cheng_prusoff(ic50, tracer, K_D) == pytest.approx(K_I, rel=5e-3)


def test_with_depletion_cheng_prusoff_fails_and_the_exact_constant_does_not() -> None:
    tracer, receptor = 1.0, 40.0
    ic50 = competition_ic50(plain(receptor), EQUILIBRIUM_H, tracer)
    exact = inhibition_constant(ic50, tracer, receptor, K_D)
    assert exact == pytest.approx(K_I, rel=5e-3)
    assert cheng_prusoff(ic50, tracer, K_D) > 2.0 * K_I


@pytest.mark.parametrize(("tracer", "receptor"), [(1.0, 40.0), (30.0, 5.0)])
def test_the_exact_constant_is_that_of_munson_and_rodbard(
    tracer: float, receptor: float
) -> None:
    """As printed, with y = B_0 / F_0 of the tracer."""
    half = 0.5 * float(equilibrium_with_depletion(tracer, receptor, K_D))
    ic50 = root(lambda i: wang(tracer, receptor, K_D, i, K_I) - half, 1.0, 1e5)
    y = 2.0 * half / (tracer - 2.0 * half)
    divisor = 1.0 + tracer * (y + 2.0) / (2.0 * K_D * (y + 1.0)) + y
    published = ic50 / divisor - K_D * y / (y + 2.0)
    assert published == pytest.approx(K_I, rel=1e-6)
    found = inhibition_constant(ic50, tracer, receptor, K_D)
    assert found == pytest.approx(published, rel=1e-6)


def test_half_an_hour_is_too_short_for_a_slow_competitor() -> None:
    """1 - exp(-k_off (1 + I / K_i) t) of its equilibrium: its IC50 seems higher."""
    slow = plain(0.12, amd3100_dissociation=0.1)
    dose = 300.0
    plan = binding_assay.schedule(1e-9, dose)
    found = shown(slow, plan, np.array([0.5]), "ligand").observables["blocked"][0]
    filled = -math.expm1(-0.1 * (1.0 + dose / K_I) * 0.5)
    # 0.12 nmol/L of receptor take up to 0.04 % of what was added.
    assert found == pytest.approx(dose / (dose + K_I) * filled, rel=5e-4)
    early, late = (competition_ic50(slow, hours, 1.0) for hours in (0.2, 100.0))
    assert early > 5.0 * late
    assert late == pytest.approx(K_I * 1.1, rel=0.03)


# ---- counts ----
def test_counts_of_the_model_give_back_the_activity_of_the_pellet() -> None:
    parameters = typical(binding_assay.values())
    plan, times = binding_assay.schedule(), np.array([1.0])
    pellet = shown(parameters, plan, times, "Ga-68").observables
    activity = activity_of_counts(
        pellet["counts"],
        "Ga-68",
        count_time_h=parameters["count_time"],
        efficiency=parameters["efficiency"],
        background_per_h=parameters["background"],
        delay_h=parameters["wash_time"] + parameters["counting_delay"],
    )
    np.testing.assert_allclose(activity, pellet["pellet"], rtol=1e-12)
    # The protocol's own numbers, by hand: 1e6 cpm are 28.7 kBq of 0.55 pmol.
    whole = plan.administrations[0]
    assert whole.activity_MBq == pytest.approx(0.0287, rel=0.01)
    assert whole.ligand_nmol == pytest.approx(5.5e-4)
    left = pellet["pellet"][0] * math.exp(-math.log(2) / (67.71 / 60) * 0.35)
    decays = left * 1e6 * 60.0 * 0.58
    counted = pellet["counts"][0] - 50.0
    assert counted == pytest.approx(decays, rel=0.006)  # decay within the minute


def test_percent_bound_is_corrected_for_decay() -> None:
    parameters, times = typical(binding_assay.values()), np.array([2.0])
    plan = binding_assay.schedule()
    of_label = shown(parameters, plan, times, "Ga-68").observables["percent_bound"]
    moles = shown(parameters, plan, times).observables["pellet"]
    np.testing.assert_allclose(of_label, 100.0 * moles / (1.0 * TUBE_L), rtol=1e-9)


def test_internalized_fraction_is_what_an_acid_wash_leaves() -> None:
    parameters, times = typical(binding_assay.values()), np.array([0.25, 1.0, 4.0])
    found = shown(parameters, binding_assay.schedule(), times).observables
    kept = found["surface"] * math.exp(-0.3 * 0.1)
    expected = internalized_fraction(kept, found["internalized"])
    np.testing.assert_allclose(found["internalized_fraction"], expected, rtol=1e-9)
    assert np.all(np.diff(expected) > 0.0)


# ---- flow cytometry ----
def test_receptor_ratio_is_welchs_of_the_logarithms() -> None:
    """Against the textbook formulas on numbers by hand, and its own coverage."""
    rng = np.random.default_rng(11)
    truth, covered = 0.4, 0
    for _ in range(1000):
        before = 800.0 * np.exp(0.12 * rng.standard_normal(3)) + 50.0
        after = truth * 800.0 * np.exp(0.05 * rng.standard_normal(4)) + 50.0
        found = receptor_ratio(before, after, np.array([50.0]), np.array([50.0]))
        low, high = found.interval
        covered += low <= truth <= high
    # Binomial, 1000 at 95 %: 0.93 to 0.97 is three sd.
    assert 930 <= covered <= 970


def test_prior_of_a_receptor_ratio_has_the_interval_of_the_replicates() -> None:
    found = receptor_ratio([100, 120], [50, 65], [10], [12])
    prior = found.prior("made up")
    assert isinstance(prior, Prior)
    reach = math.exp(1.959964 * prior.parameters["log_sd"])
    assert found.interval[1] / found.factor == pytest.approx(reach, rel=1e-6)
    isotypes = math.log((50 - 12) * (65 - 12) / ((100 - 10) * (120 - 10))) / 2
    assert found.factor == pytest.approx(math.exp(isotypes))


# ---- what is refused ----
@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (
            lambda: receptor_ratio([100, 120], [9, 8], [10], [10]),
            InputError,
            "not above the isotype",
        ),
        (
            lambda: receptor_ratio([100], [90, 80], [10], [10]),
            InputError,
            "two replicates at least",
        ),
        (
            lambda: fit_saturation(
                np.array([0.1, 0.2, 0.3]), np.array([1e-4, 2e-4, 3e-4])
            ),
            SolveError,
            "does not bend",
        ),
        (
            lambda: ic50_of_curve(np.array([1.0, 10.0]), np.array([0.9, 0.8]), 1.0),
            InputError,
            "spans the IC50",
        ),
        (
            lambda: inhibition_constant(1.0, 1.0, 40.0, 10.0),
            InputError,
            "check the receptors",
        ),
        (
            lambda: internalized_fraction(np.array([-1.0]), np.array([1.0])),
            InputError,
            "less than the blocked",
        ),
        (lambda: receptors_per_cell(0.1, 0.0, TUBE_L), InputError, r"cells is 0\.0"),
        (
            lambda: activity_of_counts(
                1.0, "Ga-68", count_time_h=0.0, efficiency=0.5, background_per_h=0.0
            ),
            InputError,
            "count_time_h is 0.0",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    wrong: Callable[[], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        wrong()


# For each calculation, arguments that are sound, and those that may be 0.
SOUND: dict[Callable[..., object], tuple[dict[str, float], set[str]]] = {
    cheng_prusoff: (
        {"ic50": 330.0, "free_ligand": 1.0, "dissociation_constant": K_D},
        {"free_ligand"},
    ),
    inhibition_constant: (
        {"ic50": 330.0, "ligand": 1.0, "receptor": 0.12, "dissociation_constant": K_D},
        set(),
    ),
    receptors_per_cell: (
        {"sites_nmol_per_L": 0.12, "cells": 4e5, "volume_L": TUBE_L},
        {"sites_nmol_per_L"},
    ),
    equilibrium_with_depletion: (
        {"ligand": 1.0, "receptor": 0.12, "dissociation_constant": K_D},
        {"ligand", "receptor"},
    ),
    competitive_equilibrium: (
        {
            "ligand": 1.0,
            "receptor": 0.12,
            "dissociation_constant": K_D,
            "competitor": 100.0,
            "competitor_constant": K_I,
        },
        {"ligand", "receptor", "competitor"},
    ),
}


@pytest.mark.parametrize("value", [-1.0, 0.0, math.nan, math.inf])
@pytest.mark.parametrize("calculate", SOUND, ids=lambda f: f.__name__)
def test_each_number_out_of_its_range_is_refused_by_name(
    calculate: Callable[..., object], value: float
) -> None:
    sound, may_be_0 = SOUND[calculate]
    calculate(**sound)
    for name in sound:
        given = {**sound, name: value}
        if value == 0.0 and name in may_be_0:
            assert np.isfinite(np.asarray(calculate(**given), float)).all()
            continue
        with pytest.raises(InputError, match=f"^{name} is "):
            calculate(**given)


def test_two_tubes_tell_nothing_of_errors_and_are_refused() -> None:
    free = np.array([5.0, 50.0])
    with pytest.raises(InputError, match="3 tubes at least"):
        fit_saturation(free, 0.12 * free / (K_D + free))


def test_errors_of_a_saturation_fit_are_those_of_linear_regression() -> None:
    """For small errors, ln B is linear in ln K and in ln B_max.

    ln B = b - ln(1 + K / F): its slope by ln K is -K / (K + F), that by b is 1.
    """
    free = np.array([1.0, 3.0, 10.0, 30.0, 100.0])
    off = 1e-4 * np.array([1.0, -2.0, 0.5, 1.5, -1.0])
    fit = fit_saturation(free, 0.12 * free / (K_D + free) * np.exp(off))
    x = -K_D / (K_D + free)
    spread = ((x - x.mean()) ** 2).sum()
    slope = ((x - x.mean()) * off).sum() / spread
    left = off - off.mean() - slope * (x - x.mean())
    variance = (left**2).sum() / 3.0
    expected = np.sqrt(variance * np.array([1.0 / spread, (x**2).mean() / spread]))
    np.testing.assert_allclose(fit.log_standard_errors, expected, rtol=1e-3)
    moved = math.log(fit.dissociation_constant_nmol_per_L / K_D)
    assert moved == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("experiment", ["saturation", "competition"])
def test_a_tube_without_a_parameter_is_refused_by_its_name(experiment: str) -> None:
    tubes, added = getattr(binding_assay, experiment), np.array([1.0])
    known = typical(binding_assay.values())
    for name in ("volume", "cells"):
        left = {n: value for n, value in known.items() if n != name}
        with pytest.raises(InputError, match=f"'{name}' has no value"):
            tubes(left, added, incubation_h=1.0)
    with pytest.raises(InputError, match="'volume' has no value"):
        tubes({}, added, incubation_h=1.0)
    with pytest.raises(InputError, match="give one row"):
        tubes(known, np.array([[1.0]]), incubation_h=1.0)
    with pytest.raises(InputError, match="volume_L is -1"):
        tubes({**known, "volume": -1.0}, added, incubation_h=1.0)


def test_a_volume_and_a_concentration_below_0_make_no_amount() -> None:
    with pytest.raises(InputError, match="volume_L is -1"):
        binding_assay.schedule(-1.0, volume_L=-1.0)
