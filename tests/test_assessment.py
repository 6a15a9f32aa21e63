"""What each table of a patient's file does to doses, warnings and the activity.

The draws are made up, so that every number has a closed form: one organ takes up a
share f of a bolus at rate k and releases it at rate w; per MBq given its integral is
f k / ((k + lambda)(w + lambda)).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient
from made_up_fit import activity_after, integral_h, made_up_fit, tail_after
from scipy.optimize import brentq

from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.assessment import Assessment, assess
from pkmodels.clinic.cautions import warnings
from pkmodels.clinic.patient import (
    Limit,
    Patient,
    StatedRadiobiology,
    TailRule,
    Treatment,
    Waiver,
)
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.reporting import build_result
from pkmodels.clinic.residual_activity import at_transplantation, left_over
from pkmodels.decision import History
from pkmodels.errors import FitRefusedError
from pkmodels.fitting.checks import Checks
from pkmodels.fitting.fit import Fit

LU177 = np.log(2.0) / 159.528  # 1/h; 6.647 d, ICRP 107
Y90 = np.log(2.0) / 64.10

# OpenDose, ICRP 110 male phantom, Lu-177, mGy/(MBq s), at these masses in g.
LEFT_G, RIGHT_G = 152.983, 157.011
LEFT_FROM_LEFT, LEFT_FROM_RIGHT, LEFT_FROM_LIVER = 1.5662e-4, 5.4688e-8, 4.7165e-8
RIGHT_FROM_LIVER = 2.2932e-7
GY_PER_MBQ_H = 3.6  # of 1 mGy/(MBq s)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """Kidneys with sides and the phantom's masses; everything planned as a bolus."""
    text = PATIENT
    for old, new in (
        ('sex = "female"', 'sex = "male"'),
        (
            "mass_g = 160.0\nmass_cv = 0.05",
            f'side = "left"\nmass_g = {LEFT_G}\nmass_cv = 0',
        ),
        (
            "mass_g = 150.0\nmass_cv = 0.05",
            f'side = "right"\nmass_g = {RIGHT_G}\nmass_cv = 0',
        ),
        ("duration_h = 0.5", "duration_h = 0.0\nligand_mass_ug = 200.0"),
        (
            "[limits.red_marrow]",
            '[[plan]]\nligand = "dotatate"\nlabel = "Lu-177"\nduration_h = 0.0\n'
            "ligand_mass_ug = 200.0\n[limits.red_marrow]",
        ),
    ):
        text = replaced(text, old, new)
    return read_patient(write_patient(tmp_path_factory.mktemp("p"), text))


@pytest.fixture(scope="module")
def fit(patient: Patient) -> Fit:
    return made_up_fit(patient)


def assessed(patient: Patient, fit: Fit, **changes: Any) -> Assessment:
    """Assess the patient with other statements; the fit is the same."""
    changed = replace(patient, **changes)
    check_answerable(changed)
    return assess(changed, fit)


@pytest.fixture(scope="module")
def plain(patient: Patient, fit: Fit) -> Assessment:
    return assessed(patient, fit)


BED = (Limit("kidneys", None, 40.0),)


def reached(found: Assessment, label: str = "Y-90") -> np.ndarray:
    decision = found.choices[label].decision
    assert decision is not None
    return decision.activity_at_limit_GBq


def dose(found: Assessment, label: str = "Y-90") -> np.ndarray:
    per_GBq = found.choices[label].exposures["kidneys"].dose_Gy_per_GBq
    assert per_GBq is not None
    return per_GBq


def test_dose_is_self_and_cross_dose_of_opendose(plain: Assessment, fit: Fit) -> None:
    """At the phantom's own masses nothing is scaled: D = sum of S x TIAC."""
    exposure = plain.exposures["Lu-177"]["kidney_left"]
    tiac = {
        name: integral_h(fit, name, LU177)
        for name in ("kidney_left", "kidney_right", "liver")
    }
    np.testing.assert_allclose(exposure.tiac_h, tiac["kidney_left"], rtol=1e-9)
    own = LEFT_FROM_LEFT * tiac["kidney_left"]
    cross = LEFT_FROM_RIGHT * tiac["kidney_right"] + LEFT_FROM_LIVER * tiac["liver"]
    assert exposure.dose_Gy_per_GBq is not None
    assert exposure.cross_share is not None
    # S-values are uncertain by factors of median 1: 1 % of self, 35 % of cross-dose.
    ratio = exposure.dose_Gy_per_GBq / (1e3 * GY_PER_MBQ_H * (own + cross))
    assert np.median(ratio) == pytest.approx(1.0, abs=1e-3)
    assert np.std(np.log(ratio)) < 0.02
    share = exposure.cross_share / (1.0 - exposure.cross_share)
    assert np.median(share / (cross / own)) == pytest.approx(1.0, rel=0.04)


def test_the_side_of_a_kidney_decides_what_the_liver_adds(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    """The right kidney lies beside the liver: 4.9 times as much as in the left."""
    of = plain.dosimetry.irradiations["Lu-177"].pairs
    found = {p.target: p.value.at_mass(100.0) for p in of if p.source == "liver"}
    assert found["kidney_left"] == pytest.approx(
        GY_PER_MBQ_H * LEFT_FROM_LIVER, rel=1e-9
    )
    assert found["kidney_right"] == pytest.approx(
        GY_PER_MBQ_H * RIGHT_FROM_LIVER, rel=1e-9
    )
    unsided = tuple(replace(region, side=None) for region in patient.regions)
    blind = assess(replace(patient, regions=unsided), fit).dosimetry
    left_out = blind.irradiations["Lu-177"].no_cross
    assert ("kidney_left", "kidney_right") in left_out
    of = blind.irradiations["Lu-177"].pairs
    found = {p.target: p.value.at_mass(100.0) for p in of if p.source == "liver"}
    assert found["kidney_left"] == found["kidney_right"]


def test_y90_has_no_cross_dose_and_says_so(plain: Assessment, fit: Fit) -> None:
    """No table of Y-90 holds one; the kidneys' self-dose is 5.9 times Lu-177's."""
    irradiation = plain.dosimetry.irradiations["Y-90"]
    assert ("kidney_left", "liver") in irradiation.no_cross
    assert all(pair.target == pair.source for pair in irradiation.pairs)
    exposure = plain.exposures["Y-90"]["kidney_left"]
    assert exposure.cross_share is None
    assert exposure.dose_Gy_per_GBq is not None
    own = 5.9 * LEFT_FROM_LEFT * integral_h(fit, "kidney_left", Y90)
    ratio = exposure.dose_Gy_per_GBq / (1e3 * GY_PER_MBQ_H * own)
    assert np.median(ratio) == pytest.approx(1.0, abs=3e-3)


@pytest.mark.parametrize("label", ["Lu-177", "Y-90"])
def test_what_was_given_counts_and_a_history_counts_more(
    label: str, patient: Patient, fit: Fit, plain: Assessment
) -> None:
    """A = (23 Gy - given - history) / dose, draw by draw; 7.4 GBq of Lu-177 given."""
    given = 7.4 * dose(plain, "Lu-177")
    np.testing.assert_allclose(
        reached(plain, label), (23.0 - given) / dose(plain, label), rtol=1e-9
    )
    before = History("kidneys", "absorbed_dose", 5.0, 1e-6, "x")
    less = assessed(patient, fit, history=(before,))
    np.testing.assert_allclose(
        reached(less, label), (18.0 - given) / dose(plain, label), rtol=1e-4
    )


def test_an_uncertain_history_widens_the_decision(patient: Patient, fit: Fit) -> None:
    """Same mean; its sd of 2 Gy adds to what is left of the limit."""
    sure, unsure = (
        assessed(
            patient, fit, history=(History("kidneys", "absorbed_dose", 5.0, sd, "x"),)
        )
        for sd in (1e-6, 2.0)
    )
    left = reached(unsure) * dose(unsure) - reached(sure) * dose(sure)
    assert np.std(left) == pytest.approx(2.0, rel=0.06)
    assert sure.choices["Y-90"].decision is not None
    assert unsure.choices["Y-90"].decision is not None
    assert (
        unsure.choices["Y-90"].decision.activity_GBq
        < sure.choices["Y-90"].decision.activity_GBq
    )


def test_a_history_of_a_waived_target_lowers_nothing(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    elsewhere = History("red_marrow", "bed", 5.0, 1.0, "x")
    found = assessed(patient, fit, history=(elsewhere,))
    np.testing.assert_array_equal(reached(found), reached(plain))


@pytest.mark.parametrize("cycles", [1, 4])
def test_cycles_share_a_bed_limit_by_the_root_of_its_equation(
    cycles: int, patient: Patient, fit: Fit
) -> None:
    """n (d + G d^2 / (a/b)) = 40 Gy less the BED of what was given."""
    plans = tuple(replace(plan, cycles=cycles) for plan in patient.plans)
    found = assessed(patient, fit, limits=BED, plans=plans)
    exposure = found.choices["Y-90"].exposures["kidneys"]
    response = found.dosimetry.responses["kidneys"]
    measured = found.exposures["Lu-177"]["kidneys"]
    protraction = exposure.protraction
    assert protraction is not None
    assert measured.protraction is not None
    given = 7.4 * dose(found, "Lu-177")
    ratio = response.alpha_beta_Gy
    left = 40.0 - given * (1.0 + measured.protraction * given / ratio)
    for i in (0, 77, 1999):

        def excess(d: float, i: int = i) -> float:
            return cycles * d * (1.0 + protraction[i] * d / ratio[i]) - left[i]

        each = brentq(excess, 0.0, 100.0, xtol=1e-12)
        expected = cycles * each / dose(found)[i]
        assert reached(found)[i] == pytest.approx(expected, rel=1e-6)


def test_cycles_leave_a_dose_limit_alone_and_raise_one_of_bed(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    four = tuple(replace(plan, cycles=4) for plan in patient.plans)
    np.testing.assert_allclose(
        reached(assessed(patient, fit, plans=four)), reached(plain), rtol=1e-12
    )
    one = reached(assessed(patient, fit, limits=BED))
    assert (reached(assessed(patient, fit, limits=BED, plans=four)) > one).all()


def test_the_file_s_alpha_beta_is_used(patient: Patient, fit: Fit) -> None:
    stated = StatedRadiobiology("kidney", 10.0, 0.01, 2.8, 0.3)
    found = assessed(patient, fit, limits=BED, radiobiology=(stated,))
    assert np.median(found.dosimetry.responses["kidneys"].alpha_beta_Gy) == (
        pytest.approx(10.0, rel=0.01)
    )
    plain = assessed(patient, fit, limits=BED)
    assert np.median(reached(found)) > np.median(reached(plain))


def test_tails_are_told_flagged_and_refused(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    """Last scan after 96 h, against the closed form; thresholds on either side."""
    tail = tail_after(fit, "liver", LU177, 96.0)
    np.testing.assert_allclose(plain.exposures["Lu-177"]["liver"].tail, tail, rtol=1e-7)
    share = float(np.median(plain.exposures["Lu-177"]["kidneys"].tail))
    assert 0.05 < share < 0.9

    def told(flag: float, refuse: float) -> tuple[Assessment, str]:
        changed = replace(patient, tail=TailRule(flag, refuse))
        found = assess(changed, fit)
        return found, "\n".join(warnings(changed, fit, found))

    found, said = told(share + 0.01, share + 0.02)
    assert found.choices["Lu-177"].decision is not None
    assert "kidneys: " not in said
    found, said = told(share - 0.01, share + 0.01)
    assert found.choices["Lu-177"].decision is not None
    assert (
        f"kidneys: {share:.0%} of the time-integrated activity of Lu-177 lies after "
        "the last scan and rests on the fitted release rate"
    ) in said
    found, said = told(0.005, share - 0.01)
    assert found.choices["Lu-177"].decision is None
    refused = found.choices["Lu-177"].refused
    assert refused is not None
    assert "scan later" in refused
    assert f"no activity of Lu-177 is given: kidneys: {share:.0%} of the" in said


def test_a_failed_fit_gives_no_dose(patient: Patient, fit: Fit) -> None:
    failed = Checks(1.3, 20.0, 20.0, 0, 0, (), 2, ("R-hat is 1.3: add scans",))
    with pytest.raises(FitRefusedError, match=r"R-hat is 1\.3: add scans"):
        assess(patient, replace(fit, checks=failed))
    assert any(
        "2 attempts" in w for w in warnings(patient, replace(fit, checks=failed), None)
    )


def test_model_choice_adds_in_squares(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    """var ln D grows by ln(1 + cv^2); the factor has median 1 and hits every dose."""
    found = assessed(patient, fit, model_choice_cv=0.3)
    factor = dose(found) / dose(plain)
    assert np.var(np.log(factor)) == pytest.approx(np.log1p(0.3**2), rel=0.1)
    assert np.median(factor) == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(
        factor, dose(found, "Lu-177") / dose(plain, "Lu-177"), rtol=1e-12
    )
    grown = np.var(np.log(dose(found))) - np.var(np.log(dose(plain)))
    assert grown == pytest.approx(np.log1p(0.3**2), rel=0.15)
    assert found.choices["Y-90"].decision is not None
    assert plain.choices["Y-90"].decision is not None
    assert (
        found.choices["Y-90"].decision.activity_GBq
        < plain.choices["Y-90"].decision.activity_GBq
    )


def test_another_ligand_mass_counts_only_where_the_mass_is_another(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    same = assessed(patient, fit, ligand_mass_cv=0.2)
    np.testing.assert_array_equal(dose(same), dose(plain))
    plans = (replace(patient.plans[0], ligand_mass_ug=100.0), patient.plans[1])
    found = assessed(patient, fit, ligand_mass_cv=0.2, plans=plans)
    np.testing.assert_array_equal(dose(found, "Lu-177"), dose(plain, "Lu-177"))
    factor = dose(found) / dose(plain)
    assert np.var(np.log(factor)) == pytest.approx(np.log1p(0.2**2), rel=0.1)
    said = "\n".join(warnings(replace(patient, plans=plans), fit, found))
    assert "Y-90 is planned with 100 ug of ligand, measured with 200 ug" in said


def test_draws_by_weight_are_worth_no_more_than_their_weights_say(
    patient: Patient, fit: Fit
) -> None:
    """Resampled, they look independent: a hundredth of the size is ten times the error.

    Chains are taken as they are.
    """
    errors = {}
    for chains in (True, False):
        for size in (400.0, 4.0):
            statistics = {"energy": np.zeros((1, 1))} if chains else {}
            other = replace(
                fit,
                draws=replace(fit.draws, statistics=statistics),
                checks=replace(fit.checks, ess_tail_min=size),
            )
            errors[chains, size] = assessed(patient, other).monte_carlo_error
    assert errors[True, 400.0] == errors[True, 4.0]
    assert errors[False, 4.0] > 5.0 * errors[False, 400.0]
    assert errors[False, 400.0] > errors[True, 400.0]


def test_a_confirmed_target_silences_its_warning(
    patient: Patient, fit: Fit, tmp_path: Path
) -> None:
    def said(each: Patient) -> str:
        return "\n".join(warnings(each, fit, None))

    words = "no Ga-68 scan of a tumour is on file"
    assert words in said(patient)
    assert words not in said(replace(patient, target_confirmed="68Ga-PET, 9 days"))
    gallium = replaced(
        PATIENT,
        "[regions.kidney_left]",
        '[[administration]]\ntime_h = 0.0\nduration_h = 0.0\nligand = "dotatate"\n'
        'label = "Ga-68"\nactivity_MBq = 150.0\n'
        '[regions.lesion]\norgan = "tumour"\nmass_g = 30.0\nmass_cv = 0.1\n\n'
        "[regions.kidney_left]",
    )
    for region, is_said in (("kidney_left", True), ("lesion", False)):
        rows = f"{MEASUREMENTS}{region},Ga-68,PET,1,,3,MBq,,\n"
        scanned = read_patient(write_patient(tmp_path / region, gallium, rows))
        assert (words in said(scanned)) is is_said


@pytest.mark.parametrize(
    ("time_h", "start_h", "cycles", "place"),
    [
        (-72.0, 336.0, 1, None),
        (2.0, 336.0, 1, "between the first administration and the first scan"),
        (72.0, 336.0, 1, "between the first scan and the last"),
        (120.0, 336.0, 1, "between the last scan and the therapy with Y-90"),
        (120.0, None, 1, "after the last scan, and before the therapy with Y-90 or L"),
        (400.0, 336.0, 1, None),
        (400.0, 336.0, 4, "after the start of the therapy with Y-90 or Lu-177, and pe"),
    ],
)
def test_a_treatment_is_told_by_where_it_lies(
    time_h: float,
    start_h: float | None,
    cycles: int,
    place: str | None,
    patient: Patient,
    fit: Fit,
) -> None:
    plans = tuple(
        replace(plan, start_h=start_h, cycles=cycles) for plan in patient.plans
    )
    treated = replace(
        patient, treatments=(Treatment(time_h, "dexa-BEAM"),), plans=plans
    )
    told = [line for line in warnings(treated, fit, None) if "dexa-BEAM" in line]
    assert len(told) == (place is not None)
    for line in told:
        assert line.startswith(f"dexa-BEAM at {time_h:g} h lies {place}")


def test_what_is_left_at_the_transplantation_is_bounded_by_decay(
    patient: Patient, fit: Fit
) -> None:
    changed = replace(patient, transplantation_day=14.0)
    found = assess(changed, fit)
    choice = found.choices["Y-90"]
    assert choice.decision is not None
    given_MBq = 1e3 * choice.decision.activity_GBq
    left = at_transplantation(changed, fit, found, choice)
    assert left is not None
    assert left.after_h == 336.0
    assert left.of_MBq == pytest.approx(given_MBq)
    assert left.bound_MBq == pytest.approx(given_MBq * np.exp(-Y90 * 336.0), rel=1e-6)
    held = given_MBq * activity_after(fit, "liver", Y90, 336.0)
    assert left.measured_MBq["liver"].median == pytest.approx(np.median(held), rel=1e-6)
    assert (
        sum(each.interval_95[1] for each in left.measured_MBq.values()) < left.bound_MBq
    )
    assert left.marrow_mGy_per_h is None
    assert left.missing == "no red marrow was measured: its dose rate is not known"
    assert at_transplantation(patient, fit, found, choice) is None


def test_what_dosimetry_left_over_is_told_for_the_start_of_the_therapy(
    patient: Patient, fit: Fit, plain: Assessment
) -> None:
    assert left_over(patient, fit, plain) == {}
    plans = tuple(replace(plan, start_h=120.0) for plan in patient.plans)
    changed = replace(patient, plans=plans)
    left = left_over(changed, fit, assess(changed, fit))["Lu-177"]
    assert left.of_MBq == 7400.0
    assert left.bound_MBq == pytest.approx(7400.0 * np.exp(-LU177 * 120.0), rel=1e-6)
    held = 7400.0 * activity_after(fit, "kidney_right", LU177, 120.0)
    summary = left.measured_MBq["kidney_right"]
    assert summary.median == pytest.approx(np.median(held), rel=1e-6)


def test_a_marrow_limit_and_its_dose_rate_at_the_transplantation(
    patient: Patient, fit: Fit
) -> None:
    """The liver's curve as that of 1170 g of marrow, after Lu-177.

    OLINDA-type, male: 1.15e-5 of itself, 3.35e-8 mGy/(MBq s) of both kidneys.
    """
    marrow = replace(patient.regions[2], organ="red_marrow", mass_g=1170.0, mass_cv=0.0)
    limited = replace(
        patient,
        regions=(*patient.regions[:2], marrow),
        limits=(Limit("liver", 2.0, None),),
        waived=(Waiver("kidneys", "a test"),),
        transplantation_day=14.0,
    )
    check_answerable(limited)
    masses = {**fit.posterior.exact_masses, "liver": 1170.0}
    weighed = replace(fit, posterior=replace(fit.posterior, exact_masses=masses))
    found = assess(limited, weighed)
    choice = found.choices["Lu-177"]
    assert choice.decision is not None
    left = at_transplantation(limited, weighed, found, choice)
    assert left is not None
    assert left.marrow_mGy_per_h is not None
    own, *kidneys = (
        left.of_MBq * activity_after(fit, name, LU177, 336.0)
        for name in ("liver", "kidney_left", "kidney_right")
    )
    rate = 3600.0 * (1.15e-5 * own + 3.35e-8 * sum(kidneys))  # mGy/h
    assert left.marrow_mGy_per_h.median == pytest.approx(np.median(rate), rel=0.01)
    assert any("red marrow: photons" in w for w in warnings(limited, weighed, found))


def test_without_any_limit_nothing_is_decided(patient: Patient, fit: Fit) -> None:
    waived = (*patient.waived, Waiver("kidneys", "a test"))
    found = assessed(patient, fit, limits=(), waived=waived)
    assert all(choice.decision is None for choice in found.choices.values())
    assert all(choice.refused is None for choice in found.choices.values())


def test_an_activity_above_what_is_usually_prepared_is_told(
    patient: Patient, fit: Fit
) -> None:
    """8 GBq of Y-90 in one syringe; four cycles divide it."""
    many = replace(patient, limits=(Limit("kidneys", 60.0, None),))
    found = assess(many, fit)
    decision = found.choices["Y-90"].decision
    assert decision is not None
    assert 8.0 < decision.activity_GBq < 32.0
    words = "of Y-90 in one syringe is more than is usually prepared: up to 8 GBq"
    assert any(words in line for line in warnings(many, fit, found))
    four = replace(many, plans=tuple(replace(p, cycles=4) for p in many.plans))
    said = warnings(four, fit, assess(four, fit))
    assert not any(words in line for line in said)


def test_a_result_carries_every_table(patient: Patient, fit: Fit) -> None:
    full = replace(
        patient,
        limits=BED,
        plans=tuple(replace(p, cycles=2, start_h=168.0) for p in patient.plans),
        history=(History("kidneys", "bed", 3.0, 1.0, "external beam 2019"),),
        treatments=(Treatment(72.0, "dexa-BEAM"),),
        transplantation_day=14.0,
        model_choice_cv=0.1,
    )
    check_answerable(full)
    found = assess(full, fit)
    result = build_result(full, fit, found)
    assert result.history == ["kidneys: 3 Gy (sd 1) of BED, external beam 2019"]
    assert any("dexa-BEAM" in line for line in result.warnings)
    decision = found.choices["Y-90"].decision
    assert decision is not None
    assert decision.activity_per_cycle_GBq == pytest.approx(decision.activity_GBq / 2.0)
    written = result.model_dump_json()
    for words in ("external beam 2019", "model choice", "dexa-BEAM"):
        assert words in written
    budget = result.budgets["Y-90"]["kidneys"]
    alone = sum(share.first_order for share in budget.factors.values())
    assert alone + budget.interactions + budget.dependence == pytest.approx(1.0)
