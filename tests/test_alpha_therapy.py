"""Alpha therapy: daughters set free, against Bateman, SciPy and energies by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from reference_tables import rows
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from pkmodels.errors import InputError, ModelError
from pkmodels.models import alpha_therapy
from pkmodels.models.chain_doses import chain_doses, integrate_chain
from pkmodels.schedule import Schedule
from pkmodels.system import assemble
from pkmodels.trajectory import simulate
from pkmodels.values import draw_values, typical

# With `make test` they would take it beyond ten minutes.
pytestmark = [pytest.mark.reference, pytest.mark.slow]

LN2 = math.log(2.0)
FATES = ("Fr-221", "Bi-213", None)
REGIONS = ("plasma", "tumour", "kidneys", "rest")
MASSES_G = {"tumour": 50.0, "kidneys": 310.0, "rest": 7e4, "plasma": 2.9e3}
GIVEN = 8.0
# ICRP 107, written down apart from our table: half-lives in h; MeV of alphas with
# recoil and of electrons.
DECAY = {
    "Ac": LN2 / 240.0,
    "Fr": LN2 / (4.9 / 60.0),
    "Bi": LN2 / (45.59 / 60.0),
    "Tl": LN2 / (2.161 / 60.0),
    "Pb": LN2 / 3.253,
}
AT, PO, TL = 0.99988, 0.9791, 0.0209
ALPHA_MEV = {"Ac": 5.8919, "Fr": 6.4198 + 7.2008, "Bi": 0.1245 + PO * 8.5369}
ELECTRON_MEV = {
    "Ac": 0.02476,
    "Fr": 0.00890 + 0.00008,
    "Bi": 0.44404,
    "Tl": 0.68754,
    "Pb": 0.19744,
}
MEV_G_PER_GY = 0.576784  # Gy g/(MBq h) of 1 MeV, domain.md 3.1
CLOSED = {"reabsorbed_fraction": 1.0, "kidney_release": 0.0}
CLOSED |= {"bismuth_excreted_share": 0.0}
STILL = {"rest_exchange": 0.0, "tumour_exchange": 0.0, "filtration_rate": 0.0}


def patient(**changed: float) -> dict[str, float]:
    return {**typical(alpha_therapy.values()), **changed}


def used(fate: str | None, values: dict[str, float]) -> dict[str, float]:
    return {p.name: values[p.name] for p in alpha_therapy.model(fate).parameters}


def given(label: str = "Ac-225") -> Schedule:
    return alpha_therapy.schedule(label)


def ligand_moves(p: dict[str, float], bound: float) -> np.ndarray:
    """Chances per hour among plasma, interstitium, bound, inside, kidneys, rest."""
    free, k = p["unbound_fraction"] / p["plasma_volume"], np.zeros((6, 6))
    off = p["dissociation"]
    on = off / p["dissociation_constant"] / p["tumour_volume"]
    k[5, 0] = p["rest_exchange"] * free
    k[0, 5] = p["rest_exchange"] / p["rest_volume"]
    k[1, 0] = p["tumour_exchange"] * free
    k[0, 1] = p["tumour_exchange"] / p["tumour_volume"]
    k[2, 1] = on * (p["tumour_receptors"] - bound)
    k[1, 2] = off
    k[3, 2] = p["internalization"]
    k[1, 3] = p["tumour_release"]
    filtered = p["filtration_rate"] * free
    k[4, 0] = filtered * p["reabsorbed_fraction"]
    lost = np.zeros(6)
    lost[0] = filtered - k[4, 0]
    lost[4] = p["kidney_release"]
    return k - np.diag(k.sum(axis=0) + lost)


def free_moves(p: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Those of francium and bismuth: plasma, interstitium, cells, kidneys, rest."""
    fr, bi = np.zeros((5, 5)), np.zeros((5, 5))
    for matrix, name in ((fr, "francium"), (bi, "bismuth")):
        matrix[1, 2] = p["escape_from_cells"]
        matrix[0, 1] = p[f"{name}_escape"]
    fr[0, 3], fr[4, 0] = p["francium_escape"], p["francium_clearance"]
    leaves = LN2 / p["bismuth_plasma_half_time"]
    kidneys = p["bismuth_kidney_fraction"]
    urine = (1.0 - kidneys) * p["bismuth_excreted_share"]
    bi[3, 0], bi[4, 0] = leaves * kidneys, leaves * (1.0 - kidneys - urine)
    lost = np.array([leaves * urine, 0.0, 0.0, 0.0, 0.0])
    return fr - np.diag(fr.sum(axis=0)), bi - np.diag(bi.sum(axis=0) + lost)


# Where a daughter is free that arises in each amount of ligand.
PLACED = np.zeros((5, 6))
PLACED[[0, 1, 1, 2, 3, 4], range(6)] = 1.0
OF_LIGAND = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0]])
OF_LIGAND = np.vstack([OF_LIGAND, [[0, 0, 0, 0, 0, 1]]]).astype(float)
OF_FREE = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]])
OF_FREE = np.vstack([OF_FREE, [[0, 0, 0, 0, 1]]]).astype(float)


def solved(
    p: dict[str, float], francium: float, bismuth: float, times: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return activities by member and region, and energies of alphas and electrons.

    With any probability of release at once: what a decay sets free is split.
    """
    nmol = 75.0 / 1347.3 * 1e3
    fr_moves, bi_moves = free_moves(p)
    on_ligand, free = ("Ac", "Fr", "Bi", "Tl", "Pb"), ("Fr", "Bi", "Tl", "Pb")
    sizes = [6] + [6] * 5 + [5] * 4 + [4, 4]
    cuts = np.cumsum(sizes)[:-1]
    d = DECAY

    def slopes(_: float, y: np.ndarray) -> np.ndarray:
        x, *parts, _alphas, _electrons = np.split(y, cuts)
        with_ligand = dict(zip(on_ligand, parts[:5], strict=True))
        apart = dict(zip(free, parts[5:], strict=True))
        moves = ligand_moves(p, x[2])
        a = {n: moves @ v - d[n] * v for n, v in with_ligand.items()}
        f = {n: bi_moves @ v - d[n] * v for n, v in apart.items()}
        f["Fr"] = fr_moves @ apart["Fr"] - d["Fr"] * apart["Fr"]
        a["Fr"] += d["Fr"] * (1.0 - francium) * with_ligand["Ac"]
        f["Fr"] += d["Fr"] * francium * (PLACED @ with_ligand["Ac"])
        a["Bi"] += d["Bi"] * AT * (1.0 - bismuth) * with_ligand["Fr"]
        f["Bi"] += d["Bi"] * AT * bismuth * (PLACED @ with_ligand["Fr"])
        f["Bi"] += d["Bi"] * AT * apart["Fr"]
        for of, change in ((with_ligand, a), (apart, f)):
            change["Tl"] += d["Tl"] * TL * of["Bi"]
            change["Pb"] += d["Pb"] * (PO * of["Bi"] + of["Tl"])
        regions = {n: OF_LIGAND @ v for n, v in with_ligand.items()}
        for n, v in apart.items():
            regions[n] = regions[n] + OF_FREE @ v
        alphas, electrons = (
            sum(e * regions[n] for n, e in energy.items())
            for energy in (ALPHA_MEV, ELECTRON_MEV)
        )
        change = [moves @ x, *a.values(), *(f[n] for n in free), alphas, electrons]
        return np.concatenate(change)

    start = np.zeros(sum(sizes))
    start[0], start[6] = nmol, GIVEN
    end = 4800.0  # twenty half-lives of Ac-225
    every = np.append(times, end)
    found = solve_ivp(
        slopes, (0.0, end), start, "LSODA", t_eval=every, rtol=1e-9, atol=1e-13
    )
    assert found.success
    curves = np.split(found.y, cuts)
    seen = {
        n: (OF_LIGAND @ c)[:, :-1] for n, c in zip(on_ligand, curves[1:6], strict=True)
    }
    for n, c in zip(free, curves[6:10], strict=True):
        seen[n] = seen[n] + (OF_FREE @ c)[:, :-1]
    return seen, curves[10][:, -1], curves[11][:, -1]


PROBABILITIES = {"Fr-221": (1.0, 0.0), "Bi-213": (0.0, 1.0), None: (0.0, 0.0)}


@pytest.mark.slow
@pytest.mark.parametrize("fate", FATES)
def test_curves_and_doses_are_those_of_another_integrator(fate: str | None) -> None:
    values = patient()
    times = np.array([0.02, 0.2, 2.0, 20.0, 200.0])
    francium, bismuth = PROBABILITIES[fate]
    seen, alphas, electrons = solved(values, francium, bismuth, times)
    system = assemble(alpha_therapy.model(fate), given().form)
    names = {"Ac-225": "Ac", "Fr-221": "Fr", "At-217": "Fr", "Bi-213": "Bi"}
    for name, other in {**names, "Tl-209": "Tl", "Pb-209": "Pb"}.items():
        found = simulate(system, used(fate, values), given(), times, label=name)
        for n, region in enumerate(REGIONS):
            np.testing.assert_allclose(
                found.observables[region], seen[other][n], rtol=2e-6, atol=1e-9
            )
    dose = alpha_therapy.doses(
        values,
        given(),
        MASSES_G,
        francium_release=francium,
        bismuth_release=bismuth,
        rbe_alpha=5.0,
    )
    for n, region in enumerate(REGIONS):
        expected = (5.0 * alphas[n] + electrons[n]) * MEV_G_PER_GY / MASSES_G[region]
        assert dose[region] == pytest.approx(expected, rel=1e-5)


def test_partial_release_is_the_mean_of_the_fates() -> None:
    """Against equations in which each decay splits what it sets free."""
    values = patient()
    _, alphas, electrons = solved(values, 0.6, 0.3, np.zeros(0))
    dose = alpha_therapy.doses(
        values,
        given(),
        MASSES_G,
        francium_release=0.6,
        bismuth_release=0.3,
        rbe_alpha=1.0,
    )
    for n, region in enumerate(REGIONS):
        expected = (alphas[n] + electrons[n]) * MEV_G_PER_GY / MASSES_G[region]
        assert dose[region] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("fate", FATES)
def test_a_body_that_loses_nothing_holds_the_chain_of_bateman(fate: str | None) -> None:
    members = ("Ac", "Fr", "Bi", "Tl", "Pb")
    d = np.array([DECAY[m] for m in members])
    feeds = np.diag(-d)
    feeds[1, 0], feeds[2, 1], feeds[3, 2] = d[1], d[2] * AT, d[3] * TL
    feeds[4, 2], feeds[4, 3] = d[4] * PO, d[4]
    times = np.array([0.05, 0.5, 5.0, 50.0, 500.0])
    expected = np.array([expm(feeds * t)[:, 0] for t in times]) * GIVEN
    values = used(fate, patient(**CLOSED))
    system = assemble(alpha_therapy.model(fate), given().form)
    labels = ("Ac-225", "Fr-221", "Bi-213", "Tl-209", "Pb-209")
    for n, name in enumerate(labels):
        found = simulate(system, values, given(), times, label=name).observables
        inside = sum(found[region] for region in REGIONS)
        np.testing.assert_allclose(inside, expected[:, n], rtol=1e-6)


@pytest.mark.parametrize(
    ("fate", "label"), [*((fate, "Ac-225") for fate in FATES), (None, "Bi-213")]
)
def test_a_body_that_loses_nothing_gets_the_energy_of_the_chain(
    fate: str | None, label: str
) -> None:
    """All the alphas and electrons of each decay, wherever the daughters went."""
    (row,) = [r for r in rows("chain_energies") if r["label"] == label]
    alpha, electron = float(row["alpha_MeV"]), float(row["electron_MeV"])
    half_life = {"Ac-225": 240.0, "Bi-213": 45.59 / 60.0}[label]
    decays = GIVEN * half_life / LN2
    found = alpha_therapy.model(fate)
    drawn = draw_values(alpha_therapy.values(), 1, seed=4)
    one = {**{n: float(x[0]) for n, x in drawn.items()}, **CLOSED}
    for values in (patient(**CLOSED), one):
        integrals = integrate_chain(found, used(fate, values), given(label), REGIONS)
        for rbe in (1.0, 5.0):
            doses = chain_doses(integrals, MASSES_G, rbe_alpha=rbe)
            energy = sum(doses[r] * MASSES_G[r] for r in REGIONS) / MEV_G_PER_GY
            assert energy == pytest.approx(decays * (rbe * alpha + electron), rel=5e-5)


def test_where_nothing_moves_the_dose_is_the_parents_with_the_summed_energy() -> None:
    integrals = integrate_chain(
        alpha_therapy.model(None), used(None, patient(**STILL)), given(), REGIONS
    )
    doses = chain_doses(integrals, MASSES_G, rbe_alpha=5.0)
    parent = GIVEN * 240.0 / LN2 * MEV_G_PER_GY / MASSES_G["plasma"]
    assert doses["plasma"] == pytest.approx(parent * (5.0 * 27.994 + 0.690), rel=5e-5)
    assert doses["tumour"] == doses["kidneys"] == doses["rest"] == 0.0


def test_where_daughters_leave_at_once_their_energy_is_elsewhere() -> None:
    """Ligand that stays in plasma keeps the one alpha of Ac-225; the rest gets all."""
    still = {**STILL, "rest_exchange": 1e-9}  # of a region of 0 there is no tail
    values = patient(**still, francium_clearance=1e7, bismuth_excreted_share=0.0)
    integrals = integrate_chain(
        alpha_therapy.model(), used("Fr-221", values), given(), ("plasma", "rest")
    )
    masses = {region: MASSES_G[region] for region in ("plasma", "rest")}
    energy = {
        region: dose * masses[region] / MEV_G_PER_GY / (GIVEN * 240.0 / LN2)
        for region, dose in chain_doses(integrals, masses, rbe_alpha=1.0).items()
    }
    assert energy["plasma"] == pytest.approx(5.8919 + 0.02476, rel=1e-5)
    expected = 27.994 + 0.690 - 5.8919 - 0.02476
    assert energy["rest"] == pytest.approx(expected, rel=5e-5)


def test_cells_keep_of_a_daughter_what_decays_before_it_escapes() -> None:
    values = used("Bi-213", patient(escape_from_cells=1.3))
    model = alpha_therapy.model("Bi-213")
    by_name = {str(a): a for a in model.amounts}
    observables = {n: by_name[n] for n in ("internalized", "bismuth_cells")}
    model = replace(model, observables=observables)
    found = integrate_chain(model, values, given(), tuple(observables))
    made = AT * found["Fr-221"]["internalized"]
    kept = DECAY["Bi"] / (DECAY["Bi"] + 1.3)
    assert found["Bi-213"]["bismuth_cells"] == pytest.approx(kept * made, rel=1e-6)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match="did you mean 'Fr-221'"):
        alpha_therapy.model("Fr-212")
    with pytest.raises(InputError, match=r"that Bi-213 is set free is 1\.5"):
        alpha_therapy.fates(0.5, 1.5)
    incomplete = patient()
    del incomplete["rest_exchange"]
    said = {"francium_release": 1.0, "bismuth_release": 1.0, "rbe_alpha": 5.0}
    with pytest.raises(InputError, match="parameters without a value: rest_exchange"):
        alpha_therapy.doses(incomplete, given(), MASSES_G, **said)
    with pytest.raises(InputError, match="gives no label"):
        integrate_chain(alpha_therapy.model(), patient(), Schedule(()), REGIONS)
    with pytest.raises(InputError, match="no observable 'kidney'"):
        integrate_chain(alpha_therapy.model(), patient(), given(), ("kidney",))
    with pytest.raises(InputError, match="the mass of 'tumour' is 0"):
        chain_doses({"Bi-213": {"tumour": 1.0}}, {"tumour": 0.0}, rbe_alpha=5.0)
    with pytest.raises(InputError, match="'liver' has a mass, but no integral"):
        chain_doses({"Bi-213": {"tumour": 1.0}}, {"liver": 1.0}, rbe_alpha=5.0)
    with pytest.raises(InputError, match="rbe_alpha is 0"):
        chain_doses({"Bi-213": {"tumour": 1.0}}, {"tumour": 1.0}, rbe_alpha=0.0)
