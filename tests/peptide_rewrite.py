"""Two whole-body peptide models written anew from the papers' equations, with scipy.

It imports nothing of pkmodels. Minutes, litres and nmol of all peptide, labelled or
not, as the papers have them, and free receptors as R0 less what is bound.

Sources: Kletting et al., J Nucl Med 2016;57:503-508, and Budiansah et al., EJNMMI Phys
2025;12:26 (DOTATATE); Golzaryan et al., Sci Rep 2025, doi 10.1038/s41598-025-86159-9,
supplement, tables S1-S6 (PSMA I&T).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import solve_ivp

FLOW_SHARES = dict(
    liver=0.065, spleen=0.03, kidneys=0.19, muscle=0.17, gut=0.16, skin=0.05,
    adipose=0.05, red_marrow=0.03, bone=0.05, heart=0.04, brain=0.12,
)  # fmt: skip
PLASMA_SHARES = dict(
    lungs=0.105, muscle=0.14, gut=0.076, skin=0.03, adipose=0.05, red_marrow=0.04,
    bone=0.03, heart=0.01, brain=0.012,
)  # fmt: skip
ALPHA = dict(
    lungs=5.5, muscle=5.9, gut=8.8, skin=8.9, adipose=15.5, red_marrow=3.7, bone=9.3,
    heart=3.7, rest=3.7,
)  # fmt: skip
LITRES_AT_71_KG = dict(
    lungs=1.0, muscle=30.078, gut=1.142, skin=3.408, adipose=13.465, red_marrow=1.1,
    bone=9.065, heart=0.341, brain=1.45,
)  # fmt: skip


@dataclass(frozen=True)
class Tissue:
    """An organ by shares of itself: litres, plasma L/min, PS in mL/(min g)."""

    volume: float
    vascular: float
    interstitial: float
    flow: float
    permeability: float
    lesion: bool = False


@dataclass(frozen=True)
class Case:
    """A patient of 71 kg: sex, m2, L/min, and organs that are no share of plasma."""

    female: bool
    bsa: float
    gfr: float
    tissues: dict[str, Tissue]  # liver, spleen, kidneys and the like; flow 0: a share
    alpha: dict[str, float]
    litres: dict[str, float]
    fast: tuple[str, ...]  # besides lungs, of PS 2 mL/(min g)


@dataclass(frozen=True)
class Peptide:
    """Per-minute constants; `density` is nM of receptor by organ."""

    k_on: float
    k_off: float
    k_protein: float
    k_int: dict[str, float]
    k_deg: dict[str, float]
    density: dict[str, float]
    excreted: float
    sieving: float = 0.66


class Body:
    """Places, volumes and equations of one patient."""

    def __init__(self, case: Case, peptide: Peptide) -> None:
        """Lay out the organs and their volumes."""
        self.case, self.peptide = case, peptide
        blood = (2.4 * 0.60 if case.female else 2.8 * 0.55) * case.bsa
        self.plasma, output = blood, 1.23 * blood
        self.arterial, self.venous = 0.105 * blood, 0.225 * blood
        V = dict(case.litres)
        Vv = {n: share * blood for n, share in PLASMA_SHARES.items()}
        Vs = {n: case.alpha[n] * Vv[n] for n in case.alpha if n in Vv}
        Q = {n: share * output for n, share in FLOW_SHARES.items()}
        k = dict.fromkeys(V, 0.02) | dict.fromkeys(("lungs", *case.fast), 2.0)
        for n, t in case.tissues.items():
            V[n], Vv[n], Vs[n] = t.volume, t.vascular * t.volume, 0.0
            Vs[n], k[n] = t.interstitial * t.volume, t.permeability
            if t.flow:
                Q[n] = t.flow * t.volume
        own = [n for n in V if n not in case.tissues or not case.tissues[n].lesion]
        V["rest"] = 71.0 - sum(V[n] for n in own)
        Vv["rest"] = blood - self.arterial - self.venous - sum(Vv[n] for n in own)
        Vs["rest"], k["rest"] = case.alpha["rest"] * Vv["rest"], 0.02
        Q["rest"] = output - sum(Q[n] for n in own if n in Q)
        self.V, self.Vv, self.Vs, self.Q = V, Vv, Vs, Q
        self.PS = {n: k[n] * V[n] for n in V if n not in ("kidneys", "brain")}
        self.total_flow = sum(Q.values())
        self.R0 = {n: r * V[n] for n, r in peptide.density.items() if n in V}
        names = ["A", "Vein", "P", "tubule", "urine", "degraded"]
        for n in V:
            names += [f"v_{n}", f"s_{n}"]
            if n in self.R0:
                names += [f"B_{n}", f"N_{n}"]
        self.i = {n: place for place, n in enumerate(names)}

    def rates(self, x: np.ndarray, inflow: float) -> np.ndarray:
        """Return dx/dt."""
        i, pep, d = self.i, self.peptide, np.zeros_like(x)
        cA, cV = x[i["A"]] / self.arterial, x[i["Vein"]] / self.venous
        c = {n: x[i[f"v_{n}"]] / self.Vv[n] for n in self.V}
        d[i["A"]] = self.total_flow * (c["lungs"] - cA)
        d[i["v_lungs"]] = self.total_flow * (cV - c["lungs"])
        d[i["Vein"]] = inflow - self.total_flow * cV - pep.k_protein * x[i["Vein"]]
        d[i["P"]] = pep.k_protein * x[i["Vein"]]
        for n, q in self.Q.items():
            d[i[f"v_{n}"]] += q * cA
            portal = n in ("spleen", "gut")
            if n == "liver":
                q = q + self.Q["spleen"] + self.Q["gut"]
            d[i["v_liver" if portal else "Vein"]] += q * c[n]
            d[i[f"v_{n}"]] -= q * c[n]
        for n, ps in self.PS.items():
            net = ps * (c[n] - x[i[f"s_{n}"]] / self.Vs[n])
            d[i[f"v_{n}"]] -= net
            d[i[f"s_{n}"]] += net
        self._kidneys(x, d, c["kidneys"])
        for n, r0 in self.R0.items():
            B, N, s = i[f"B_{n}"], i[f"N_{n}"], i[f"s_{n}"]
            kind = n if n in pep.k_deg or n in pep.k_int else "normal"
            if n in self.case.tissues and self.case.tissues[n].lesion:
                kind = "lesion"
            k_int = pep.k_int.get(kind, pep.k_int["normal"])
            k_deg = pep.k_deg.get(kind, pep.k_deg["normal"])
            on = pep.k_on * x[s] / self.Vs[n] * (r0 - x[B])
            d[s] += pep.k_off * x[B] - on
            d[B] += on - (pep.k_off + k_int) * x[B]
            d[N] += k_int * x[B] - k_deg * x[N]
            d[i["degraded"]] += k_deg * x[N]
        return d

    def _kidneys(self, x: np.ndarray, d: np.ndarray, cv: float) -> None:
        i, V, Vv, Vs = self.i, self.V["kidneys"], self.Vv["kidneys"], self.Vs["kidneys"]
        fil = self.case.gfr * self.peptide.sieving
        out = self.peptide.excreted * fil
        back = fil - out
        cs, cI = x[i["s_kidneys"]] / Vs, x[i["tubule"]] / ((V - Vs - Vv) * 2 / 3)
        d[i["v_kidneys"]] += -fil * cv + back * cI
        d[i["s_kidneys"]] += fil * (cv - cs)
        d[i["tubule"]] += back * (cs - cI)
        d[i["urine"]] += out * cs

    def solve(self, nmol: float, minutes: float, times: np.ndarray) -> np.ndarray:
        """Return amounts (n_times, n_states), nmol, at times after the infusion."""
        state, states = np.zeros(len(self.i)), []
        for start, end, inflow, wanted in (
            (0.0, minutes, nmol / minutes, [minutes]),
            (minutes, times[-1], 0.0, times),
        ):
            found = solve_ivp(
                lambda _, y, r=inflow: self.rates(y, r),
                (start, end),
                state,
                t_eval=wanted,
                method="LSODA",
                rtol=1e-7,
                atol=1e-10,
            )
            states, state = found.y.T, found.y[:, -1]
        return states

    def read(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return serum per litre, whole body and organs."""
        i = self.i
        blood = x[:, i["A"]] + x[:, i["Vein"]] + x[:, i["P"]]
        vascular = sum(x[:, i[f"v_{n}"]] for n in self.V)
        out = {"serum": (blood + vascular) / self.plasma}
        out["whole_body"] = x.sum(axis=1) - x[:, i["urine"]] - x[:, i["degraded"]]
        for n in self.V:
            parts = [i[k] for k in (f"v_{n}", f"s_{n}", f"B_{n}", f"N_{n}") if k in i]
            out[n] = x[:, parts].sum(axis=1)
        out["kidneys"] = out["kidneys"] + x[:, i["tubule"]]
        return out

    def occupied(self, x: np.ndarray, organ: str) -> np.ndarray:
        """Return the share of an organ's receptors that hold peptide."""
        return x[:, self.i[f"B_{organ}"]] / self.R0[organ]


def kidneys(litres: float) -> Tissue:
    """Return kidneys, whose exchange is filtration."""
    return Tissue(litres, 0.055, 0.15, 0.0, 0.0)


def dotatate(
    *, female: bool, bsa: float, gfr: float, litres: dict[str, float], lesion: Tissue
) -> Body:
    """Return the typical DOTATATE of Budiansah 2025 in one patient."""
    plasma = 0.60 if female else 0.55
    own = ("uterus", 0.08, 0.07, 0.5, 1.0, 0.2, 0.092)
    if not female:
        own = ("prostate", 0.016, 0.04, 0.25, 0.18, 0.1, 0.26)
    name, volume, vascular, interstitial, flow, ps, ratio = own
    tissues = dict(
        liver=Tissue(litres["liver"], 0.085, 0.2, 0.0, 2.0),
        spleen=Tissue(litres["spleen"], 0.12, 0.2, 0.0, 2.0),
        kidneys=kidneys(litres["kidneys"]),
        adrenals=Tissue(0.014, 0.03 * plasma, 0.24, 6.0 * plasma, 2.0),
        tumour=replace(lesion, flow=lesion.flow * plasma),
    )
    tissues[name] = Tissue(volume, vascular * plasma, interstitial, flow * plasma, ps)
    case = Case(female, bsa, gfr, tissues, ALPHA, LITRES_AT_71_KG, ())
    density = dict(kidneys=4.55, liver=0.94, spleen=7.37, tumour=15.9, rest=0.36)
    ratios = dict(adrenals=1.65, muscle=0.0056, gut=0.16, red_marrow=0.028)
    density |= {n: r * 4.55 for n, r in (ratios | {name: ratio}).items()}
    peptide = Peptide(
        k_on=0.1, k_off=0.04, k_protein=5.5e-4, density=density, excreted=0.98,
        k_int=dict(normal=2.36e-3, lesion=1.39e-3),
        k_deg=dict(normal=1.01e-4, lesion=1.15e-4),
    )  # fmt: skip
    return Body(case, peptide)


def psma_it(
    *,
    bsa: float,
    gfr: float,
    litres: dict[str, float],
    density: dict[str, float],
    release: dict[str, float],
    salivary_flow: float,
) -> Body:
    """Return PSMA I&T of Golzaryan 2025; of unknown weight and haematocrit."""
    lesions = [n for n in litres if n.startswith("tumour")]
    glands = Tissue(litres["salivary_glands"], 0.03 * 0.55, 0.23, salivary_flow, 2.0)
    tissues = dict(
        liver=Tissue(1.91, 0.085, 0.2, 0.0, 2.0),
        spleen=Tissue(0.183, 0.12, 0.2, 0.0, 2.0),
        kidneys=kidneys(litres["kidneys"]),
        prostate=Tissue(0.016, 0.004 * 0.55, 0.25, 0.18 * 0.55, 0.1),
        salivary_glands=glands,
    )
    for n in lesions:
        tissues[n] = Tissue(litres[n], 0.05 * 0.55, 0.38, 0.5, 0.6, lesion=True)
    alpha, volumes = ALPHA | dict(bone=8.4, rest=4.1), LITRES_AT_71_KG | dict(gut=1.187)
    case = Case(False, bsa, gfr, tissues, alpha, volumes, ("red_marrow",))
    density = dict(prostate=26.6, liver=1.33, spleen=0.532, gut=1.596) | density
    peptide = Peptide(
        k_on=0.046, k_off=0.046, k_protein=4.7e-4, k_int=dict(normal=1e-3),
        k_deg=release, density=density, excreted=0.96,
    )  # fmt: skip
    return Body(case, peptide)


# Per g of tissue: the blood flow of a lesion, which `dotatate` turns into plasma.
NEUROENDOCRINE = Tissue(0.0, 0.10, 0.3, 1.0, 0.2, lesion=True)
MENINGIOMA = Tissue(0.0, 0.11, 0.23, 0.9, 0.31, lesion=True)
