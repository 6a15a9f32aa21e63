"""A cohort as the prior of the next patient: its file, and what the clinic does."""

from dataclasses import replace
from html import escape

import numpy as np
import pytest
import xarray as xr
from clinic_patients import MEASUREMENTS, PATIENT, replaced, write_patient
from made_up_cohort_prior import NAMED, ORGANS, content, table
from made_up_cohort_prior import write_with_cohort as write

from pkmodels.clinic import cohort_learning, cohort_prior_file
from pkmodels.clinic.cohort import Cohort
from pkmodels.clinic.cohort_learning import learn_prior
from pkmodels.clinic.cohort_learnt_text import learnt_lines
from pkmodels.clinic.cohort_page import write_cohort_page
from pkmodels.clinic.cohort_prior import (
    BLOOD_HALF_TIME,
    cohort_parameters,
    compared_organs,
    fraction_of,
    half_life_of,
    measured_digest,
    parameter_keys,
    region_keys,
    subject_digest,
)
from pkmodels.clinic.cohort_prior_file import cohort_prior_text, parse_cohort_prior
from pkmodels.clinic.cohort_rows import ANSWERED, FAILED, REFUSED, CohortRow
from pkmodels.clinic.command_line import main
from pkmodels.clinic.occasions import build_experiments
from pkmodels.clinic.patient_files import read_patient
from pkmodels.clinic.patient_summary import summarize
from pkmodels.cohorts.runs import Progress
from pkmodels.errors import InputError
from pkmodels.fitting.cohort_posterior import LEAST_PATIENTS, CohortPosterior
from pkmodels.fitting.reused_draws import Reuse
from pkmodels.models import organ_exchange


def test_the_file_gives_back_what_was_written():
    text = cohort_prior_text(content(), "prior.toml")
    read = parse_cohort_prior(text, "prior.toml")
    assert read.cohort == 'the "department"'
    assert read.ligand_mass_ug == (150.0, 250.0)
    given = read.priors["biological_half_life_kidney_right"]
    assert dict(given.parameters) == {"median": 46.0, "log_sd": 0.25}
    assert "cohort 'the \"department\"', 9 patients" in given.source
    assert text.startswith("# What 12 patients of one department tell")
    assert cohort_prior_file.LEAST_PATIENTS == LEAST_PATIENTS


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("log_sd = 0.3", "log_sd = -0.3", ["blood_half_time] log_sd", "above 0"]),
        ("median = 1.7", 'median = "x"', ["blood_half_time] median: found 'x'"]),
        ("patients = 12", "patients = 5", ["patients: found 5", "8 or more"]),
        ("seed = 0", "sed = 0", ["sed: unknown key; did you mean 'seed'"]),
        ("model = ", 'model = "pentixather" #', ["only 'organ_exchange' has cohorts"]),
        ("log_sd = 0.3", "", ["[parameter.blood_half_time] log_sd is missing"]),
        ("prior/1", "prior/2", ["found 'pkmodels-cohort-prior/2'"]),
        ("seed = 0", "seed = ", ["not valid TOML"]),
        ("patients = 12\nleft", "patients = 13\nleft", ["12 digests of 13 patients"]),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_key(tmp_path, old, new, told):
    folder = write(tmp_path / "P")
    text = (folder / "prior.toml").read_text("utf-8")
    (folder / "prior.toml").write_text(replaced(text, old, new), "utf-8")
    with pytest.raises(InputError) as refused:
        read_patient(folder)
    for words in ["prior.toml: ", *told]:
        assert words in str(refused.value)


def test_a_patient_takes_the_cohorts_priors_and_its_own_for_the_rest(tmp_path):
    patient = read_patient(write(tmp_path / "P"))
    _, shares = build_experiments(patient)
    priors = shares.priors
    assert priors.independent["blood_half_time"].parameters["median"] == 1.7
    assert priors.odds["fraction_kidney_left"].parameters["log_sd"] == 0.4
    # The library's, since the cohort does not tell of it.
    assert priors.odds["fraction_kidney_right"].parameters["median"] == 0.012
    assert priors.independent["biological_half_life_liver"].parameters["log_sd"] == 1.0
    [told] = [w for w in patient.warnings if "model's own prior" in w]
    assert "fraction_kidney_right" in told
    assert "biological_half_life_liver" in told
    said = summarize(patient)
    assert "Priors of the kinetics:" in said
    assert "blood_half_time: log-normal, median 1.7 h, sd of ln 0.3 (derived:" in said


def test_fractions_of_other_organs_are_not_used(tmp_path):
    """Of the ratio to what is eliminated, which then holds another organ's."""
    patient = read_patient(write(tmp_path / "P", organs=[*ORGANS, "spleen"]))
    assert set(cohort_parameters(patient)) == {
        "blood_half_time",
        "biological_half_life_kidney_left",
        "biological_half_life_kidney_right",
    }
    assert any("uptake fractions are not used" in w for w in patient.warnings)


def test_regions_go_by_organ_and_side_and_tumours_by_nothing(tmp_path):
    text = replaced(NAMED, "[regions.liver]", "[regions.big_liver]")
    text = text.replace("kidney_left", "a").replace("kidney_right", "b")
    for name, side in (("a", "left"), ("b", "right")):
        text = replaced(text, f"[regions.{name}]", f'[regions.{name}]\nside = "{side}"')
    text += '[regions.lesion]\norgan = "tumour"\n'
    rows = MEASUREMENTS.replace("liver", "big_liver")
    rows = rows.replace("kidney_left", "a").replace("kidney_right", "b")
    rows += "lesion,Lu-177,SPECT,24,,7,MBq,,\nlesion,Lu-177,SPECT,96,,3,MBq,,\n"
    patient = read_patient(write(tmp_path / "P", text, rows))
    assert region_keys(patient) == {
        "a": "kidney_left",
        "b": "kidney_right",
        "big_liver": "liver",
        "lesion": None,
    }
    assert compared_organs(patient) == tuple(ORGANS)
    assert parameter_keys(patient)["fraction_a"] == "fraction_kidney_left"
    assert "fraction_a" in cohort_parameters(patient)
    assert "fraction_lesion" not in cohort_parameters(patient)


def without(text, region):
    """Return measurements without a region's."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if not line.startswith(f"{region},")
    )


def of_one_region(name, organ):
    """Return a patient and measurements with one region of the kidneys."""
    text = replaced(NAMED, '"kidney_left", "kidney_right"', f'"{name}"')
    text = replaced(
        text,
        '[regions.kidney_left]\norgan = "kidney"',
        f'[regions.{name}]\norgan = "{organ}"',
    )
    start, end = (text.index(f"[regions.{each}]") for each in ("kidney_right", "liver"))
    text = text[:start] + text[end:]
    rows = without(MEASUREMENTS, "kidney_right").replace("kidney_left", name)
    return text, rows


@pytest.mark.parametrize(
    ("name", "organ"),
    [("kidney_left", "kidney"), ("renal", "kidney"), ("both", "kidneys"), (None, None)],
)
def test_one_kidney_alone_keeps_the_models_own_prior_and_it_is_told(
    tmp_path, name, organ
):
    """The cohort's are of one of two: the only one, or both, is another organ."""
    if name is not None:
        text, rows = of_one_region(name, organ)
    else:  # two regions, both of the left one
        side = '[regions.kidney_right]\nside = "left"'
        text, rows = replaced(NAMED, "[regions.kidney_right]", side), MEASUREMENTS
        name = "kidney"
    # Even where the file is of such patients, as one of before may be.
    organs = ["kidney_left", "liver"]
    with_it = read_patient(write(tmp_path / "P", text, rows, organs=organs))
    plain = replace(with_it, cohort_prior=None)
    assert set(cohort_parameters(with_it)) == {BLOOD_HALF_TIME}
    given, own = (build_experiments(each)[1].priors for each in (with_it, plain))
    ours = {n: p for n, p in {**own.odds, **own.independent}.items() if name in n}
    assert len(ours) >= 2
    assert ours.items() <= {**given.odds, **given.independent}.items()
    [told] = [w for w in with_it.warnings if w.startswith("not told of by the cohort")]
    assert all(each in told for each in ours)
    assert any("uptake fractions are not used" in w for w in with_it.warnings)


def test_kidneys_as_one_region_are_told_to_be_both(tmp_path):
    text, rows = of_one_region("both", "kidneys")
    given = {"biological_half_life_kidneys": table(45.0, 0.25)}
    patient = read_patient(write(tmp_path / "P", text, rows, parameter=given))
    assert set(cohort_parameters(patient)) == {"biological_half_life_both"}
    assert any("has one kidney only, remove" in w for w in patient.warnings)


def test_regions_that_have_no_name_in_common_make_no_fractions_alike(tmp_path):
    """Two patients' single kidneys are not known to be the same organ."""
    text, rows = of_one_region("kidney_left", "kidney")
    changed = {
        "organs": ["liver", "region kidney_left"],
        "parameter": {"fraction_liver": table(0.1, 0.2, unit="")},
    }
    patient = read_patient(write(tmp_path / "P", text, rows, **changed))
    assert compared_organs(patient) == ("liver", "region kidney_left")
    assert cohort_parameters(patient) == {}


def test_who_is_in_the_cohort_is_not_fitted_with_it(tmp_path):
    ids = [subject_digest(name) for name in ["TEST ", *map(str, range(11))]]
    with pytest.raises(InputError, match="would count twice"):
        read_patient(write(tmp_path / "id", subjects=sorted(ids)))
    plain = read_patient(write_patient(tmp_path / "plain"))
    marks = [measured_digest(plain), *ids[1:]]
    # Under another id, with rows in another order and a comment.
    head, *rows = MEASUREMENTS.splitlines()[1:]
    other = "\n".join(["# again", head, *rows[::-1]]) + "\n"
    named = replaced(NAMED, 'id = "test"', 'id = "new"')
    with pytest.raises(InputError, match="these very measurements"):
        read_patient(write(tmp_path / "m", named, other, measured=sorted(marks)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('ligand = "dotatate"', 'ligand = "pentixather"', "is of the ligand dotatate"),
        (
            "confidence",
            'model = "pentixather"\nconfidence',
            "is of the model organ_exch",
        ),
    ],
)
def test_another_ligand_or_model_is_refused(tmp_path, capsys, old, new, told):
    text = NAMED.replace(old, new)
    text = text.replace("duration_h = 0.5", "duration_h = 0.5\nligand_mass_ug = 200")
    folder = write(tmp_path / "P", text)
    assert main(["check", str(folder)]) == 2
    assert told in capsys.readouterr().err


def test_a_model_compared_with_is_refused_too(tmp_path):
    """`pkmodels compare` exchanges the model after the files were read."""
    patient = read_patient(write(tmp_path / "P"))
    with pytest.raises(InputError, match="is of the model organ_exchange"):
        build_experiments(replace(patient, model="pentixather"))


def test_another_ligand_mass_is_told(tmp_path):
    patient = read_patient(write(tmp_path / "P", ligand_mass_ug=[10.0, 50.0]))
    assert any(
        "200 ug of ligand, and the cohort with 10 to" in w for w in patient.warnings
    )
    unknown = read_patient(write(tmp_path / "Q", ligand_mass_ug=None))
    assert any("mass of the cohort" in w for w in unknown.warnings)


def test_parameters_are_called_as_the_model_calls_them():
    assert organ_exchange.BLOOD_HALF_TIME == BLOOD_HALF_TIME
    assert organ_exchange.fraction_name("liver") == fraction_of("liver")
    assert organ_exchange.half_life_name("liver") == half_life_of("liver")


def test_a_missing_file_is_told(tmp_path):
    folder = write_patient(tmp_path / "P", NAMED)
    with pytest.raises(InputError, match=r"\[cohort_prior\] file: 'prior.toml' is no"):
        read_patient(folder)


PATIENTS = 10


def known_posterior(cohort, *, seed, progress=None):
    """Return a population that is known exactly, in the place of NUTS."""
    own = cohort.y.mean(axis=1)
    mean, sd = (np.tile(f(own, axis=0), (600, 1)) for f in (np.mean, np.std))
    nothing = np.zeros(mean.shape[1])
    reuse = Reuse(nothing, np.ones(len(own)), nothing, 0.0)
    return CohortPosterior(cohort, mean, sd, reuse, 1.0, 1e3, {})


@pytest.fixture
def department(tmp_path, monkeypatch):
    """A cohort of made-up draws: kidneys' half-lives of 30 h times 1.1 to the i."""
    monkeypatch.setattr(cohort_learning, "learn_cohort", known_posterior)
    generator = np.random.default_rng(0)
    rows = []
    for i in range(PATIENTS + 3):
        name, patient, passed = f"P{i}", PATIENT, 1
        text = MEASUREMENTS.replace("24,,70", f"24,,{70 + i}")
        if i == PATIENTS:
            text = MEASUREMENTS.replace("24,,70", "24,,70.0")  # P0's, called otherwise
        if i == PATIENTS + 1:
            passed = 0
        if i == PATIENTS + 2:
            patient = replaced(
                patient, "confidence", 'model = "pentixather"\nconfidence'
            )
            patient = patient.replace("dotatate", "pentixather")
            patient = replaced(
                patient, "duration_h = 0.5", "duration_h = 0.5\nligand_mass_ug = 200"
            )
        patient = replaced(patient, 'id = "test"', f'id = "{name}"')
        write_patient(tmp_path / name, patient, text)
        names = [BLOOD_HALF_TIME, *map(half_life_of, ORGANS)]
        values = np.exp(0.05 * generator.standard_normal((4, 300, 4)))
        values *= np.array([1.0, 30.0 * 1.1**i, 30.0 * 1.1**i, 100.0])
        odds = 0.02 * np.exp(0.05 * generator.standard_normal((4, 300, 3)))
        posterior = xr.Dataset(
            {
                "kinetics": (("chain", "draw", "kinetics_of"), values),
                "uptake_odds": (("chain", "draw", "uptake_odds_of"), odds),
            },
            {"kinetics_of": names, "uptake_odds_of": list(map(fraction_of, ORGANS))},
        )
        tree = xr.DataTree.from_dict({"posterior": posterior})
        tree.attrs["checks_passed"] = passed
        (tmp_path / "out" / "patients" / name).mkdir(parents=True)
        path = tmp_path / "out" / "patients" / name / "posterior.nc"
        tree.to_netcdf(path, engine="h5netcdf")
        # What was refused for its last scan is used; its fit passed.
        rows.append(CohortRow(name, name, REFUSED if i in (3, 11) else ANSWERED, ""))
    rows.append(CohortRow("broken", "", FAILED, "SolveError"))
    return tmp_path, Cohort(tuple(rows), (), Progress(1, 0, 0, 1, None))


def test_a_cohort_is_learnt_from_every_sound_fit_and_others_are_named(department):
    folder, cohort = department
    found = learn_prior(folder, folder / "out", cohort, 0)
    assert found.content.patients == PATIENTS
    assert set(found.left_out) == {"P10", "P11", "P12", "broken"}
    assert found.left_out["P10"] == "the same patient as P0"
    assert found.left_out["P11"] == "the fit failed its checks"
    assert found.left_out["P12"].startswith("fitted with pentixather")
    # The median of 30 x 1.1^i, i = 0 to 9, and the sd of its ln.
    of = found.learnt["biological_half_life_kidney_left"]
    assert of.prior.parameters["median"] == pytest.approx(30.0 * 1.1**4.5, rel=0.01)
    spread = np.log(1.1) * np.arange(10).std()
    assert of.spread[1] == pytest.approx(spread, rel=0.03)
    # Both kidneys are the same here: sqrt(2), so that their mean keeps its spread.
    sd = of.prior.parameters["log_sd"]
    assert sd == pytest.approx(np.sqrt(2.0) * spread, rel=0.02)
    text = cohort_prior_text(found.content, "p.toml")
    assert parse_cohort_prior(text, "p.toml").organs == tuple(ORGANS)
    assert subject_digest("p3") in parse_cohort_prior(text, "p.toml").subjects
    told = "\n".join(learnt_lines(found))
    assert "all together by at most 0 (variance of the weights 0)" in told
    assert found.content.checked_together
    unlike = replace(found.posterior.reuse, variance=3.0)
    unknown = replace(found, posterior=replace(found.posterior, reuse=unlike))
    assert "NOT CHECKED against the draws" in "\n".join(learnt_lines(unknown))
    assert "left out: P11: the fit failed its checks" in told


def test_the_page_shows_what_was_learnt_beside_the_models_own(department):
    folder, cohort = department
    found = learn_prior(folder, folder / "out", cohort, 0)
    write_cohort_page(folder / "cohort.html", cohort, "c", found)
    html = (folder / "cohort.html").read_text("utf-8")
    assert "The next patient, as 10 of these tell" in html
    assert "biological_half_life_kidney_left" in html
    assert "60 h, 1" in html  # the own one of a kidney: 60 h, sd of ln 1
    assert "P12 is left out: fitted with pentixather" in html
    assert 'src="http' not in html
    assert escape(found.content.hyperprior) in html.replace("&#39;", "&#x27;")


def test_too_few_and_two_ligands_are_refused(department):
    folder, cohort = department
    few = replace(cohort, rows=cohort.rows[:5] + cohort.rows[-1:])
    with pytest.raises(InputError, match=r"5 patients can be used.*broken: failed"):
        learn_prior(folder, folder / "out", few, 0)
    path = folder / "P1" / "patient.toml"
    text = path.read_text("utf-8").replace("dotatate", "pentixather")
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="were given dotatate, pentixather"):
        learn_prior(folder, folder / "out", cohort, 0)


def test_a_calibration_that_patients_share_widens_uptakes_alone(department):
    """cv 5 % of [calibration.SPECT], times 1 + the sum of three ratios of 0.02."""
    folder, cohort = department
    found = learn_prior(folder, folder / "out", cohort, 0)
    tables = found.content.parameter
    shared = np.sqrt(np.log(1.0 + 0.05**2)) * 1.06
    assert tables["fraction_liver"].shared_sd == pytest.approx(shared, rel=0.01)
    assert tables["biological_half_life_liver"].shared_sd == 0.0
    # Their patients are all alike but for the draws: what is left is m and t, each
    # with the shared error.
    given = found.learnt["fraction_liver"].prior.parameters["log_sd"]
    assert given == pytest.approx(np.sqrt(2.0) * shared, rel=0.05)
    assert "a shared calibration, sd of ln 0.053" in "\n".join(learnt_lines(found))
    # One patient's larger cv of the same camera counts for all.
    path = folder / "P4" / "patient.toml"
    text = replaced(
        path.read_text("utf-8"),
        'scope = "modality"\ncv = 0.05',
        'scope = "modality"\ncv = 0.1',
    )
    path.write_text(text, "utf-8")
    found = learn_prior(folder, folder / "out", cohort, 0)
    shared = np.sqrt(np.log(1.0 + 0.1**2)) * 1.06
    given = found.content.parameter["fraction_liver"].shared_sd
    assert given == pytest.approx(shared, rel=0.01)


def test_a_file_that_does_not_count_a_shared_calibration_is_told(tmp_path):
    folder = write(tmp_path / "P")
    path = folder / "prior.toml"
    assert not any("shared by its" in w for w in read_patient(folder).warnings)
    text = path.read_text("utf-8").replace("shared_sd = 0.05\n", "")
    path.write_text(text, "utf-8")
    assert any("shared by its patients" in w for w in read_patient(folder).warnings)


def test_a_patient_whose_draws_hang_together_is_named_and_thins_nobody(department):
    folder, cohort = department
    path = folder / "out" / "patients" / "P2" / "posterior.nc"
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        tree = tree.load()
    posterior = tree["posterior"].to_dataset()
    stuck = posterior["kinetics"].values
    stuck[:] = np.repeat(stuck[:, ::10], 10, axis=1)  # 120 draws, each ten times
    tree["posterior"] = xr.DataTree(posterior)
    path.unlink()
    tree.to_netcdf(path, engine="h5netcdf")
    found = learn_prior(folder, folder / "out", cohort, 0)
    assert "independent draws, and 400 are needed" in found.left_out["P2"]
    assert found.content.patients == PATIENTS - 1
    assert found.posterior.cohort.y.shape[1] > 800
