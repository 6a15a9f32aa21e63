"""The xenograft against published uptakes, closed forms and a second integrator."""

import math
from typing import Any

import numpy as np
import pytest
from reference_tables import rows
from scipy.integrate import simpson, solve_ivp

from pkmodels.errors import InputError
from pkmodels.frames import frame_means
from pkmodels.models import xenograft
from pkmodels.populations import gather_sets, simulate_sets
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import Trajectory, simulate
from pkmodels.values import draw_values, typical

HALF_HOUR = 0.5
GA68_PER_H = math.log(2.0) / (67.71 / 60.0)


def shown(
    times: Any,
    given: Schedule | None = None,
    label: str = "Ga-68",
    tumour: str = "OH-1",
    **others: float,
) -> Trajectory:
    """Curves at the prior medians, some values exchanged."""
    plan = xenograft.schedule() if given is None else given
    system = assemble(xenograft.model(), plan.form)
    values = typical(xenograft.values(tumour=tumour)) | others
    return simulate(system, values, plan, np.asarray(times, float), label=label)


# ---- what was published; the values are tuned to it ----
@pytest.mark.reference
@pytest.mark.parametrize(
    "row", rows("xenograft_uptake"), ids=lambda r: f"{r['tumour']}-{r['organ']}"
)
def test_uptakes_at_the_medians_are_within_the_published_spread(
    row: dict[str, str],
) -> None:
    found = shown([float(row["time_h"])], tumour=row["tumour"]).observables
    uptake = float(found[f"{row['organ']}_percent_per_gram"][0])
    assert uptake == pytest.approx(float(row["mean"]), abs=float(row["sd"]))


@pytest.mark.slow
@pytest.mark.reference
def test_published_uptakes_are_no_surprise_to_the_priors() -> None:
    """The mean of each lies within the central 95 % of 200 virtual mice."""
    plan = xenograft.schedule()
    system = assemble(xenograft.model(), plan.form)
    for tumour in ("OH-1", "Daudi"):
        drawn = draw_values(xenograft.values(tumour=tumour), 200, seed=3)
        times = np.array([1.0, 1.5, 2.0])
        sets = gather_sets(simulate_sets(system, drawn, plan, times))
        assert not sets.failures
        for row in rows("xenograft_uptake"):
            if row["tumour"] == tumour:
                curves = sets.observables[f"{row['organ']}_percent_per_gram"]
                at = curves[:, times == float(row["time_h"])]
                low, high = np.quantile(at, [0.025, 0.975])
                assert low < float(row["mean"]) < high


@pytest.mark.parametrize("tumour", ["OH-1", "Daudi"])
def test_tumour_is_flat_after_25_min_while_kidneys_and_liver_fall(tumour: str) -> None:
    minutes = np.array([5.0, 15.0, 25.0, 35.0, 45.0, 60.0])
    found = shown(minutes / 60.0, tumour=tumour).observables
    curve = found["tumour_percent_per_gram"]
    assert np.all(np.diff(curve[:3]) > 0.03 * curve[2])
    np.testing.assert_allclose(curve[2:], curve[-1], rtol=0.1)
    for organ in ("kidneys", "liver"):
        falling = found[f"{organ}_percent_per_gram"][2:]
        assert np.all(np.diff(falling) < 0.0)
        assert falling[-1] < 0.6 * falling[0]


def test_only_receptors_hold_the_tracer_in_the_tumour() -> None:
    """Blocked, the tumour follows its interstitium, as muscle does."""
    block = xenograft.schedule("intravenous", amd3100_mg_per_kg=1e4)
    start = xenograft.tracer_time(block)
    found = shown(np.array([0.5, 1.0, 1.5]) + start, block).observables
    bare = shown([0.5, 1.0, 1.5], receptor_density=0.0).observables
    np.testing.assert_allclose(
        found["tumour_percent_per_gram"], bare["tumour_percent_per_gram"], rtol=0.01
    )
    assert np.all(found["blocked"] > 0.999)


# ---- the equations, written anew ----
@pytest.mark.parametrize("block", ["subcutaneous", "co-injected"])
def test_curves_agree_with_the_equations_solved_anew(block: str) -> None:
    drawn = draw_values(xenograft.values(tumour="Daudi"), 1, seed=8)
    p = {name: float(value[0]) for name, value in drawn.items()}
    plan = xenograft.schedule(block)
    given = xenograft.tracer_time(plan)
    after = np.array([0.2, 1.0, 4.0])
    organs = ("muscle", "rest", "liver", "intestine")
    litres = {o: p[f"{o}_mass"] / 1000.0 for o in (*organs, "tumour", "kidneys")}
    interstitium = p["tumour_space"] * litres["tumour"]
    sites = p["receptor_density"] * litres["tumour"]
    on = p["dissociation"] / p["dissociation_constant"]
    amd_on = p["amd3100_dissociation"] / p["amd3100_dissociation_constant"]

    def change(_: float, y: np.ndarray) -> np.ndarray:
        plasma, free, bound, inside, *tissue, content, kidneys, bladder = y[:11]
        skin, amd, spread, reached, held = y[11:]
        concentration = p["unbound_fraction"] * plasma / p["plasma_volume"]
        amd_c = amd / p["plasma_volume"]
        receptor = sites - bound - held
        perm = p["tumour_permeability"] * litres["tumour"]
        enters = perm * (concentration - free / interstitium)
        binds = on * free / interstitium * receptor - p["dissociation"] * bound
        taken, back = p["internalization"] * bound, p["release"] * inside
        flows = [
            p[f"{o}_permeability"]
            * litres[o]
            * (concentration - x / (p[f"{o}_space"] * litres[o]))
            for o, x in zip(organs, tissue, strict=True)
        ]
        filtered = p["glomerular_filtration"] * concentration
        bile = p["bile"] * tissue[2]
        washed = p["kidney_washout"] * kidneys
        kept = p["kidney_retained"] * filtered
        tissues = [*flows]
        tissues[2] -= bile
        absorbed = p["amd3100_absorption"] * skin
        volume = p["amd3100_tissue_volume"]
        spreads = p["amd3100_spreading"] * volume * (amd_c - spread / volume)
        amd_perm = p["amd3100_permeability_ratio"] * perm
        amd_free = p["amd3100_unbound_fraction"] * amd_c
        amd_in = amd_perm * (amd_free - reached / interstitium)
        amd_binds = amd_on * reached / interstitium * receptor
        amd_binds -= p["amd3100_dissociation"] * held
        amd_lost = p["glomerular_filtration"] * amd_free
        return np.array(
            [
                -enters - sum(flows) - filtered,
                enters - binds + back,
                binds - taken,
                taken - back,
                *tissues,
                bile - p["passage"] * content,
                kept - washed,
                filtered - kept + washed - p["voiding"] * bladder,
                -absorbed,
                absorbed - spreads - amd_in - amd_lost,
                spreads,
                amd_in - amd_binds,
                amd_binds,
            ]
        )

    options: dict[str, Any] = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-16}
    state = np.zeros(16)
    # 2 mg/kg of 20 g over 502.8 g/mol.
    state[11 if block == "subcutaneous" else 12] = 2.0 * 20.0 / 502.8 * 1e3
    if given > 0.0:
        state = solve_ivp(change, (0.0, given), state, **options).y[:, -1]
    state[0] += 0.06
    solved = solve_ivp(change, (0.0, after[-1]), state, t_eval=after, **options).y
    system = assemble(xenograft.model(), plan.form)
    found = simulate(system, p, plan, given + after, label="ligand")
    names = (
        "plasma tumour_free tumour_bound tumour_inside muscle rest liver "
        "intestine_wall intestine_content kidneys bladder amd3100_skin amd3100_plasma "
        "amd3100_tissue amd3100_tumour amd3100_bound"
    ).split()
    for name, expected in zip(names, solved, strict=True):
        # Nothing lies under the skin, and no state does, where none is given there.
        curve = found.amounts.get(name, np.zeros(3))
        np.testing.assert_allclose(curve, expected, rtol=1e-6, atol=1e-14, err_msg=name)
    assert ("amd3100_skin" in found.amounts) == (block == "subcutaneous")
    # %ID/g by hand, of activity at the time, corrected for decay since the injection.
    blood = solved[0] / p["plasma_volume"] * (1.0 - 0.45)
    tumour = solved[1:4].sum(axis=0)
    tumour = tumour + blood * p["tumour_blood"] * litres["tumour"]
    per_gram = 100.0 * tumour / 0.06 / 0.25
    read = simulate(system, p, plan, given + after, label="Ga-68").observables
    np.testing.assert_allclose(read["tumour_percent_per_gram"], per_gram, rtol=1e-6)
    activity = 2.5 * tumour / 0.06 * np.exp(-GA68_PER_H * after)
    np.testing.assert_allclose(read["tumour"], activity, rtol=1e-6)


def test_what_nothing_leaves_is_conserved() -> None:
    plan = xenograft.schedule("subcutaneous")
    found = shown(
        [0.5, 1.0, 24.0],
        plan,
        "ligand",
        voiding=0.0,
        passage=0.0,
        amd3100_unbound_fraction=1e-12,
    ).amounts
    of_blocker = {name for name in found if name.startswith("amd3100")}
    tracer = set(found) - of_blocker - {"receptor"}
    np.testing.assert_allclose(sum(found[n] for n in tracer), 0.06, rtol=1e-9)
    blocker = sum(found[n] for n in of_blocker)
    np.testing.assert_allclose(blocker, 79.554, rtol=1e-4)
    sites = found["receptor"] + found["tumour_bound"] + found["amd3100_bound"]
    np.testing.assert_allclose(sites, 34.0 * 0.25e-3, rtol=1e-9)


# ---- closed forms ----
def test_amd3100_under_the_skin_follows_bateman() -> None:
    """Absorbed and filtered, when it spreads nowhere else."""
    plan, times = xenograft.schedule("subcutaneous"), np.array([0.1, 0.5, 1.0, 2.0])
    alone = {"amd3100_spreading": 0.0, "amd3100_permeability_ratio": 0.0}
    plasma = shown(times, plan, "ligand", "OH-1", **alone).amounts["amd3100_plasma"]
    ka, k = 4.0, 0.28e-3 * 60.0 * 0.42 / 1e-3
    dose = 2.0 * 20.0 / 502.8 * 1e3
    expected = dose * ka / (ka - k) * (np.exp(-k * times) - np.exp(-ka * times))
    np.testing.assert_allclose(plasma, expected, rtol=1e-9)


def test_at_rest_every_interstitium_is_at_the_free_concentration_of_plasma() -> None:
    """Nothing excreted: A = f_u P / V_P over all spaces, and binding at K_D."""
    found = shown(
        [2000.0],
        None,
        "ligand",
        glomerular_filtration=0.0,
        bile=0.0,
        internalization=0.0,
    ).amounts
    p = typical(xenograft.values())
    free = 0.53 * found["plasma"][0] / 1e-3
    for organ in ("muscle", "rest", "liver"):
        litres = p[f"{organ}_space"] * p[f"{organ}_mass"] / 1000.0
        assert found[organ][0] / litres == pytest.approx(free, rel=1e-8)
    assert found["tumour_bound"][0] == pytest.approx(
        34.0 * 0.25e-3 * free / (10.0 + free), rel=1e-8
    )


def test_a_trace_is_linear_and_a_mass_is_not() -> None:
    def uptake(nmol: float) -> float:
        (scan,) = xenograft.schedule().administrations
        plan = Schedule((type(scan)(0.0, 0.0, "pentixafor", ligand_nmol=nmol),))
        found = shown([1.0], plan, "ligand").amounts
        inside = ("tumour_free", "tumour_bound", "tumour_inside")
        return sum(float(found[name][0]) for name in inside) / nmol

    assert uptake(1e-6) == pytest.approx(uptake(2e-6), rel=1e-5)
    assert uptake(0.06) < 0.98 * uptake(1e-6)
    assert uptake(100.0) < 0.3 * uptake(1e-6)


def test_fdg_in_the_tumour_is_the_two_tissue_model_convolved() -> None:
    """K_1 / (k_2 + k_3) (k_3 + k_2 exp(-(k_2 + k_3) t)), with plasma exp(-k t)."""
    plan = xenograft.schedule(tracer="fdg")
    system = assemble(xenograft.model("fdg"), plan.form)
    tiny = {"tumour_mass": 1e-9, "muscle_mass": 1e-9, "rest_mass": 1e-9}
    values = typical(xenograft.values("fdg")) | tiny
    times = np.array([0.25, 1.0, 3.0])
    found = simulate(system, values, plan, times, label="ligand").amounts
    k1, k3 = 12.0, 4.0
    k2, k = k1 / 0.6, values["urinary_clearance"] / 1e-3
    s = k2 + k3
    trapped = k3 / k * -np.expm1(-k * times)
    passing = k2 / (s - k) * (np.exp(-k * times) - np.exp(-s * times))
    expected = 0.1 / 1e-3 * 1e-12 * k1 / s * (trapped + passing)
    total = found["tumour_free"] + found["tumour_trapped"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


# ---- readings ----
def test_a_static_frame_is_the_mean_over_it_and_tbr_the_ratio_of_means() -> None:
    plan = xenograft.schedule()
    system = assemble(xenograft.model(), plan.form)
    values = typical(xenograft.values())
    frame = np.array([[1.0, 1.25]])
    scan = frame_means(system, values, plan, frame).observables
    times = np.linspace(1.0, 1.25, 51)
    curves = shown(times).observables
    mean = {o: simpson(curves[o], x=times) / 0.25 for o in ("tumour", "muscle")}
    assert scan["tumour"][0] == pytest.approx(mean["tumour"], rel=1e-7)
    ratio = mean["tumour"] / 0.25 / (mean["muscle"] / 10.0)
    assert scan["tumour_to_background"][0] == pytest.approx(ratio, rel=1e-7)


def test_routes_and_doses_of_the_block() -> None:
    rat = xenograft.schedule("co-injected", animal="rat").administrations[0]
    assert rat.ligand_nmol == pytest.approx(30.0 * 250.0 / 502.8 * 1e3)
    blocked = []
    for block in ("intravenous", "subcutaneous", "co-injected"):
        plan = xenograft.schedule(block)
        time = xenograft.tracer_time(plan) + 1.0
        blocked.append(float(shown([time], plan).observables["blocked"][0]))
    # Half an hour under the skin costs part of the block, 1 min before costs nothing.
    assert blocked[1] < blocked[0] == pytest.approx(blocked[2], abs=0.01)
    assert xenograft.tracer_time(xenograft.schedule("subcutaneous")) == HALF_HOUR


@pytest.mark.parametrize("animal", ["mouse", "rat"])
@pytest.mark.parametrize("tracer", xenograft.TRACERS)
def test_every_parameter_has_a_value(tracer: str, animal: str) -> None:
    model = xenograft.model(tracer)
    known = xenograft.values(tracer, "Daudi", animal)
    assert {p.name for p in model.parameters} == set(known)
    assert all(known[p.name].unit == p.unit for p in model.parameters)
    assert all(number > 0.0 for number in typical(known).values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"tracer": "pentixafr"}, "did you mean 'pentixafor'"),
        ({"tumour": "OH1"}, "did you mean 'OH-1'"),
        ({"animal": "rats"}, "did you mean 'rat'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(
    arguments: dict[str, str], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        xenograft.values(**arguments)


def test_fdg_is_not_blocked() -> None:
    with pytest.raises(InputError, match="no receptor to block"):
        xenograft.schedule("intravenous", tracer="fdg")
    with pytest.raises(InputError, match="no block 'sub'"):
        xenograft.schedule("sub")


@pytest.mark.parametrize("tracer", xenograft.TRACERS)
def test_a_dose_of_amd3100_without_a_block_is_refused(tracer: str) -> None:
    with pytest.raises(InputError, match=r"name the block, .* or leave the dose out"):
        xenograft.schedule(None, amd3100_mg_per_kg=5.0, tracer=tracer)
    blocked = xenograft.schedule("intravenous", amd3100_mg_per_kg=5.0)
    given = blocked.administrations[0].ligand_nmol
    assert given == pytest.approx(5.0 * 20.0 / 502.8 * 1e3)
