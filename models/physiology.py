"""Volumes and flows of the human body by sex and size, shared by the models.

Plasma, not blood, throughout: a peptide does not enter the red cells. 1 kg of tissue is
taken as 1 L. With V_P the plasma volume and F the plasma flow out of the heart,

    V_P = 2.8 (men) or 2.4 (women) L/m2 x (1 - haematocrit) x body surface area
    F   = 1.23 V_P per minute

an organ's vascular volume is a share of V_P (muscle, gut, skin, ...) or of the organ
itself (liver, spleen, kidneys, ...), its interstitial volume is a multiple of either,
its flow is a share of F, and its permeability-surface product is proportional to its
volume. Whatever of V_P, F and the body's volume no organ here has is the "rest".

Assumptions: adults; organs other than liver, spleen and kidneys scale with the body's
weight; flows are those of rest. The numbers describe patients of 71 kg, and the volumes
of liver, spleen and kidneys are reference values: put a patient's own in where they are
known. They are stated as certain; how much bodies differ is not published with them.

What is known to be off, and kept since the models were estimated with it: plasma and
interstitium of lungs and gut are together 1.9 times the organ; a woman's flow is a
sixth below ICRP's 5.9 L/min of blood. A heavy small woman, or a liver above 5 L, leaves
no flow or no plasma for the rest, and solving says so.

References
----------
Kletting et al., J Nucl Med 2016;57:503-508, and Budiansah et al., EJNMMI Phys
2025;12:26: every number, unless it says otherwise. ICRP Publication 89, Ann ICRP
2002;32(3-4): weight, body surface, mass of liver, spleen and kidneys.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pkmodels.errors import InputError, suggest
from pkmodels.units import MINUTES_PER_HOUR
from pkmodels.values import Certainty, Value, log_normal

SEXES = ("male", "female")
# Weight for which the volumes of organs are stated.
_STATED_FOR_KG = 71.0
_PBPK = "Kletting et al., J Nucl Med 2016;57:503; Budiansah et al., EJNMMI Phys 2025"
_ICRP_89 = "ICRP Publication 89, 2002, adult"


@dataclass(frozen=True)
class Body:
    """Sex and size of a body.

    Parameters
    ----------
    sex : str
        ``"male"`` or ``"female"``.
    weight_kg : float
        Weight, kg, > 0.
    bsa_m2 : float
        Body surface area, m2, > 0.
    haematocrit : float
        Share of red cells in blood, in (0, 1).

    Raises
    ------
    InputError
        When the sex is neither, or a number is out of its range.
    """

    sex: str
    weight_kg: float
    bsa_m2: float
    haematocrit: float

    def __post_init__(self) -> None:
        """Check sex and numbers."""
        if self.sex not in SEXES:
            raise InputError(f"the sex of a body is {self.sex!r}: write one of {SEXES}")
        for name in ("weight_kg", "bsa_m2"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise InputError(f"{name} of a body is {value}; it must be > 0")
        if not 0.0 < self.haematocrit < 1.0:
            raise InputError(
                f"haematocrit of a body is {self.haematocrit}; it is a share of blood, "
                "between 0 and 1: write 0.45, not 45"
            )


@dataclass(frozen=True)
class Organ:
    """Plasma space, interstitium and perfusion of one organ.

    Parameters
    ----------
    name : str
        The organ.
    volume_L, vascular_L : Value
        Volume of the organ, and of the plasma in it, L.
    interstitial_L : Value or None
        Volume of its interstitium, L; None for the brain, which peptides do not enter.
    flow_L_per_h : Value
        Plasma that the arteries bring, L/h. The liver receives besides what spleen and
        gut pass on.
    permeability_surface_L_per_h : Value or None
        Permeability-surface product, L/h; None for the brain, and for the kidneys,
        whose exchange is filtration.
    """

    name: str
    volume_L: Value
    vascular_L: Value
    interstitial_L: Value | None
    flow_L_per_h: Value
    permeability_surface_L_per_h: Value | None


@dataclass(frozen=True)
class _Numbers:
    """Published numbers of one organ, for men and women."""

    volume_L: float | tuple[float, float]  # for 71 kg, or reference of either sex
    vascular: float  # share of the plasma volume, or of the organ
    interstitial: float | None  # times vascular volume, or share of the organ
    flow: float  # share of the plasma flow, or mL/(min g) of blood
    permeability: float | None  # mL/(min g)
    of_organ: bool = False  # whether the spaces are shares of the organ
    of_blood: bool = False  # whether the vascular share is of blood, not plasma
    flow_density: bool = False  # whether the flow is mL/(min g) of blood


_COMMON: Mapping[str, _Numbers] = {
    "lungs": _Numbers(1.0, 0.105, 5.5, 1.0, 2.0),
    "liver": _Numbers((1.8, 1.4), 0.085, 0.2, 0.065, 2.0, of_organ=True),
    "spleen": _Numbers((0.15, 0.13), 0.12, 0.2, 0.03, 2.0, of_organ=True),
    "kidneys": _Numbers((0.31, 0.275), 0.055, 0.15, 0.19, None, of_organ=True),
    "gut": _Numbers(1.142, 0.076, 8.8, 0.16, 0.02),
    "muscle": _Numbers(30.078, 0.14, 5.9, 0.17, 0.02),
    "skin": _Numbers(3.408, 0.03, 8.9, 0.05, 0.02),
    "adipose": _Numbers(13.465, 0.05, 15.5, 0.05, 0.02),
    "red_marrow": _Numbers(1.1, 0.04, 3.7, 0.03, 0.02),
    "bone": _Numbers(10.165 - 1.1, 0.07 - 0.04, 9.3, 0.05, 0.02),
    "heart": _Numbers(0.341, 0.01, 3.7, 0.04, 0.02),
    "brain": _Numbers(1.45, 0.012, None, 0.12, None),
    "adrenals": _Numbers(0.014, 0.03, 0.24, 6.0, 2.0, True, True, True),
}
_OF_SEX: Mapping[str, Mapping[str, _Numbers]] = {
    "male": {"prostate": _Numbers(0.016, 0.04, 0.25, 0.18, 0.1, True, True, True)},
    "female": {"uterus": _Numbers(0.080, 0.07, 0.5, 1.0, 0.2, True, True, True)},
}
_BLOOD_L_PER_M2 = {"male": 2.8, "female": 2.4}
# Times the plasma volume, per minute.
_CARDIAC_OUTPUT_PER_MIN = 1.23
# Shares of the plasma that are in no organ.
ARTERIAL_SHARE = Value(0.105, "1", f"of the plasma, {_PBPK}", Certainty.PUBLISHED)
VENOUS_SHARE = Value(0.225, "1", f"of the plasma, {_PBPK}", Certainty.PUBLISHED)
# Interstitium of the rest of the body over its vascular volume, and its permeability.
REST_INTERSTITIUM = Value(
    3.7, "1", f"V_s / V_v of the rest, {_PBPK}", Certainty.PUBLISHED
)
REST_PERMEABILITY = Value(
    0.02 * MINUTES_PER_HOUR, "1/h", f"0.02 mL/(min g), {_PBPK}", Certainty.PUBLISHED
)
# Filtration in patients treated: what is published of the eight of Kletting 2016.
FILTRATION_RATE = log_normal(
    0.091 * MINUTES_PER_HOUR,
    0.53,
    "L/h",
    "median and sd of ln of 8 patients (28-130 mL/min), Kletting et al., J Nucl Med "
    "2016;57:503, table 1",
    Certainty.DERIVED,
)


def reference_body(sex: str) -> Body:
    """Return the reference adult of ICRP Publication 89.

    Parameters
    ----------
    sex : str
        ``"male"`` (73 kg, 1.90 m2) or ``"female"`` (60 kg, 1.66 m2).

    Returns
    -------
    Body
        With the haematocrit of Kletting et al. 2016, 0.45 or 0.40.

    Raises
    ------
    InputError
        When the sex is neither.

    Examples
    --------
    >>> reference_body("female").weight_kg
    60.0
    """
    sizes = {"male": (73.0, 1.90, 0.45), "female": (60.0, 1.66, 0.40)}
    if sex not in sizes:
        raise InputError(f"the sex of a body is {sex!r}: write one of {SEXES}")
    return Body(sex, *sizes[sex])


def plasma_volume(body: Body) -> Value:
    """Return the plasma volume, 2.8 or 2.4 L/m2 x (1 - haematocrit) x surface.

    Parameters
    ----------
    body : Body
        The body.

    Returns
    -------
    Value
        L.

    Examples
    --------
    >>> round(plasma_volume(reference_body("male")).value, 3)
    2.926
    """
    blood = _BLOOD_L_PER_M2[body.sex] * body.bsa_m2
    source = f"{_BLOOD_L_PER_M2[body.sex]} L/m2 of blood, {_PBPK}; {_size(body)}"
    return Value(blood * (1.0 - body.haematocrit), "L", source, Certainty.DERIVED)


def cardiac_output(body: Body) -> Value:
    """Return the plasma flow out of the heart, 1.23 plasma volumes per minute.

    Parameters
    ----------
    body : Body
        The body.

    Returns
    -------
    Value
        Flow of plasma, not blood, L/h.

    Examples
    --------
    >>> round(cardiac_output(reference_body("male")).value / 60.0, 2)
    3.6
    """
    per_hour = _CARDIAC_OUTPUT_PER_MIN * MINUTES_PER_HOUR
    source = f"{_CARDIAC_OUTPUT_PER_MIN} plasma volumes per min, {_PBPK}; {_size(body)}"
    value = per_hour * plasma_volume(body).value
    return Value(value, "L/h", source, Certainty.DERIVED)


def body_volume(body: Body) -> Value:
    """Return the volume of the body, 1 L for each kg.

    Parameters
    ----------
    body : Body
        The body.

    Returns
    -------
    Value
        L.

    Examples
    --------
    >>> body_volume(reference_body("male")).value
    73.0
    """
    source = f"1 L for 1 kg, {_PBPK}; {_size(body)}"
    return Value(body.weight_kg, "L", source, Certainty.DERIVED)


def organs(body: Body) -> tuple[str, ...]:
    """Return the names of the organs that are described, the rest left out.

    Parameters
    ----------
    body : Body
        The body: men have a prostate here and women a uterus.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "uterus" in organs(reference_body("female"))
    True
    """
    return (*_COMMON, *_OF_SEX[body.sex])


def organ(body: Body, name: str) -> Organ:
    """Return spaces and perfusion of one organ.

    Parameters
    ----------
    body : Body
        The body.
    name : str
        One of `organs`.

    Returns
    -------
    Organ

    Raises
    ------
    InputError
        When the organ is not described.

    Examples
    --------
    >>> spleen = organ(reference_body("male"), "spleen")
    >>> round(spleen.vascular_L.value, 4), round(spleen.flow_L_per_h.value, 2)
    (0.018, 6.48)
    """
    known = {**_COMMON, **_OF_SEX[body.sex]}
    if name not in known:
        raise InputError(
            f"no organ {name!r} of a {body.sex} body: {suggest(name, known)}"
        )
    numbers = known[name]
    volume = _volume(body, name, numbers)
    vascular, interstitial = _spaces(body, numbers, volume)
    permeability = numbers.permeability
    surface = None
    if permeability is not None:
        source = f"{permeability} mL/(min g), {_PBPK}; {_size(body)}"
        clearance = permeability * MINUTES_PER_HOUR * volume.value
        surface = Value(clearance, "L/h", source, Certainty.DERIVED)
    flow = _flow(body, numbers, volume)
    return Organ(name, volume, vascular, interstitial, flow, surface)


def tumour_flow_density(body: Body, blood_mL_per_min_g: float, source: str) -> Value:
    """Return the plasma flow per volume of a tissue from its blood flow per mass.

    (1 - haematocrit) x blood flow, with 1 g of tissue as 1 mL.

    Parameters
    ----------
    body : Body
        The body, for its haematocrit.
    blood_mL_per_min_g : float
        Blood flow, mL/(min g), > 0.
    source : str
        Where that number comes from.

    Returns
    -------
    Value
        Plasma flow per volume, 1/h.

    Examples
    --------
    >>> round(tumour_flow_density(reference_body("male"), 1.0, "a guess").value, 6)
    33.0
    """
    plasma = blood_mL_per_min_g * (1.0 - body.haematocrit) * MINUTES_PER_HOUR
    stated = f"{blood_mL_per_min_g} mL/(min g) of blood, {source}; {_size(body)}"
    return Value(plasma, "1/h", stated, Certainty.DERIVED)


def _size(body: Body) -> str:
    return (
        f"{body.sex}, {body.weight_kg:g} kg, {body.bsa_m2:g} m2, "
        f"haematocrit {body.haematocrit:g}"
    )


def _volume(body: Body, name: str, numbers: _Numbers) -> Value:
    if isinstance(numbers.volume_L, tuple):
        value = numbers.volume_L[SEXES.index(body.sex)]
        source = f"{_ICRP_89} {body.sex}: {1e3 * value:g} g of {name}, 1 L for 1 kg"
        return Value(value, "L", source, Certainty.PUBLISHED)
    value = numbers.volume_L * body.weight_kg / _STATED_FOR_KG
    source = f"{numbers.volume_L:g} L at {_STATED_FOR_KG:g} kg, {_PBPK}; {_size(body)}"
    return Value(value, "L", source, Certainty.DERIVED)


def _spaces(body: Body, numbers: _Numbers, volume: Value) -> tuple[Value, Value | None]:
    """Return the volumes of plasma and interstitium."""
    whole, of = plasma_volume(body).value, "the plasma"
    if numbers.of_organ:
        whole, of = volume.value, "the organ"
    if numbers.of_blood:
        whole, of = whole * (1.0 - body.haematocrit), "the organ, as blood"
    vascular = numbers.vascular * whole
    source = f"{numbers.vascular:g} of {of}, {_PBPK}; {_size(body)}"
    plasma = Value(vascular, "L", source, Certainty.DERIVED)
    if numbers.interstitial is None:
        return plasma, None
    base, of = (volume.value, "the organ") if numbers.of_organ else (vascular, "V_v")
    source = f"{numbers.interstitial:g} of {of}, {_PBPK}; {_size(body)}"
    value = numbers.interstitial * base
    return plasma, Value(value, "L", source, Certainty.DERIVED)


def _flow(body: Body, numbers: _Numbers, volume: Value) -> Value:
    if numbers.flow_density:
        density = tumour_flow_density(body, numbers.flow, _PBPK)
        flow = density.value * volume.value
        return Value(flow, "L/h", density.source, Certainty.DERIVED)
    source = f"{numbers.flow:g} of the plasma flow, {_PBPK}; {_size(body)}"
    flow = numbers.flow * cardiac_output(body).value
    return Value(flow, "L/h", source, Certainty.DERIVED)
