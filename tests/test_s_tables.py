"""S-values of organs, tumours and a user's table: which one serves, and refusals."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from reference_tables import rows

from pkmodels.clinic.patient_tables import ORGANS
from pkmodels.dosimetry.doses import draw_factors
from pkmodels.dosimetry.mass_scaling import check_label, check_target
from pkmodels.dosimetry.s_table_files import COLUMNS, read_s_table
from pkmodels.dosimetry.s_tables import CROSS_LOG_SD, opendose_table, organ_table
from pkmodels.dosimetry.s_values import (
    SValue,
    cross_value,
    known_s_values,
    require_s_value,
    s_value,
)
from pkmodels.errors import InputError
from pkmodels.values import Certainty

# 1 mGy/(MBq s) is 3.6 Gy/(MBq h); 1 MeV per decay in 1 g in mGy/(MBq s).
TABULATED = 3.6
PER_MEV = 1.60218e-1
ELECTRON_MEV = {"Lu-177": 0.14792, "Y-90": 0.93310}

OLINDA = rows("lu177_olinda_type")


def known(organ: str, label: str, sex: str = "male", **options: str) -> SValue:
    found = s_value(organ, label, sex, **options)  # pyright: ignore[reportArgumentType]
    assert found is not None
    return found


def own(*lines: str) -> str:
    return "\n".join([",".join(COLUMNS), *lines, ""])


@pytest.mark.reference
def test_opendose_is_transcribed_whole(repository: Path) -> None:
    path = repository.parent / "shared/reference/data/svalues/opendose_lu177.csv"
    if not path.exists():
        pytest.skip("needs ../shared/reference, which is no part of the repository")
    names = {"RKidney + LKidney": "kidneys", "Liver": "liver", "Spleen": "spleen"}
    names |= {f"{s} kidney C+M+P": f"{s.lower()}_kidney" for s in ("Left", "Right")}
    names |= {"Pancreas": "pancreas", "Stomach wall": "stomach_wall"}
    names |= {"Adrenal, left": "left_adrenal", "Testis, right": "right_testis"}
    sources = {"left kidney c+m+p": "left_kidney", "right kidney c+m+p": "right_kidney"}
    kept = 0
    pairs: set[tuple[str, str, float, float]] = set()
    for row in csv.DictReader(path.read_text("utf-8").splitlines()):
        target, sex = row["target"], "male" if row["phantom"][-1] == "M" else "female"
        if "contents" in target or target.startswith(("Air", "Kidney,")):
            continue
        kept += 1
        source = sources.get(row["source"], row["source"])
        numbers = float(row["target_mass_g"]), float(row["S_mGy_per_MBq_s"])
        pairs.add((sex, source, *numbers))
        if target in names:
            found = opendose_table().find(names[target], source, "Lu-177", sex)
            assert found is not None
            assert (found.mass_g, found.S_mGy_per_MBq_s) == numbers
    ours = [r for r in opendose_table().rows if r.source != "kidneys"]
    assert len(ours) == kept == 1196
    held = {(r.sex, r.source, r.mass_g, r.S_mGy_per_MBq_s) for r in ours}
    assert held == pairs


@pytest.mark.reference
@pytest.mark.parametrize(
    "row", OLINDA, ids=lambda r: f"{r['sex']} {r['target']}<-{r['source']}"
)
def test_olinda_type_values_are_transcribed(row: dict[str, str]) -> None:
    found = organ_table().find(row["target"], row["source"], "Lu-177", row["sex"])
    assert found is not None
    assert found.mass_g == float(row["mass_g"])
    assert found.S_mGy_per_MBq_s == float(row["S_mGy_per_MBq_s"])
    assert found.provenance


@pytest.mark.reference
@pytest.mark.parametrize(
    ("organ", "sex", "low", "high"),
    [
        ("kidneys", "male", 1.008, 1.016),
        ("kidneys", "female", 1.008, 1.016),
        ("kidney", "male", 1.009, 1.013),
        ("kidney", "female", 1.009, 1.013),
        ("liver", "male", 1.035, 1.045),
        ("total_body", "male", 1.085, 1.095),
        ("red_marrow", "male", 0.56, 0.58),
    ],
)
def test_absorbed_energy_is_the_stated_multiple_of_the_electrons(
    organ: str, sex: str, low: float, high: float
) -> None:
    """S m / E_e: photons add 1 to 9 %, the marrow's cavities lose 43 %."""
    for value in known_s_values(organ, "Lu-177", sex):
        mass = value.reference_mass_g
        assert mass is not None
        absorbed = value.at_mass(mass) / TABULATED * mass / PER_MEV
        assert low < absorbed / ELECTRON_MEV["Lu-177"] < high


@pytest.mark.reference
def test_kidneys_have_7_7e_5_mGy_per_MBq_s_at_310_g() -> None:
    """OpenDose: 7.706e-5 from left, 7.718e-5 from right; OLINDA-type 7.76e-5."""
    opendose, olinda = known_s_values("kidneys", "Lu-177", "male")
    assert opendose.at_mass(310.0) / TABULATED == pytest.approx(7.712e-5, rel=2e-4)
    assert olinda.at_mass(310.0) / TABULATED == pytest.approx(7.76e-5, rel=1e-12)
    female = known("kidneys", "Lu-177", "female")
    assert female.at_mass(275.013) / TABULATED == pytest.approx(8.689e-5, rel=3e-4)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("sex", "mass", "expected"), [("male", 310.0, 4.49e-4), ("female", 274.0, 5.06e-4)]
)
def test_y90_kidneys_agree_with_monte_carlo_within_twice_their_sd(
    sex: str, mass: float, expected: float
) -> None:
    value = known("kidneys", "Y-90", sex)
    assert abs(math.log(value.at_mass(mass) / TABULATED / expected)) < 2.0 * 0.034
    assert "5.9 x S of Lu-177" in value.source


def test_both_kidneys_and_each_share_their_draws() -> None:
    values = [
        known("kidneys", "Y-90"),
        known("kidney", "Y-90", side="left"),
        known("kidney", "Y-90", side="right"),
        known("kidney", "Lu-177"),
    ]
    names = set(draw_factors(values, 2, [0]))
    assert names == {
        "S-value of Lu-177, kidney",
        "Y-90 / Lu-177 S-value ratio, kidney",
    }


def test_side_and_sex_are_checked() -> None:
    left, right = (known("kidney", "Lu-177", side=s) for s in ("left", "right"))
    assert (left.organ, right.organ) == ("left_kidney", "right_kidney")
    assert (left.reference_mass_g, right.reference_mass_g) == (152.983, 157.011)
    with pytest.raises(InputError, match="side 'port' of kidney: known: left, right"):
        s_value("kidney", "Lu-177", "male", side="port")
    with pytest.raises(InputError, match="only 'kidney' has a side"):
        s_value("liver", "Lu-177", "male", side="left")
    with pytest.raises(InputError, match="sex 'man' of the reference phantom"):
        s_value("liver", "Lu-177", "man")


def test_an_s_value_of_both_kidneys_is_refused_for_one_and_back() -> None:
    both, one = known("kidneys", "Lu-177"), known("kidney", "Lu-177", side="left")
    for value, organ in ((both, "kidney"), (one, "kidneys"), (both, "left_kidney")):
        with pytest.raises(
            InputError, match=r"both outlined as one region .*factor of"
        ):
            check_target(value, organ)
    check_target(both, "kidneys")
    check_target(one, "kidney")
    with pytest.raises(InputError, match="for left_kidney asked to serve liver"):
        check_target(one, "liver")


def test_a_users_row_for_both_kidneys_does_not_serve_one() -> None:
    both = read_s_table(own("kidneys,kidneys,Lu-177,any,299,8.03e-5,.02,published,O"))
    for label in ("Lu-177", "Y-90"):
        with pytest.raises(InputError, match="S-value for kidneys asked to serve kidn"):
            s_value("kidney", label, "male", table=both)
        with pytest.raises(InputError, match="asked to serve right_kidney"):
            s_value("kidney", label, "male", side="right", table=both)
    found = s_value("kidneys", "Y-90", "male", table=both)
    assert found is not None
    assert found.at_mass(299.0) / TABULATED == pytest.approx(5.9 * 8.03e-5)
    assert "own table, line 2: O" in found.source

    one = read_s_table(own("kidney,kidney,Lu-177,any,150,1.6e-4,.02,published,O"))
    with pytest.raises(InputError, match="S-value for kidney asked to serve kidneys"):
        s_value("kidneys", "Lu-177", "male", table=one)
    right = s_value("kidney", "Lu-177", "male", side="right", table=one)
    assert right is not None
    assert right.source == "own table, line 2: O"

    left = read_s_table(
        own("left_kidney,left_kidney,Lu-177,any,150,1.6e-4,.02,published,O")
    )
    with pytest.raises(InputError, match="the side of 'kidney' is not said"):
        s_value("kidney", "Lu-177", "male", table=left)


@pytest.mark.parametrize(
    "row",
    [
        "kidney,kidney,Lu-177,male,153,7.7e-5,.02,published,summed S on one mass",
        "kidneys,kidneys,Lu-177,male,310,1.57e-4,.02,published,one S on both masses",
        "left_kidney,left_kidney,Y-90,male,155,4.5e-4,.02,published,summed",
    ],
)
def test_a_row_whose_energy_is_that_of_the_other_region_is_refused(row: str) -> None:
    with pytest.raises(InputError, match=r"line 2, S_mGy.*of the electron energy"):
        read_s_table(own(row))


@pytest.mark.reference
@pytest.mark.parametrize(
    ("target", "source", "male", "female"),
    [
        ("kidneys", "liver", 1.39e-7, 1.88e-7),
        ("kidneys", "spleen", 1.83e-7, 2.48e-7),
        ("red_marrow", "kidneys", 3.35e-8, 4.52e-8),
        ("red_marrow", "total_body", 2.74e-7, 3.28e-7),
        ("left_kidney", "right_kidney", 5.47e-8, 9.09e-8),
    ],
)
def test_cross_values_are_those_of_the_tables_at_any_mass(
    target: str, source: str, male: float, female: float
) -> None:
    for sex, published in (("male", male), ("female", female)):
        value = cross_value(target, source, "Lu-177", sex)
        assert value is not None
        for mass in (50.0, 310.0, 1170.0):
            assert value.at_mass(mass) / TABULATED == pytest.approx(published, rel=4e-3)
        assert value.source_organ == source
        assert known(target, "Lu-177", sex, source_organ=source) == value


@pytest.mark.reference
def test_sd_of_cross_values_is_the_spread_between_the_tables() -> None:
    logs = []
    for row in OLINDA:
        source = row["source"]
        if row["target"] == "kidneys" and source in ("liver", "spleen"):
            found = opendose_table().find("kidneys", source, "Lu-177", row["sex"])
            assert found is not None
            logs.append(math.log(found.S_mGy_per_MBq_s / float(row["S_mGy_per_MBq_s"])))
    assert len(logs) == 4
    assert math.sqrt(np.mean(np.square(logs))) == pytest.approx(
        CROSS_LOG_SD.value, abs=0.01
    )
    value = cross_value("kidneys", "liver", "Lu-177", "male")
    assert value is not None
    assert "judgement" in value.source


def test_from_both_kidneys_is_the_mean_by_mass_of_left_and_right() -> None:
    found = [
        cross_value("liver", s, "Lu-177", "female")
        for s in ("left_kidney", "right_kidney", "kidneys")
    ]
    left, right, both = (v.at_mass(1.0) for v in found if v is not None)
    expected = (149.483 * left + 125.53 * right) / 275.013
    assert both == pytest.approx(expected, rel=1e-12)


def test_cross_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="is a self-dose: take s_value"):
        cross_value("liver", "liver", "Lu-177", "male")
    with pytest.raises(InputError, match="one lies in the other"):
        cross_value("kidneys", "left_kidney", "Lu-177", "male")
    with pytest.raises(InputError, match="name left_kidney, right_kidney or kidneys"):
        cross_value("kidney", "spleen", "Lu-177", "male")
    with pytest.raises(InputError, match="take the source 'kidneys'"):
        cross_value("red_marrow", "left_kidney", "Lu-177", "male")


def test_an_s_value_of_another_nuclide_is_refused_by_name() -> None:
    value = known("kidney", "Lu-177")
    check_label(value, "Lu-177")
    with pytest.raises(
        InputError, match="S-value of Lu-177 for kidney asked to serve Y"
    ):
        check_label(value, "Y-90")


def test_a_missing_value_says_what_is_missing_and_what_there_is() -> None:
    with pytest.raises(InputError) as missing:
        require_s_value("red_marrow", "Y-90", "female", source_organ="liver")
    text = str(missing.value)
    assert "no S-value of Y-90 for red_marrow from liver, female" in text
    assert "Lu-177 from red_marrow, kidneys, liver, spleen, total_body" in text
    assert "Y-90 from red_marrow" in text
    with pytest.raises(InputError, match="known for this target and sex: nothing"):
        require_s_value("parotid", "Lu-177", "male")
    assert require_s_value("liver", "Y-90", "male") == known("liver", "Y-90")


GOOD = "parotid,parotid,Lu-177,any,25,9.5e-4,0.05,stated,own Monte Carlo of 2020"


def test_a_users_rows_go_first_and_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    liver = 'liver,liver,Lu-177,male,1800,1.4e-5,0.03,published,"MIRDcalc, 2022"'
    path.write_text("# mine\n" + own(GOOD, liver), "utf-8")
    table = read_s_table(path)
    found = s_value("liver", "Lu-177", "male", table=table)
    assert found is not None
    assert found.source == "own table mine.csv, line 4: MIRDcalc, 2022"
    assert found.certainty is Certainty.PUBLISHED
    # Unsplit: all as 1 / m.
    assert found.at_mass(900.0) / TABULATED == pytest.approx(2.8e-5)
    assert found.uncertainties[0].name == "S-value of Lu-177, liver, own table, sd 0.03"
    assert s_value("liver", "Lu-177", "female", table=table) == known(
        "liver", "Lu-177", "female"
    )
    for sex in ("male", "female"):
        parotid = s_value("parotid", "Lu-177", sex, table=table)
        assert parotid is not None
        assert parotid.reference_mass_g == 25.0
    assert s_value("parotid", "Lu-177", "male") is None


def test_a_users_cross_value_and_electron_fraction_are_taken() -> None:
    text = "\n".join(
        [
            ",".join([*COLUMNS, "electron_fraction"]),
            "red_marrow,liver,Y-90,any,,1e-9,0.5,judgement,bremsstrahlung,",
            "spleen,spleen,Lu-177,any,150,1.6e-4,0.02,published,mine,0.994",
        ]
    )
    table = read_s_table(text + "\n")
    cross = cross_value("red_marrow", "liver", "Y-90", "male", table=table)
    assert cross is not None
    assert cross.at_mass(1170.0) / TABULATED == pytest.approx(1e-9)
    assert cross.certainty is Certainty.JUDGEMENT
    spleen = s_value("spleen", "Lu-177", "male", table=table)
    assert spleen is not None
    electrons = 0.994 * ELECTRON_MEV["Lu-177"] * PER_MEV / 150.0
    photons = 1.6e-4 - electrons
    expected = electrons / 2.0 + photons / 2.0 ** (2.0 / 3.0)
    assert spleen.at_mass(300.0) / TABULATED == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (GOOD.replace("own Monte Carlo of 2020", ""), "line 2, provenance: is empty"),
        (GOOD.replace("9.5e-4", "9.5e-4 mGy"), "line 2, S_mGy_per_MBq_s: '9.5e-4 mGy'"),
        (GOOD.replace("9.5e-4", "nan"), "line 2, S_mGy_per_MBq_s: 'nan' is not a num"),
        (GOOD.replace("9.5e-4", "-1"), "line 2, S_mGy_per_MBq_s: '-1' is not a number"),
        (GOOD.replace("0.05", "0"), "line 2, log_sd: '0' is not a number above 0"),
        (GOOD.replace(",25,", ",,"), "line 2, mass_g: '' is not a number above 0"),
        (GOOD.replace("Lu-177", "177Lu"), "line 2, label: '177Lu' .*mean 'Lu-177'"),
        (GOOD.replace("any", "both"), "line 2, sex: 'both' is not known: .*any"),
        (GOOD.replace("stated", "sure"), "line 2, certainty: 'sure' is not known"),
        (GOOD.replace("parotid", "Parotid"), "line 2, target: 'Parotid': write an org"),
        (GOOD.replace("parotid", "kindey"), "'kindey' is not known: did you mean 'kid"),
        (GOOD + ",extra", "line 2: 10 cells where the header has 9"),
        (GOOD.replace("9.5e-4", '"9.5'), "line 2: .*quotes"),
        (f"{GOOD}\n{GOOD}", "line 3: parotid from parotid, Lu-177, male stands in li"),
        (
            f"{GOOD.replace('any', 'male')}\n{GOOD}",
            "line 3: .*stands in line 2 already",
        ),
        (GOOD.replace("9.5e-4", "9.5e-3"), "would absorb 1.48 MeV .*emits only 0.183"),
        (GOOD.replace("Lu-177", "Ac-225"), "emit alphas: say which relative biolog"),
        (
            "kidney,kidneys,Lu-177,any,150,1e-4,0.1,stated,x",
            "line 2, target: S-value for kidneys asked to serve kidney",
        ),
    ],
)
def test_each_mistake_in_a_users_table_is_told_by_line(row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_s_table(own(row))


def test_all_mistakes_are_told_at_once() -> None:
    bad = GOOD.replace("Lu-177", "Xx-1").replace("0.05", "many")
    with pytest.raises(InputError) as refused:
        read_s_table(own(bad, "a,b"))
    assert len(str(refused.value).splitlines()) == 3


def test_alphas_in_a_users_table_state_their_rbe() -> None:
    row = "kidney,kidney,Ac-225,any,150,3.1e-2,0.1,derived,chain in place at RBE 1"
    assert read_s_table(own(row)).rows[0].label == "Ac-225"


def test_a_header_that_is_not_ours_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: column 'log_sd' is missing"):
        read_s_table("target,source\n")
    wrong = own(GOOD).replace("mass_g", "mass")
    with pytest.raises(
        InputError, match=r"column 'mass' is not known: did you .*mass_g"
    ):
        read_s_table(wrong)
    with pytest.raises(InputError, match="separated by ';'"):
        read_s_table(";".join(COLUMNS) + "\n")
    with pytest.raises(InputError, match="is empty"):
        read_s_table("\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_s_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="'sex' stands there twice"):
        read_s_table(",".join([*COLUMNS, "sex"]) + "\n")


@pytest.mark.parametrize("organ", ORGANS)
def test_every_organ_of_a_patient_may_have_a_row_of_its_own(organ: str) -> None:
    row = f"{organ},{organ},Lu-177,any,300,7.9e-5,.05,stated,own Monte Carlo"
    table = read_s_table(own(row))
    found = s_value(organ, "Lu-177", "male", table=table)
    assert found is not None
    assert found.source == "own table, line 2: own Monte Carlo"
    assert found.at_mass(300.0) / TABULATED == pytest.approx(7.9e-5)


@pytest.mark.parametrize(
    ("organ", "name"),
    [("lung", "lungs"), ("adrenal", "adrenals"), ("salivary_gland", "salivary_glands")],
)
def test_an_organ_takes_the_cross_values_of_its_name_in_the_phantoms(
    organ: str, name: str
) -> None:
    """OpenDose has Lu-177 from the liver to lungs, adrenals and salivary glands."""
    published = opendose_table().find(name, "liver", "Lu-177", "female")
    assert published is not None
    found = cross_value(organ, "liver", "Lu-177", "female")
    assert found is not None
    s = found.at_mass(20.0) / TABULATED
    assert s == pytest.approx(published.S_mGy_per_MBq_s)
    both = f"{GOOD.replace('parotid', organ)}\n{GOOD.replace('parotid', name)}"
    with pytest.raises(InputError, match=r"line 3: .* stands in line 2 already"):
        read_s_table(own(both))


@pytest.mark.parametrize(
    ("s", "words"),
    [
        ("3.14e-4", "2.04 of .*is this the S-value or mass of both kidneys"),
        ("7.7e-5", "0.5 of .*is this the S-value or mass of both kidneys"),
        ("0.555", r"check the unit, mGy/\(MBq s\), and mass_g"),
        ("1.54e-7", r"check the unit, mGy/\(MBq s\), and mass_g"),
    ],
)
def test_a_kidney_far_from_a_factor_of_two_is_a_wrong_unit(s: str, words: str) -> None:
    """One kidney of 154 g has 1.54e-4 mGy/(MBq s), which is 0.555 mGy/(MBq h)."""
    with pytest.raises(InputError, match=words) as error:
        read_s_table(own(f"kidney,kidney,Lu-177,any,154,{s},.02,published,x"))
    assert ("is this" in str(error.value)) != ("check the unit" in str(error.value))


def test_a_header_alone_is_refused() -> None:
    with pytest.raises(InputError, match="own table: holds a header and no row below"):
        read_s_table(own())


@pytest.mark.parametrize("pair", ["kidney,spleen", "liver,kidney", "red_marrow,kidney"])
def test_a_cross_row_says_which_kidney(pair: str) -> None:
    with pytest.raises(InputError, match=r"left_kidney or right_kidney .* or kidneys"):
        read_s_table(own(f"{pair},Lu-177,any,,2e-7,.3,published,x"))


def test_no_value_of_our_own_is_without_provenance() -> None:
    for row in (*opendose_table().rows, *organ_table().rows):
        assert row.provenance
        assert row.log_sd > 0.0
