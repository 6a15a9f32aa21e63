"""Both answers on identifiability in one table: what is known as a product alone."""

import math
from pathlib import Path

import numpy as np
import pytest
import sympy
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.clinic.identification import structure_of
from pkmodels.clinic.patient_files import read_patient
from pkmodels.definition import Model
from pkmodels.errors import InputError
from pkmodels.exact import compile_exactly
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.fit import Fit
from pkmodels.fitting.identifiability import identify
from pkmodels.fitting.identifiability_answers import PracticalIdentifiability
from pkmodels.fitting.observations import arrange
from pkmodels.fitting.posterior import Posterior
from pkmodels.fitting.profiles import End
from pkmodels.fitting.sampling import Draws
from pkmodels.identifiability.answers import StructuralIdentifiability, Verdict
from pkmodels.identifiability.assessment import assess_structure
from pkmodels.identifiability.occasions import Curve, Occasion
from pkmodels.measurements import Measurement, Quantity
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter
from pkmodels.system import assemble
from pkmodels.values import Certainty, PriorSet, half_normal, log_normal

# 177Lu, ICRP 107: 6.647 d.
LU177 = math.log(2.0) / (6.647 * 24.0)
# MBq given, half-life (h), share of it that arrives and is seen, and their scatter.
GIVEN, HALF_LIFE_H, ARRIVED, SEEN, SCATTER = 100.0, 60.0, 0.5, 0.8, 0.05
TIMES = (4.0, 24.0, 72.0, 120.0)
NAMES = ("arrived", "half_life", "seen")


def product_model() -> Model:
    """An organ that lets go with one half-life; what arrived is seen in part."""
    organ, half_life = Amount("organ", "nmol"), Parameter("half_life", "h")
    arrived, seen = Parameter("arrived", "1"), Parameter("seen", "1")
    release = flow("release", organ, None, sympy.log(2) / half_life * organ)
    shown = {"organ": arrived * seen * organ}
    return Model("a product", (release,), {INTRAVENOUS: organ}, shown)


def given() -> Schedule:
    return Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", GIVEN),))


def made() -> Fit:
    """Draws as they are known to be: the product and the half-life told, not the rest.

    ln arrived and ln seen have sd 1 each under the prior, their sum 0.02 given scans.
    """
    model, schedule = product_model(), given()
    compiled = compile_exactly(assemble(model, schedule.form))
    noise = SCATTER * np.random.default_rng(1).standard_normal(len(TIMES))
    rate = math.log(2.0) / HALF_LIFE_H + LU177
    scans = tuple(
        Measurement(
            "organ",
            "Lu-177",
            "SPECT",
            t,
            t,
            GIVEN * ARRIVED * SEEN * math.exp(-rate * t + e),
            Quantity.ACTIVITY,
            None,
            None,
            "typed anew",
        )
        for t, e in zip(TIMES, noise, strict=True)
    )
    only = Experiment("dosimetry", compiled, schedule, scans)
    priors = {
        name: log_normal(median, 1.0, unit, "a test", Certainty.JUDGEMENT)
        for name, median, unit in (
            ("arrived", ARRIVED, "1"),
            ("half_life", HALF_LIFE_H, "h"),
            ("seen", SEEN, "1"),
        )
    }
    posterior = Posterior(
        experiments=(only,),
        table=alone(only, PriorSet(priors, {})),
        observations=arrange([only], []),
        masses={},
        exact_masses={},
        relative_noise=half_normal(0.1, "", "a test", Certainty.JUDGEMENT),
        minimum_noise=0.01,
        noise_floor={},
        floor_everywhere=False,
    )
    free, tied, own = np.random.default_rng(0).standard_normal((3, 4, 500))
    each = {
        "arrived": math.log(ARRIVED) + free * math.sqrt(0.5) + 0.01 * tied,
        "half_life": math.log(HALF_LIFE_H) + 0.03 * own,
        "seen": math.log(SEEN) - free * math.sqrt(0.5) + 0.01 * tied,
    }
    kinetics = np.stack([each[name] for name in priors], axis=-1)
    noisy = np.full((4, 500, 1), SCATTER)
    draws = Draws(
        {"kinetics": np.exp(kinetics), "relative_noise": noisy},
        np.concatenate([kinetics, np.log(noisy)], axis=-1),
        np.zeros((4, 500), bool),
        0.9,
    )
    return Fit(posterior, draws, Checks(1.0, 2e3, 2e3, 0, 0, (), 1, ()), seed=0)


@pytest.fixture(scope="module")
def structural() -> StructuralIdentifiability:
    curve = Curve("organ", "Lu-177")
    occasion = Occasion("dosimetry", product_model(), given(), (curve,), 4.0)
    return assess_structure([occasion], NAMES, budget_s=30.0, seed=1)


@pytest.fixture(scope="module")
def found(structural: StructuralIdentifiability) -> PracticalIdentifiability:
    return identify(made(), structural=structural, level=0.95)


def test_a_product_is_known_and_its_factors_are_not(found: PracticalIdentifiability):
    """Structure says the product alone; profiles of the factors never rise."""
    by_name = {answer.name: answer for answer in found.answers}
    for name, other in (("arrived", "seen"), ("seen", "arrived")):
        own = by_name[name]
        assert own.structural == str(Verdict.NOT)
        assert own.known_only_in == "arrived*seen"
        assert own.likelihood.lower.end is End.OPEN
        assert own.likelihood.upper.end is End.OPEN
        assert own.likelihood.rises.max() < 0.01
        # The prior bounds it: sd sqrt(1/2) of ln, of two factors whose sum is known.
        low, high = own.posterior.interval
        assert low is not None
        assert high is not None
        width = 2.0 * 1.96 * math.sqrt(0.5)
        assert math.log(high / low) == pytest.approx(width, rel=0.02)
        assert own.drawn is not None
        drawn = math.log(own.drawn[1] / own.drawn[0])
        assert drawn == pytest.approx(width, rel=0.05)
        assert own.confused_with is not None
        assert own.confused_with[0] == other
        assert own.confused_with[1] < -0.99
        assert "the prior speaks" in own.verdict
    half_life = by_name["half_life"]
    assert half_life.structural == str(Verdict.IDENTIFIABLE)
    assert half_life.likelihood.identifiable
    # A line with a free height: sd of its slope, at the noise of the draws.
    slopes = np.array(TIMES) * math.log(2.0) / HALF_LIFE_H
    spread = math.sqrt((SCATTER**2 + 0.01**2) / ((slopes - slopes.mean()) ** 2).sum())
    low, high = half_life.likelihood.interval
    assert low is not None
    assert high is not None
    # Of ln half-life it is no line: what bends it is of second order.
    width = math.log(high / low)
    assert width == pytest.approx(
        2.0 * 1.96 * spread * math.sqrt(low * high) / 60.0, rel=0.05
    )
    assert half_life.verdict == "the measurements tell it"


def test_the_table_is_read_without_the_code(found: PracticalIdentifiability):
    table = found.describe()
    heads, *rows = table.splitlines()
    for head in ("unit", "structural", "data alone, 95 %", "draws, 95 %", "learned"):
        assert head in heads
    [half_life] = [row for row in rows if row.startswith("half_life  ")]
    assert half_life.split()[1:3] == ["h", "identifiable"]
    [seen] = [row for row in rows if row.startswith("seen  ")]
    assert "open to open" in seen
    assert "arrived (-1.00)" in seen
    assert "seen: known only in arrived*seen." in table
    assert "the data say nothing" in table
    # The factors' quotient is the direction that no scan sees.
    assert "arrived^0.71 seen^-0.71" in table
    assert max(map(len, table.splitlines())) <= 132


def test_an_answer_that_is_none_of_the_three_is_refused():
    with pytest.raises(InputError, match="'known': give one of 'identifiable'"):
        identify(made(), structural={"half_life": "known"}, level=0.95)


def test_a_patients_file_is_asked_of_its_own_regions_and_scales(tmp_path: Path):
    """Free scales of planar scans hide the uptake fractions, not the half-lives."""
    patient = read_patient(write_patient(tmp_path / "spect"))
    known, why = structure_of(patient)
    assert why is None
    assert known is not None
    assert not known.of(Verdict.NOT)
    assert "biological_half_life_liver" in known.parameters
    toml = replaced(PATIENT, "[calibration.SPECT]", "[calibration.planar]")
    toml = replaced(toml, 'scope = "modality"', 'scope = "region"')
    toml = replaced(toml, "cv = 0.05\n\n[[plan]]", 'cv = "free"\n\n[[plan]]')
    toml += '\n[calibration.SPECT]\nscope = "modality"\ncv = 0.05\n'
    rows = MEASUREMENTS.replace("SPECT", "planar")
    rows += "".join(
        f"{name},Lu-177,SPECT,48,,40,MBq,,\n"
        for name in ("kidney_left", "kidney_right", "liver")
    )
    both = read_patient(write_patient(tmp_path / "both", toml, rows))
    told, _ = structure_of(both)
    assert told is not None
    assert "scale_planar_liver" in told.parameters
    assert not told.of(Verdict.NOT)
