"""Saturable systems against simulate, integrals to infinity, and a patient's plan.

The label's course is that of `simulate`, which other tests hold against LSODA; with
scarce ligand a dose is that of the linear model, with plenty it is not.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pbpk12_model as pbpk12
import pytest
from clinic_patients import PATIENT, replaced, write_patient
from made_up_fit import PASSED

from pkmodels import Administration, Schedule, assemble, nuclide, simulate
from pkmodels.clinic.answerable import check_answerable
from pkmodels.clinic.assessment import assess
from pkmodels.clinic.assumptions import assumptions
from pkmodels.clinic.cautions import warnings
from pkmodels.clinic.model_checks import model_problems
from pkmodels.clinic.patient import Patient
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_models import (
    body_of,
    held_uncertain,
    own_volumes_L,
    patient_model,
)
from pkmodels.clinic.patient_summary import summarize
from pkmodels.clinic.question import build_posterior
from pkmodels.definition import Model
from pkmodels.dosimetry.biological_dose import g_factor
from pkmodels.dosimetry.solved_protraction import protraction_of
from pkmodels.errors import InputError, ModelError
from pkmodels.exact import Doses
from pkmodels.fitting.anchoring import problem_of
from pkmodels.fitting.fit import Fit, compile_fit
from pkmodels.fitting.posterior import EXPECTED
from pkmodels.fitting.prediction import predict, predict_curves
from pkmodels.fitting.sampling import Draws
from pkmodels.models import organ_exchange, pentixather
from pkmodels.saturable import SaturableSystem, compile_saturable
from pkmodels.time_integrals import integrate_observables
from pkmodels.values import draw_values, typical

DECAY = nuclide("Lu-177").decay_constant_per_h
VARIED = ("kon", "RT", "GFR")
FIXED = {k: v for k, v in pbpk12.TRUE_VALUES.items() if k not in VARIED}
TRUTH = np.array([pbpk12.TRUE_VALUES[name] for name in VARIED])
ORGANS = ("tumour", "kidney")
DRAWS = TRUTH * np.array([[1.0, 1.0, 1.0], [0.5, 2.0, 0.8], [2.0, 0.7, 1.3]])
TIMES = np.array([0.1, 0.5, 4.0, 24.0, 168.0])


def organs_only() -> Model:
    model = pbpk12.model()
    return replace(model, observables={n: model.observables[n] for n in ORGANS})


@pytest.fixture(scope="module")
def compiled() -> SaturableSystem:
    return compile_saturable(organs_only(), "x", VARIED, FIXED, infusions=True)


def doses(activity: float, nmol: float, length_h: float = 0.3) -> Doses:
    return Doses(
        np.zeros(1), np.array([length_h]), np.array([activity]), DECAY, np.array([nmol])
    )


def schedule(activity: float, nmol: float, length_h: float = 0.3) -> Schedule:
    given = Administration(0.0, length_h, "x", "Lu-177", activity, ligand_nmol=nmol)
    return Schedule((given,))


@pytest.mark.parametrize("nmol", [0.5, 56.0, 2000.0])
def test_curves_are_those_of_simulate(compiled: SaturableSystem, nmol: float) -> None:
    given = schedule(0.3, nmol)
    found = predict_curves(compiled, DRAWS, doses(0.3, nmol), TIMES)
    for row, values in zip(found, DRAWS, strict=True):
        parameters = {**FIXED, **dict(zip(VARIED, values, strict=True))}
        system = assemble(organs_only(), given.form)
        expected = simulate(system, parameters, given, TIMES).observables
        for column, organ in enumerate(ORGANS):
            np.testing.assert_allclose(row[:, column], expected[organ], rtol=2e-5)


@pytest.mark.parametrize("nmol", [56.0, 2000.0])
def test_integrals_reach_infinity_and_split_at_any_time(
    compiled: SaturableSystem, nmol: float
) -> None:
    split = np.array([24.0, 96.0])
    found = predict(compiled, DRAWS, doses(1.0, nmol), split)
    given = schedule(1.0, nmol)
    system = assemble(organs_only(), given.form)
    dense = np.linspace(0.0, 96.0, 20_001)
    for row, values in enumerate(DRAWS):
        parameters = {**FIXED, **dict(zip(VARIED, values, strict=True))}
        expected = integrate_observables(system, parameters, given, "Lu-177", ORGANS)
        curves = simulate(system, parameters, given, dense).observables
        for column, organ in enumerate(ORGANS):
            total = found.time_integrals[row, column]
            assert total == pytest.approx(expected.values[organ], rel=1e-5)
            until = dense <= split[column]
            early = np.trapezoid(curves[organ][until], dense[until])
            assert total - found.tails[row, column] == pytest.approx(early, rel=1e-4)
            at = np.interp(split[column], dense, curves[organ])
            assert found.at_last[row, column] == pytest.approx(at, rel=1e-4)


def test_what_is_given_twice_or_without_its_amount_is_refused(
    compiled: SaturableSystem,
) -> None:
    unknown = doses(1.0, 1.0)._replace(ligand_nmol=None)
    with pytest.raises(InputError, match="one dose whose amount of ligand is known"):
        predict_curves(compiled, DRAWS, unknown, TIMES)
    twice = Doses(np.zeros(2), np.zeros(2), np.ones(2), DECAY, np.ones(2))
    with pytest.raises(InputError, match="got 2 doses"):
        predict_curves(compiled, DRAWS, twice, TIMES)


def test_a_parameter_that_is_missing_or_misspelt_is_refused() -> None:
    with pytest.raises(InputError, match="'GFR' of 'pbpk12' is not given"):
        compile_saturable(organs_only(), "x", ("kon", "RT"), FIXED, infusions=True)
    with pytest.raises(InputError, match=r"no parameter 'kom'.*'kon'"):
        compile_saturable(organs_only(), "x", ("kom",), FIXED, infusions=True)
    both = {**FIXED, "kon": 2.4}
    with pytest.raises(InputError, match="both varied and fixed"):
        compile_saturable(organs_only(), "x", VARIED, both, infusions=True)


def test_linear_models_and_readings_that_are_no_activity_are_refused() -> None:
    model = organ_exchange.model(("kidney",))
    names = tuple(str(p) for p in model.parameters)
    with pytest.raises(ModelError, match="nothing saturates"):
        compile_saturable(model, "x", names, {}, infusions=False)
    model = pbpk12.model()
    shown = model.observables
    uneven = replace(model, observables={"odd": shown["plasma"] / shown["tumour"]})
    with pytest.raises(ModelError, match=r"'odd' of 'pbpk12'.*sum of activities"):
        compile_saturable(uneven, "x", VARIED, FIXED, infusions=False)


# --- a patient whose file names a model that saturates ---------------------------

MEASURED = """\
region,label,modality,start_h,end_h,value,unit,sd,decay_corrected_to_h
kidney_left,Lu-177,SPECT,24,,3.0,MBq,,
kidney_left,Lu-177,SPECT,96,,1.1,MBq,,
kidney_right,Lu-177,SPECT,24,,2.8,MBq,,
kidney_right,Lu-177,SPECT,96,,1.0,MBq,,
liver,Lu-177,SPECT,24,,16.0,MBq,,
liver,Lu-177,SPECT,96,,10.0,MBq,,
"""
SATURABLE = PATIENT
for old, new in (
    ("body_mass_kg = 70", "body_mass_kg = 70\nheight_cm = 165"),
    ('"dotatate"', '"pentixather"'),
    ("activity_MBq = 7400.0", "activity_MBq = 200.0"),
    ("ligand_mass_ug = 200.0", "ligand_mass_ug = 75.0"),
    ("duration_h = 0.5\n", "duration_h = 0.5\nligand_mass_ug = 250.0\n"),
    ("confidence = 0.95", 'confidence = 0.95\nmodel = "pentixather"'),
):
    SATURABLE = SATURABLE.replace(old, new)


def read(folder: Path, text: str = SATURABLE) -> Patient:
    return read_patient(write_patient(folder, text, MEASURED))


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    found = read(tmp_path_factory.mktemp("saturable"))
    check_answerable(found)
    return found


@pytest.fixture(scope="module")
def fit(patient: Patient) -> Fit:
    """A fit of which the draws are made up: patients as the priors know them."""
    posterior = build_posterior(patient)
    variables = {
        name: np.stack(list(draw_values(group, 400, seed=1).values()), axis=-1).reshape(
            4, 100, -1
        )
        for name, group in posterior.all_priors.items()
    }
    count = len(posterior.observations.value)
    variables[EXPECTED] = np.broadcast_to(posterior.observations.value, (4, 100, count))
    shape = (4, 100)
    draws = Draws(variables, np.zeros((*shape, 1)), np.zeros(shape, bool), 0.95)
    return Fit(posterior, draws, PASSED, seed=0)


@pytest.mark.slow
def test_a_planned_dose_is_simulated_with_the_planned_mass(
    patient: Patient, fit: Fit
) -> None:
    assessment = assess(patient, fit)
    planned = assessment.choices["Y-90"].exposures
    chosen = patient_model(patient, "pentixather")
    nmol = 250.0 / pentixather.MOLECULES["pentixather"].molar_mass_g_per_mol.value * 1e3
    given = Schedule(
        (Administration(0.0, 0.5, "pentixather", "Y-90", 1.0, ligand_nmol=nmol),)
    )
    system = assemble(chosen.model, given.form)
    names = ("kidney_left", "kidney_right", "liver")
    drawn = fit.parameters()
    for draw in (0, 17):
        values = dict(zip(fit.posterior.compiled.parameters, drawn[draw], strict=True))
        parameters = {**chosen.fixed, **values}
        expected = integrate_observables(system, parameters, given, "Y-90", names)
        for name in names:
            found = planned[name].tiac_h[draw]
            assert found == pytest.approx(expected.values[name], rel=1e-5)
        solved = protraction_of(
            system,
            parameters,
            given,
            float(assessment.dosimetry.responses["kidneys"].repair_half_time_h[draw]),
            observables=("kidney_left",),
        )
        expected_g = g_factor(np.ones((1, 1)), solved.q, solved.time_integrals)
        protraction = planned["kidney_left"].protraction
        assert protraction is not None
        # Cross-dose of the other regions moves the whole a little.
        assert protraction[draw] == pytest.approx(float(expected_g[0]), rel=0.02)


def test_the_posterior_predicts_what_simulate_does(patient: Patient, fit: Fit) -> None:
    posterior = fit.posterior
    sampler = compile_fit(posterior).sampler
    centre = problem_of(posterior).centre
    drawn = dict(zip(sampler.names, sampler.constrain(centre[None, None]), strict=True))
    one = {name: np.asarray(values)[0, 0] for name, values in drawn.items()}
    chosen = patient_model(patient, "pentixather")
    groups = posterior.all_priors
    values = dict(zip(groups["kinetics"], one["kinetics"], strict=True))
    values |= dict(zip(groups["proportion"], one["proportion"], strict=True))
    system = assemble(chosen.model, patient.schedule.form)
    curves = simulate(
        system,
        {**chosen.fixed, **values},
        patient.schedule,
        np.array([24.0, 96.0]),
    ).observables
    truth = [
        curves[m.region][[24.0, 96.0].index(m.start_h)] for m in patient.measurements
    ]
    expected = one["calibration"][0] * np.array(truth)
    np.testing.assert_allclose(one[EXPECTED], expected, rtol=2e-5)


def test_the_patients_own_volumes_enter(tmp_path: Path) -> None:
    text = SATURABLE.replace('model = "pentixather"', 'model = "dotatate_pbpk"')
    text = text.replace('"pentixather"', '"dotatate"')
    fixed = patient_model(read(tmp_path, text), "pentixather").fixed
    assert fixed["volume_kidneys"] == pytest.approx(0.310)  # 160 + 150 g
    assert fixed["volume_liver"] == pytest.approx(1.4)  # the reference woman's


def test_what_is_held_is_said(patient: Patient, fit: Fit) -> None:
    held = held_uncertain(patient)
    assert held
    said = "\n".join(assumptions(patient, fit, None))
    cautioned = "\n".join(warnings(patient, fit, None))
    for name in held:
        assert f"{name} is held at the median of its prior" in said
        assert name in cautioned
    assert "binding rates that are priors, not measured" in cautioned
    assert "organ_exchange cannot tell" not in cautioned


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "ligand_mass_ug = 250.0\n",
            "",
            r"\[\[plan\]\] number 1.*state ligand_mass_ug",
        ),
        ("ligand_mass_ug = 75.0\n", "", r"\[\[administration\]\] number 1.*state"),
        (
            'model = "pentixather"',
            'model = "dotatate_pbpk"',
            "describes dotatate, not pentixather",
        ),
        ('model = "pentixather"', 'model = "pentixater"', "did you mean 'pentixather'"),
        (
            "[decision]",
            "[uncertainty]\nligand_mass_cv = 0.1\n[decision]",
            "simulates what another mass changes",
        ),
        (
            "[regions.liver]\norgan",
            '[regions.lung]\norgan = "lung"\n[regions.liver]\norgan',
            None,
        ),
    ],
)
def test_what_the_model_cannot_answer_is_refused(
    tmp_path: Path, old: str, new: str, message: str | None
) -> None:
    patient = read(tmp_path, replaced(SATURABLE, old, new))
    if message is None:  # a region that was not measured asks nothing of the model
        check_answerable(patient)
        return
    with pytest.raises(InputError, match=message):
        check_answerable(patient)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("= 250.0", "= 250000.0", r"\[\[plan\]\] number 1 ligand_mass_ug = 250000"),
        (
            "= 75.0",
            "= 7500.0",
            r"\[\[administration\]\] number 1 ligand_mass_ug = 7500",
        ),
        ("height_cm = 165\n", "", "height_cm is missing"),
        ("height_cm = 165", "height_cm = 165\nhaematocrit = 0.9", "0.9: .* adults"),
        ("body_mass_kg = 70", "body_mass_kg = 5", "body_mass_kg = 5: .* adults"),
        (
            'organ = "liver"',
            'organ = "liver"\nmass_g = 400\nmass_cv = 0.05',
            "the regions of liver are 0.4 L, which is not all of it",
        ),
    ],
)
def test_a_number_that_the_model_is_not_written_for_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_answerable(read(tmp_path, replaced(SATURABLE, old, new)))


def test_one_kidney_and_a_tumour_without_size_are_refused(patient: Patient) -> None:
    left, right, liver = patient.regions
    scans = [m for m in patient.measurements if m.region != right.name]
    scans += [replace(m, region="iliac") for m in scans if m.region == liver.name]
    lesion = replace(liver, name="iliac", organ="tumour")
    spoilt = replace(patient, measurements=tuple(scans), regions=(left, liver, lesion))
    found = "\n".join(model_problems(spoilt))
    assert f"[regions.{left.name}] is one kidney" in found
    assert "[regions.iliac] mass_g is missing" in found


def test_a_tumour_may_be_called_as_an_organ_is(patient: Patient) -> None:
    left, right, liver = patient.regions
    lesion = replace(liver, name="adrenal", organ="tumour", mass_g=20.0)
    found = own_volumes_L(replace(patient, regions=(left, right, lesion)))
    assert found["adrenal"] == pytest.approx(0.02)
    assert "adrenals" not in found


def test_one_adrenal_is_not_taken_for_both(patient: Patient) -> None:
    one = replace(patient.regions[2], name="adrenal", organ="adrenal", mass_g=7.0)
    spoilt = replace(patient, regions=(*patient.regions, one))
    assert "the regions of adrenals are 0.007 L" in "\n".join(model_problems(spoilt))


def test_kidneys_of_which_one_has_no_mass_keep_the_reference_volume(
    patient: Patient,
) -> None:
    left, right, liver = patient.regions
    assert own_volumes_L(patient)["kidneys"] == pytest.approx(0.31)
    bare = replace(patient, regions=(left, replace(right, mass_g=None), liver))
    assert "kidneys" not in own_volumes_L(bare)


def test_the_body_is_stated_and_covariates_count(tmp_path: Path) -> None:
    sized = SATURABLE.replace(
        "body_mass_kg = 70\nheight_cm = 165",
        "body_mass_kg = 80\nheight_cm = 180\nhaematocrit = 0.4",
    )
    patient = read(tmp_path, sized)
    assert body_of(patient).bsa_m2 == pytest.approx(2.0)  # sqrt(180 x 80 / 3600)
    assert "of no effect" not in summarize(patient)


def test_too_little_ligand_for_the_activity_names_the_files_keys(
    tmp_path: Path,
) -> None:
    scarce = replaced(SATURABLE, "ligand_mass_ug = 75.0", "ligand_mass_ug = 0.01")
    with pytest.raises(InputError, match=r"activity_MBq \(MBq\) or ligand_mass_ug"):
        read(tmp_path, scarce)


def test_a_mass_far_from_the_measured_one_is_a_warning(
    tmp_path: Path, fit: Fit
) -> None:
    far = read(tmp_path, replaced(SATURABLE, "= 250.0", "= 450.0"))
    assert any("6 times the ligand" in text for text in warnings(far, fit, None))


@pytest.mark.slow
def test_a_second_administration_is_solved_with_what_the_first_left(
    tmp_path: Path,
) -> None:
    again = SATURABLE.replace(
        "[regions.kidney_left]",
        "[[administration]]\ntime_h = 500.0\nduration_h = 0.0\n"
        'ligand = "pentixather"\nlabel = "Lu-177"\nactivity_MBq = 200.0\n'
        "ligand_mass_ug = 75.0\n\n[regions.kidney_left]",
        1,
    )
    patient = read(tmp_path, again)
    check_answerable(patient)
    compiled = build_posterior(patient).compiled
    assert isinstance(compiled, SaturableSystem)
    chosen, given = patient_model(patient, "pentixather"), patient.schedule
    values = typical(chosen.priors)
    truth = np.array([values[name] for name in compiled.parameters])
    times = np.array([96.0, 499.0, 510.0, 600.0])
    found = compiled.solve_labels(truth, compiled.given(given), times)[0]
    found = np.asarray(found @ compiled.observe(truth).T)
    system = assemble(chosen.model, given.form)
    curves = simulate(system, {**chosen.fixed, **values}, given, times).observables
    for column, name in enumerate(compiled.system.observables):
        np.testing.assert_allclose(found[:, column], curves[name], rtol=1e-4)
