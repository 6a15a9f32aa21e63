"""Numbers of `organ_exchange` grown: bladder, rest of the body, and a population.

The population is that of the 19 patients of Haenscheid 2022. Medians and spreads were
set so that simulated cohorts of 19 give its table of doses, half-lives and uptake: that
they do is no evidence for the model. What no value was tuned to are the doses of 90Y,
which follow from those of 177Lu.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pkmodels.values import Certainty, Prior, log_normal, logit_normal

_HAENSCHEID = "Haenscheid et al., J Nucl Med 2022 (177Lu-pentixather, 19 patients)"
_TUNED = f"tuned to {_HAENSCHEID}: calibration, not evidence"

# Emptied every T, a bladder filled at a constant rate holds that of T/2 on average.
_BETWEEN_VOIDS_H = 3.5
VOIDING = log_normal(
    2.0 / _BETWEEN_VOIDS_H,
    0.5,
    "1/h",
    "2 / T for voiding every T = 3.5 h, as ICRP Publication 53, 1988, assumes "
    "(recalled); wide",
    Certainty.DERIVED,
)
_REST_SAID = "taken up by all that was not outlined and kept; not published; wide"
REST_FRACTION = logit_normal(0.3, 0.5, _REST_SAID, Certainty.JUDGEMENT)


@dataclass(frozen=True)
class RegionOfPopulation:
    """How patients differ in one region.

    Parameters
    ----------
    odds : Prior
        Ratio of the fraction that it takes up to the fraction that is eliminated.
    half_life : Prior
        Biological half-life, h.
    mass : Prior
        Mass, g.
    """

    odds: Prior
    half_life: Prior
    mass: Prior


def _region(
    odds: tuple[float, float],
    half_life: tuple[float, float],
    mass: tuple[float, float],
) -> RegionOfPopulation:
    return RegionOfPopulation(
        log_normal(*odds, "1", _TUNED, Certainty.JUDGEMENT),
        log_normal(*half_life, "h", _TUNED, Certainty.JUDGEMENT),
        log_normal(
            *mass,
            "g",
            "between the reference man and woman of ICRP Publication 89; the spread "
            "between patients is a judgement",
            Certainty.JUDGEMENT,
        ),
    )


BLOOD_HALF_TIME = log_normal(
    5.0,
    0.35,
    "h",
    "half-times of uptake of 3-10 h let activity rise during the first day, as "
    f"{_HAENSCHEID} saw; the figure is a judgement",
    Certainty.JUDGEMENT,
)
REST_ODDS = log_normal(0.8, 0.5, "1", _REST_SAID, Certainty.JUDGEMENT)
# Median and sd of ln of odds, of biological half-life (h), of mass (g).
POPULATION: Mapping[str, RegionOfPopulation] = MappingProxyType(
    {
        "kidneys": _region((0.14, 0.5), (48.0, 0.33), (292.0, 0.2)),
        "liver": _region((0.23, 0.25), (260.0, 0.3), (1600.0, 0.15)),
        "spleen": _region((0.022, 0.45), (155.0, 0.3), (140.0, 0.3)),
        "red_marrow": _region((0.21, 0.7), (180.0, 0.5), (1035.0, 0.15)),
    }
)
