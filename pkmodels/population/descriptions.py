"""Population models in words."""

from pkmodels.population.covariates import CovariateEffect, EffectForm
from pkmodels.population.structure import Block, PopulationModel, Scale


def describe(model: PopulationModel) -> str:
    """Return a population model in words, one line for each part.

    Parameters
    ----------
    model : PopulationModel
        The model.

    Returns
    -------
    str

    Examples
    --------
    >>> from pkmodels.population.covariates import allometry
    >>> from pkmodels.population.structure import (
    ...     ErrorForm, ResidualError, Typical, independent)
    >>> print(describe(PopulationModel(
    ...     "bolus", {"cl": Typical(3.0, "L/h"), "v": Typical(30.0, "L")},
    ...     independent({"cl": 0.1}), {"plasma": ResidualError(ErrorForm.PROPORTIONAL,
    ...     proportional=0.2)}, (allometry("cl", 0.75),))))
    bolus
      cl: typical 3 L/h, log scale, estimated
        x (weight_kg / 70)^0.75, held
        between subjects: variance 0.1 to start from, independent
      v: typical 30 L, log scale, estimated
      plasma: proportional error, b = 0.2 to start from
    """
    lines = [model.name]
    for name, typical in model.typical.items():
        held = "estimated" if typical.estimated else "held"
        lines.append(
            f"  {name}: typical {typical.value:g} {typical.unit}, {typical.scale} "
            f"scale, {held}"
        )
        lines += [
            f"    {_effect_in_words(effect, typical.scale)}, "
            f"{'estimated' if effect.estimated else 'held'}"
            for effect in model.covariates
            if effect.parameter == name
        ]
        for what, blocks in (
            ("subjects", model.between),
            ("occasions", model.occasions),
        ):
            lines += [
                f"    between {what}: {_block_in_words(block, name)}"
                for block in blocks
                if name in block.parameters
            ]
    for name, error in model.residual.items():
        numbers = (("a", error.additive), ("b", error.proportional))
        said = ", ".join(f"{x} = {value:g}" for x, value in numbers if value)
        lines.append(f"  {name}: {error.form} error, {said} to start from")
    return "\n".join(lines)


def _effect_in_words(effect: CovariateEffect, scale: Scale) -> str:
    ratio = f"{effect.covariate} / {effect.reference}"
    if isinstance(effect.reference, float | int):
        ratio = f"{effect.covariate} / {effect.reference:g}"
    if effect.form is EffectForm.POWER and scale is Scale.LOG:
        return f"x ({ratio})^{effect.coefficient:g}"
    regressor = {
        EffectForm.POWER: f"ln({ratio})",
        EffectForm.EXPONENTIAL: f"({effect.covariate} - {effect.reference})",
        EffectForm.CATEGORY: f"[{effect.covariate} is {effect.level}]",
    }[effect.form]
    return f"+ {effect.coefficient:g} {regressor} on the {scale} scale"


def _block_in_words(block: Block, name: str) -> str:
    at = block.parameters.index(name)
    others = [other for other in block.parameters if other != name]
    joined = f"correlated with {', '.join(others)}" if others else "independent"
    return f"variance {block.covariance[at][at]:g} to start from, {joined}"
