"""Tables of what experiments share: fractions of a whole stay one whole."""

import pytest

from pkmodels.errors import ModelError
from pkmodels.fitting.experiments import (
    describe,
    experiment_parameters,
    share_parameters,
)
from pkmodels.values import Certainty, Prior, PriorSet, log_normal, logit_normal

BOTH = {"PET": ("kidney", "liver"), "SPECT": ("kidney", "liver")}


def odds_of(*names: str) -> PriorSet:
    return PriorSet({}, {name: ratio() for name in names})


def ratio() -> Prior:
    return log_normal(1.0, 0.5, "1", "wide", Certainty.JUDGEMENT)


def test_a_free_fraction_of_a_whole_is_refused() -> None:
    """A free kidney of 0.9 beside a liver of 1 / (1 + 1) would be 140 % of the dose."""
    with pytest.raises(ModelError, match=r"whose sum could then exceed 1: link it"):
        share_parameters(
            BOTH, odds_of("kidney", "liver"), free={("PET", "kidney"): ratio()}
        )


def test_fractions_of_different_wholes_are_not_shared() -> None:
    """With the liver the kidney is u / (1 + u + v), without it u / (1 + u)."""
    with pytest.raises(ModelError, match="experiment 'SPECT' lacks liver"):
        share_parameters(
            {"PET": ("kidney", "liver"), "SPECT": ("kidney",)},
            odds_of("kidney", "liver"),
        )
    without = {"PET": ("kidney", "liver"), "blood": ()}
    assert share_parameters(without, odds_of("kidney", "liver")).of("blood") == ()


def test_linked_fractions_add_up_with_the_rest_to_one() -> None:
    """Odds 1, 1 and a ratio of 2: 2, 1 and 1 of 4."""
    table = share_parameters(
        BOTH, odds_of("kidney", "liver"), linked={("PET", "kidney"): ratio()}
    )
    unknowns = {"kidney": 1.0, "liver": 1.0, "ratio of kidney, PET": 2.0}
    assert experiment_parameters(table, "PET", unknowns) == [0.5, 0.25]
    assert "linked: odds of kidney x (ratio of kidney, PET)" in describe(table)


def test_the_ratio_of_a_proportion_is_told_as_one_of_odds() -> None:
    share = logit_normal(0.5, 0.5, "wide", Certainty.JUDGEMENT)
    names = {"PET": ("kept", "rate"), "SPECT": ("kept", "rate")}
    table = share_parameters(
        names,
        PriorSet({"kept": share, "rate": ratio()}, {}),
        linked={("PET", "kept"): ratio(), ("PET", "rate"): ratio()},
    )
    told = describe(table)
    assert "linked: odds of kept x (ratio of kept, PET)" in told
    assert "linked: rate x (ratio of rate, PET)" in told
