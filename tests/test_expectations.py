"""What each row should be: overlaps, urine, blood, counts and SUVmax in closed form."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from pkmodels.administrations import INTRAVENOUS, Administration
from pkmodels.definition import Model
from pkmodels.errors import InputError
from pkmodels.exact import compile_exactly
from pkmodels.fitting.anchoring import choose_anchors
from pkmodels.fitting.experiments import Experiment, alone
from pkmodels.fitting.noise_words import noise_in_words
from pkmodels.fitting.observations import Calibration, arrange
from pkmodels.fitting.posterior import EXPECTED, Posterior, build_model, form_of
from pkmodels.fitting.stacks import Overlap
from pkmodels.measurements import (
    Counting,
    Measurement,
    Quantity,
    Sample,
    concentration_of_percent,
    concentration_of_suv,
)
from pkmodels.models import organ_exchange
from pkmodels.nuclides import nuclide
from pkmodels.reactions import flow
from pkmodels.schedule import Schedule
from pkmodels.symbols import Amount, Parameter
from pkmodels.system import assemble
from pkmodels.values import (
    Certainty,
    PriorSet,
    half_normal,
    log_normal,
    logit_normal,
)

LN2 = math.log(2.0)
LU177 = nuclide("Lu-177").decay_constant_per_h
GIVEN = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 7400.0),))
SHARE = logit_normal(0.2, 0.5, "made up", Certainty.JUDGEMENT)
EXCESS = log_normal(0.4, 0.8, "", "made up", Certainty.JUDGEMENT)
SCAN = Measurement(
    region="kidney",
    label="Lu-177",
    modality="planar",
    start_h=24.0,
    end_h=24.0,
    value=70.0,
    quantity=Quantity.ACTIVITY,
    sd=None,
    decay_corrected_to_h=None,
    source="line 2",
)
HALF_TIMES, ODDS = [1.2, 50.0, 120.0], [0.015, 0.06]


def posterior_of(
    scans: list[Measurement],
    overlaps: tuple[Overlap, ...] = (),
    calibrations: tuple[Calibration, ...] = (),
    **changes: Any,
) -> Posterior:
    organs = {"kidney": "kidney", "liver": "liver"}
    compiled = compile_exactly(
        assemble(organ_exchange.model(tuple(organs)), GIVEN.form)
    )
    only = Experiment("dosimetry", compiled, GIVEN, tuple(scans))
    observations = arrange([only], calibrations, overlaps=overlaps)
    floor = half_normal(0.7, "MBq", "1 % of the largest", Certainty.JUDGEMENT)
    return Posterior(
        experiments=(only,),
        table=alone(only, organ_exchange.priors("dotatate", organs)),
        observations=observations,
        masses={},
        exact_masses={"kidney": 150.0, "liver": 1700.0},
        relative_noise=half_normal(0.1, "", "wide", Certainty.JUDGEMENT),
        minimum_noise=0.02,
        noise_floor=dict.fromkeys(observations.floors, floor),
        floor_everywhere=False,
        **changes,
    )


def activity(organ: int, t: float) -> float:
    """Return MBq in the kidney (0) or liver (1) by Bateman's curve."""
    k, w = LN2 / HALF_TIMES[0], LN2 / HALF_TIMES[1 + organ]
    shape = (math.exp(-w * t) - math.exp(-k * t)) / (k - w)
    return 7400.0 * ODDS[organ] / (1.0 + sum(ODDS)) * k * shape * math.exp(-LU177 * t)


def expected_of(posterior: Posterior, **drawn: list[float]) -> np.ndarray:
    """Return what each row should be at these values of the model's variables."""
    model = build_model(posterior)
    values = {"kinetics": HALF_TIMES, "uptake_odds": ODDS, **drawn}
    point = {f"{name}_log__": np.log(value) for name, value in values.items()}
    if "overlap" in drawn:
        del point["overlap_log__"]
        point["overlap_logodds__"] = logit(drawn["overlap"])
    graph = model.replace_rvs_by_values([model[EXPECTED]])
    inputs = [v for v in model.value_vars if v.name in point]
    assert len(inputs) == len(point)
    compiled = model.compile_fn(graph, inputs=inputs, mode="JAX")
    return np.asarray(compiled(point)[0])


def test_a_planar_region_counts_a_share_of_what_lies_over_it() -> None:
    """c (A_kidney + o A_liver), of the planar rows only; the liver's stay alone."""
    scans = [
        SCAN,
        replace(SCAN, start_h=72.0, end_h=72.0),
        replace(SCAN, region="liver"),
        replace(SCAN, modality="SPECT"),
    ]
    overlap = Overlap("planar", "kidney", {"liver": 1.0}, SHARE)
    free = Calibration("planar", per_region=True, log_sd=3.0)
    posterior = posterior_of(scans, (overlap,), (free,))
    found = expected_of(posterior, calibration=[1.7, 0.6], overlap=[0.25])
    kidney = [1.7 * (activity(0, t) + 0.25 * activity(1, t)) for t in (24.0, 72.0)]
    assert found == pytest.approx(
        [*kidney, 0.6 * activity(1, 24.0), activity(0, 24.0)], rel=1e-9
    )
    assert posterior.all_priors["overlap"] == {"planar, kidney": SHARE}
    # The kidney's share of the uptake is anchored where nothing lies over it.
    assert choose_anchors(posterior) == ({0: 3}, {0: 1, 1: 2})
    assert form_of(posterior) != form_of(posterior_of(scans, (), (free,)))


def test_largest_voxels_samples_and_counts_multiply_what_is_expected() -> None:
    """SUVmax 1 + 0.3 times the mean; two replicates share 1.04; counts are in MBq."""
    per_gram = {"quantity": Quantity.CONCENTRATION, "modality": "PET"}
    counting = Counting(9.0, 600.0, 300.0, 0.0, overdispersed=False)
    tube = {"modality": "well counter", "sample": Sample("tube", 0.05)}
    scans = [
        replace(SCAN, value=0.02, **per_gram),
        replace(SCAN, value=0.02, maximum=True, **per_gram),
        replace(SCAN, value=5000.0, quantity=Quantity.COUNTS, counting=counting),
        replace(SCAN, **tube),
        replace(SCAN, start_h=48.0, end_h=48.0, modality="well counter"),
        replace(SCAN, **tube),
    ]
    posterior = posterior_of(scans, maximum_excess={"PET": EXCESS})
    found = expected_of(posterior, maximum_excess=[0.3], sample_factor=[1.04])
    day, later = activity(0, 24.0), activity(0, 48.0)
    expected = [day / 150.0, 1.3 * day / 150.0, day, 1.04 * day, later, 1.04 * day]
    assert found == pytest.approx(expected, rel=1e-9)
    # Planar counts have Poisson's noise alone, and no anchor.
    assert posterior.noisy == ("PET", "well counter")
    assert list(posterior.all_priors["relative_noise"]) == ["PET", "well counter"]
    assert choose_anchors(posterior)[0][0] != 2


def test_urine_and_blood_follow_a_closed_form() -> None:
    """100 MBq in 5 L of plasma leave by 0.2 /h into urine, gathered in two vessels.

    Gathered from a to b, at b: 100 (exp(-k a) - exp(-k b)) exp(-lambda b) MBq.
    """
    plasma, urine = Amount("plasma", "nmol"), Amount("urine", "nmol")
    rate, volume = Parameter("rate", "1/h"), Parameter("volume", "L")
    model = Model(
        "plasma and urine",
        (flow("filtration", plasma, urine, rate * plasma),),
        {INTRAVENOUS: plasma},
        {"blood": plasma / volume, "urine": urine},
    )
    given = Schedule((Administration(0.0, 0.0, "dotatate", "Lu-177", 100.0),))
    compiled = compile_exactly(assemble(model, given.form))
    vessel = {
        "region": "urine",
        "modality": "calibrator",
        "quantity": Quantity.COLLECTED,
    }
    sample = {"region": "blood", "quantity": Quantity.PER_LITRE}
    rows = (
        replace(SCAN, start_h=0.0, end_h=4.0, **vessel),
        replace(SCAN, start_h=4.0, end_h=24.0, **vessel),
        replace(SCAN, start_h=4.0, end_h=24.0, decay_corrected_to_h=0.0, **vessel),
        replace(SCAN, start_h=2.0, end_h=2.0, **sample),
    )
    only = Experiment("urine", compiled, given, rows)
    by_name: dict[str, float] = {"rate": 0.2, "volume": 5.0}
    values = [
        log_normal(0.2, 0.5, "1/h", "made up", Certainty.JUDGEMENT),
        log_normal(5.0, 0.5, "L", "made up", Certainty.JUDGEMENT),
    ]
    priors = dict(zip(by_name, values, strict=True))
    table = alone(only, PriorSet({n: priors[n] for n in compiled.parameters}, {}))
    posterior = replace(
        posterior_of([SCAN]),
        experiments=(only,),
        table=table,
        observations=arrange([only], []),
    )
    model_ = build_model(posterior)
    point = {"kinetics_log__": np.log([by_name[n] for n in compiled.parameters])}
    graph = model_.replace_rvs_by_values([model_[EXPECTED]])
    inputs = [v for v in model_.value_vars if v.name in point]
    found = model_.compile_fn(graph, inputs=inputs, mode="JAX")(point)[0]
    first = 100.0 * (1.0 - math.exp(-0.8)) * math.exp(-LU177 * 4.0)
    second = 100.0 * (math.exp(-0.8) - math.exp(-4.8)) * math.exp(-LU177 * 24.0)
    blood = 20.0 * math.exp(-(0.2 + LU177) * 2.0)
    assert np.asarray(found) == pytest.approx(
        [first, second, second * math.exp(LU177 * 24.0), blood], rel=1e-9
    )


def test_uptake_values_become_concentrations() -> None:
    """SUV 5 in 70 kg after 150 MBq, density 1.05; 0.02 %IA/g of 200 MBq."""
    suv = concentration_of_suv(
        5.0, body_mass_kg=70.0, activity_MBq=150.0, density_g_per_mL=1.05
    )
    per_mL = suv * 1.05  # MBq/mL, by definition SUV x given / body mass in g
    assert per_mL * 70_000.0 / 150.0 == pytest.approx(5.0, rel=1e-12)
    share = concentration_of_percent(0.02, activity_MBq=200.0)
    assert share / 200.0 == pytest.approx(2e-4, rel=1e-12)
    with pytest.raises(InputError, match=r"body_mass_kg is 0\.0"):
        concentration_of_suv(
            1.0, body_mass_kg=0.0, activity_MBq=1.0, density_g_per_mL=1.0
        )


def test_an_overlap_that_cannot_be_is_refused() -> None:
    over = Overlap("planar", "kidney", {"liver": 1.0}, SHARE)
    with pytest.raises(InputError, match="planar, liver: no such value was measured"):
        posterior_of([SCAN], (replace(over, region="liver"),))
    with pytest.raises(InputError, match="2 overlaps of planar, kidney: give one"):
        posterior_of([SCAN], (over, over))
    with pytest.raises(InputError, match="no observable 'livre'"):
        posterior_of([SCAN], (replace(over, others={"livre": 1.0}),))
    with pytest.raises(InputError, match="overlaps are of activities or counts"):
        posterior_of([replace(SCAN, quantity=Quantity.CONCENTRATION)], (over,))
    with pytest.raises(InputError, match="is a share: give a logit-normal prior"):
        replace(over, prior=EXCESS)
    with pytest.raises(InputError, match="name what lies over it"):
        replace(over, others={})


def test_every_assumption_about_noise_is_said_in_words() -> None:
    counting = Counting(9.0, 600.0, 300.0, 0.1, overdispersed=True)
    counted = replace(
        SCAN,
        value=5000.0,
        quantity=Quantity.COUNTS,
        counting=counting,
        modality="probe",
    )
    poisson = replace(
        counted, counting=replace(counting, overdispersed=False), modality="camera"
    )
    tube = replace(SCAN, modality="well counter", sample=Sample("tube", 0.05))
    scans = [
        SCAN,
        replace(SCAN, sd=2.0),
        replace(SCAN, below=True),
        counted,
        poisson,
        tube,
        tube,
        replace(SCAN, quantity=Quantity.CONCENTRATION, modality="PET", maximum=True),
    ]
    overlap = Overlap("planar", "kidney", {"liver": 1.0}, SHARE)
    posterior = posterior_of(
        scans, (overlap,), student_t_degrees=4.0, maximum_excess={"PET": EXCESS}
    )
    words = noise_in_words(posterior)
    assert words["planar"] == (
        "1 value log-normal (Student's t (4 degrees) residuals of ln y); 1 value with "
        "Student's t (4 degrees) residuals of y: stated sd, additive and relative "
        "noise in quadrature; 1 below the limit of quantification (M3: probability of "
        "that, Student's t (4 degrees) residuals of ln y), relative noise half-normal, "
        "scale 0.1 (judgement: wide), at least 0.02"
    )
    assert words["camera"] == "1 counted, Poisson, no relative noise"
    assert words["probe"].startswith("1 counted, negative-binomial: Poisson's variance")
    assert "sd of ln 0.05 (stated" in words["sample_factor[tube]"]
    assert "share of what lies" in words["overlap[planar, kidney]"]
    assert "SUVmax is 1 + x times the mean" in words["maximum_excess[PET]"]
    every = {
        f"{variable}[{name}]"
        for variable, group in posterior.all_priors.items()
        for name in group
        if variable not in ("kinetics", "uptake_odds", "relative_noise")
    }
    assert every <= set(words)
