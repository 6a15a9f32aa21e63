"""What a small-animal scanner or a gamma counter reads of organs with their blood."""

from collections.abc import Mapping

import sympy

from pkmodels.observables import (
    percent_administered,
    percent_per_gram,
    ratio,
    region,
)
from pkmodels.symbols import Amount, parameters


def per_gram_readings(
    plasma: Amount, organs: Mapping[str, tuple[Amount, ...]]
) -> dict[str, sympy.Expr]:
    """Return the readings of organs: activity, %ID/g, and tumour over muscle.

    Each organ is what is in its tissue and its blood, the share ``<organ>_blood`` of
    its volume at the concentration P (1 - haematocrit) / V_P: tracers stay out of red
    cells. %ID/g is decay-corrected; 1 mL of blood counts as 1 g.

    Parameters
    ----------
    plasma : Amount
        Tracer in plasma.
    organs : mapping of str to tuple of Amount
        For each organ, the amounts in its tissue; ``tumour`` and ``muscle`` among them.

    Returns
    -------
    dict of str to sympy expression

    Examples
    --------
    >>> from pkmodels.symbols import amounts
    >>> plasma, tumour, muscle = amounts("plasma tumour muscle", unit="nmol")
    >>> found = per_gram_readings(plasma, {"tumour": (tumour,),
    ...                                   "muscle": (muscle,)})
    >>> list(found)
    ['tumour', 'muscle', 'tumour_percent_per_gram', 'muscle_percent_per_gram', \
'blood_percent_per_gram', 'tumour_to_background']
    """
    (volume,), (cells,) = (
        parameters("plasma_volume", unit="L"),
        parameters("haematocrit", unit="1"),
    )
    (density,) = parameters("tissue_density", unit="g/L")
    blood = plasma * (1 - cells) / volume
    masses = {name: parameters(f"{name}_mass", unit="g")[0] for name in organs}
    shares = {name: parameters(f"{name}_blood", unit="1")[0] for name in organs}
    held = {
        name: region(
            tissue,
            blood_concentration=blood,
            blood_volume=shares[name] * masses[name] / density,
        )
        for name, tissue in organs.items()
    }
    per_gram = {
        f"{name}_percent_per_gram": percent_per_gram(
            amount, masses[name], decay_corrected=True
        )
        for name, amount in held.items()
    }
    in_blood = percent_administered(blood / density, decay_corrected=True)
    background = ratio(
        held["tumour"] / masses["tumour"], held["muscle"] / masses["muscle"]
    )
    return {
        **held,
        **per_gram,
        "blood_percent_per_gram": in_blood,
        "tumour_to_background": background,
    }
