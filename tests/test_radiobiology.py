"""Radiobiology: values, their spread, and what is refused."""

import math

import numpy as np
import pytest

from pkmodels.dosimetry.radiobiology import (
    KIDNEY_BED_LIMIT,
    KIDNEY_BED_LIMIT_AT_RISK,
    KIDNEY_DOSE_LIMIT,
    draw_radiobiology,
    radiobiology_of,
    stated_radiobiology,
)
from pkmodels.errors import InputError
from pkmodels.values import Certainty

STATED = {
    "alpha_beta_Gy": 2.5,
    "alpha_beta_cv": 0.3,
    "repair_half_time_h": 2.5,
    "repair_half_time_cv": 0.5,
    "source": "as judged",
}


def test_kidneys_are_those_of_mird_pamphlet_20_and_say_what_is_judged() -> None:
    kidney = radiobiology_of("kidney")
    assert kidney.alpha_beta_Gy.parameters["median"] == 2.5
    assert kidney.repair_half_time_h.parameters["median"] == 2.8
    for prior, low, high in (
        (kidney.alpha_beta_Gy, 1.5, 4.1),
        (kidney.repair_half_time_h, 1.6, 5.0),
    ):
        assert prior.certainty is Certainty.JUDGEMENT
        assert "spread" in prior.source
        # The 95 % range is the one that the source states.
        assert f"{low} to {high}" in prior.source
        median, log_sd = prior.parameters["median"], prior.parameters["log_sd"]
        assert median * math.exp(-1.96 * log_sd) == pytest.approx(low, abs=0.06)
        assert median * math.exp(1.96 * log_sd) == pytest.approx(high, abs=0.06)


def test_limits_say_whether_they_are_of_dose_or_bed() -> None:
    assert (KIDNEY_BED_LIMIT.value, KIDNEY_BED_LIMIT_AT_RISK.value) == (40.0, 28.0)
    assert KIDNEY_DOSE_LIMIT.value == 23.0
    for limit in (KIDNEY_BED_LIMIT, KIDNEY_BED_LIMIT_AT_RISK):
        assert limit.source.startswith("biologically effective dose")
    assert KIDNEY_DOSE_LIMIT.source.startswith("absorbed dose")


def test_an_organ_without_values_is_refused_with_what_to_write() -> None:
    with pytest.raises(InputError, match=r"state \[radiobiology.liver\] in patient"):
        radiobiology_of("liver")


@pytest.mark.parametrize("name", [n for n in STATED if n != "source"])
def test_a_stated_number_must_be_positive(name: str) -> None:
    with pytest.raises(InputError, match=f"radiobiology of liver: {name} is 0.0"):
        stated_radiobiology("liver", **{**STATED, name: 0.0})


def test_a_stated_value_has_a_source() -> None:
    with pytest.raises(InputError, match="source is empty"):
        stated_radiobiology("liver", **{**STATED, "source": " "})


def test_draws_have_the_stated_variation_and_are_independent() -> None:
    liver = stated_radiobiology("liver", **STATED)
    draws = draw_radiobiology(liver, 200_000, np.random.default_rng(3))
    for found, median, cv in zip(draws, (2.5, 2.5), (0.3, 0.5), strict=True):
        assert np.median(found) == pytest.approx(median, rel=0.01)
        assert np.std(found) / np.mean(found) == pytest.approx(cv, rel=0.02)
    assert abs(np.corrcoef(*np.log(draws))[0, 1]) < 0.01
    again = draw_radiobiology(liver, 200_000, np.random.default_rng(3))
    np.testing.assert_array_equal(draws, again)
