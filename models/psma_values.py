"""Numbers of PSMA I&T in the whole body: five patients' estimates, and what was fixed.

The estimates are those of Golzaryan et al. 2025 in the five patients of Kletting et al.
2016, one by one; medians and spreads here are the geometric means and the sd of ln of
those five. Published per minute, used per hour.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from pkmodels.models.physiology import Body
from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import Certainty, ParameterValue, Prior, Value, log_normal

_GOLZARYAN = "Golzaryan et al., Sci Rep 2025, doi 10.1038/s41598-025-86159-9"
_KLETTING = "Kletting et al., PLoS One 2016;11:e0162303"


def _of_patients(numbers: Sequence[float], per: float, unit: str, what: str) -> Prior:
    """Return the log-normal with the mean and sd of ln of some patients' estimates."""
    logs = [math.log(number) for number in numbers]
    source = f"{what}, mean and sd of ln of {len(logs)} estimates, {_GOLZARYAN}"
    median = math.exp(fmean(logs)) * per
    return log_normal(median, stdev(logs), unit, source, Certainty.DERIVED)


def _density(numbers: Sequence[float], what: str) -> Prior:
    return _of_patients(numbers, 1.0, "nmol/L", f"receptors of {what}")


def _rate(numbers: Sequence[float], what: str) -> Prior:
    return _of_patients(numbers, MINUTES_PER_HOUR, "1/h", f"release from {what}")


def _fixed(value: float, unit: str, what: str) -> Value:
    return Value(value, unit, f"{what}, fixed in {_GOLZARYAN}", Certainty.PUBLISHED)


def _judged(median: float, log_sd: float, unit: str, what: str) -> Prior:
    source = f"{what}, fixed in {_GOLZARYAN}; the spread is a judgement"
    return log_normal(median, log_sd, unit, source, Certainty.JUDGEMENT)


# Two lesions of each of the five patients.
DENSITY_TUMOUR = _density(
    (520.0, 57.0, 282.0, 52.0, 136.0, 2412.0, 19.0, 83.0, 51.0, 190.0), "10 lesions"
)
DENSITIES: Mapping[str, Prior] = {
    "kidneys": _density((31.0, 14.0, 22.0, 24.0, 46.0), "the kidneys"),
    "salivary_glands": _density((41.0, 38.0, 108.0, 41.0, 80.0), "the salivary glands"),
    "prostate": _judged(
        26.6, 0.7, "nmol/L", "0.1 of 266 nmol/L of lesions that were not measured"
    ),
}
# Of organs whose density is a multiple of the prostate's.
RATIOS: Mapping[str, Prior] = {
    "liver": _judged(0.05, 0.5, "1", "receptors of the liver over the prostate's"),
    "spleen": _judged(0.02, 0.5, "1", "receptors of the spleen over the prostate's"),
    "gut": _judged(0.06, 0.5, "1", "receptors of gut and pancreas over the prostate's"),
}
PEPTIDE: Mapping[str, ParameterValue] = {
    "k_on": _fixed(0.046 * MINUTES_PER_HOUR, "L/(nmol h)", "0.046 L/(nmol min)"),
    "k_off": _fixed(
        0.046 * MINUTES_PER_HOUR,
        "1/h",
        f"0.046 /min, K_D 1 nM, which the data of {_KLETTING} chose over 8 nM",
    ),
    "protein_binding": _judged(
        4.7e-4 * MINUTES_PER_HOUR, 0.5, "1/h", "4.7e-4 /min; as DOTATATE's between them"
    ),
    "internalization": _judged(1e-3 * MINUTES_PER_HOUR, 0.4, "1/h", "0.001 /min"),
    "release": _rate((3.7e-4, 2.9e-4, 2.4e-4, 2.3e-4, 3.1e-4), "kidneys"),
    "filtration_rate": _of_patients(
        [ter / 3.0 * 20.0 / 15.0 for ter in (198.0, 201.0, 136.0, 252.0, 176.0)],
        1e-3 * MINUTES_PER_HOUR,
        "L/h",
        "filtration, 20/45 of the extraction of MAG3 in mL/min",
    ),
    "sieving_coefficient": _fixed(0.66, "1", "against 51Cr-EDTA"),
    "excreted_fraction": _fixed(0.96, "1", "of what is filtered"),
}
TUMOUR_RATES: Mapping[str, Prior] = {
    "release_tumour": _rate((2.4e-4, 1.5e-4, 8.8e-5, 2.0e-4, 2.0e-4), "lesions")
}
TUMOUR_VOLUME = Value(
    0.00175,
    "L",
    f"median of 10 lesions (0.5-34 mL), {_KLETTING}, table 1: put the patient's own in",
    Certainty.DERIVED,
)
RELEASE_SALIVARY_GLANDS = _rate(
    (3.7e-4, 4.2e-4, 3.5e-4, 3.3e-4, 4.8e-4), "salivary glands"
)
# Three of the five are equal to another column of their table, so perhaps miscopied.
_PERFUSIONS = (0.075, 0.074, 0.53, 0.16, 0.18)


def salivary_glands(body: Body) -> dict[str, ParameterValue]:
    """Return volume, spaces and perfusion of the salivary glands.

    Parameters
    ----------
    body : Body
        The body, for its haematocrit.

    Returns
    -------
    dict of str to Value or Prior
        ``volume_`` (L), ``vascular_``, ``interstitial_`` (of it), ``permeability_`` and
        ``perfusion_salivary_glands`` (1/h).

    Examples
    --------
    >>> from pkmodels.models.physiology import reference_body
    >>> glands = salivary_glands(reference_body("male"))
    >>> round(glands["vascular_salivary_glands"].value, 4)
    0.0165
    """
    plasma = 1.0 - body.haematocrit
    perfusion = _of_patients(
        _PERFUSIONS,
        MINUTES_PER_HOUR,
        "1/h",
        "plasma flow in mL/(min g), three of the five perhaps miscopied in print",
    )
    return {
        "volume_salivary_glands": Value(
            0.029,
            "L",
            f"both parotids, median of 5 patients (17-54 mL), {_KLETTING}, table 1",
            Certainty.DERIVED,
        ),
        "vascular_salivary_glands": _fixed(
            0.03 * plasma, "1", f"0.03 of the glands, as blood ({plasma:g} plasma)"
        ),
        "interstitial_salivary_glands": _fixed(0.23, "1", "interstitium of the glands"),
        "permeability_salivary_glands": _fixed(
            2.0 * MINUTES_PER_HOUR, "1/h", "2 mL/(min g)"
        ),
        "perfusion_salivary_glands": perfusion,
    }


def lesions(body: Body) -> dict[str, ParameterValue]:
    """Return spaces and perfusion of lesions of prostate cancer.

    Parameters
    ----------
    body : Body
        The body, for its haematocrit.

    Returns
    -------
    dict of str to Value
        ``vascular_tumour``, ``interstitial_tumour`` (of their volume),
        ``permeability_tumour`` and ``perfusion_tumour`` (1/h).

    Examples
    --------
    >>> from pkmodels.models.physiology import reference_body
    >>> lesions(reference_body("male"))["perfusion_tumour"].value
    30.0
    """
    plasma = 1.0 - body.haematocrit
    return {
        "vascular_tumour": _fixed(
            0.05 * plasma, "1", f"0.05 of the lesion, as blood ({plasma:g} plasma)"
        ),
        "interstitial_tumour": _fixed(0.38, "1", "interstitium of the lesion"),
        "permeability_tumour": _fixed(0.6 * MINUTES_PER_HOUR, "1/h", "0.6 mL/(min g)"),
        "perfusion_tumour": _fixed(
            0.5 * MINUTES_PER_HOUR, "1/h", "plasma flow, 0.5 mL/(min g)"
        ),
    }
