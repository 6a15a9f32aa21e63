"""Well-posed models: what is checked before any equation is made of one."""

import sympy

from pkmodels.definition import Model
from pkmodels.dimensions import check_unit, unit_of
from pkmodels.errors import ModelError
from pkmodels.reactions import running

# The unit of every dose, and so of what it arrives in.
DOSED_UNIT = "nmol"


def check_units(model: Model) -> None:
    """Refuse a model whose units do not fit.

    Each rate is in the unit of what it moves per hour, each start in that of its
    amount, lags and durations are in h, and every sum adds like to like.

    Parameters
    ----------
    model : Model
        The model.

    Raises
    ------
    ModelError
        Naming the reaction or observable, the unit expected and the one found.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> check_units(organ_exchange.model(("kidney",)))
    """
    where = f"model {model.name!r}: "
    for reaction in model.reactions:
        what = f"{where}reaction {reaction.name!r}: the rate"
        participants = [a for a, _ in (*reaction.reactants, *reaction.products)]
        for amount in participants:
            if amount.unit != participants[0].unit:
                raise ModelError(
                    f"{where}reaction {reaction.name!r} turns {participants[0]} "
                    f"({participants[0].unit}) into {amount} ({amount.unit}): give "
                    "both one unit"
                )
        check_unit(what, reaction.rate, f"({participants[0].unit})/h")
    for name, expression in model.observables.items():
        try:
            unit_of(sympy.sympify(expression))
        except ModelError as error:
            raise ModelError(f"{where}observable {name!r}: {error}") from error
    for amount, expression in model.start.items():
        check_unit(f"{where}the start of {amount},", expression, amount.unit)
    for name, route in model.all_routes():
        what = f"{where}route {name!r}:"
        if route.amount.unit != DOSED_UNIT:
            raise ModelError(
                f"{what} a dose is in {DOSED_UNIT}, but {route.amount} is in "
                f"{route.amount.unit}: make it an amount, and divide by a volume in "
                "the observables"
            )
        check_unit(f"{what} the lag", route.lag_h, "h")
        check_unit(f"{what} the bioavailability", route.bioavailability, "1")
        if route.duration_h is not None:
            check_unit(f"{what} the duration", route.duration_h, "h")
        if route.rate_per_h is not None:
            unit = f"({route.amount.unit})/h"
            check_unit(f"{what} the rate", route.rate_per_h, unit)


def check_filled(model: Model) -> None:
    """Refuse a model in which an amount stays empty for ever.

    Parameters
    ----------
    model : Model
        The model.

    Raises
    ------
    ModelError
        When no dose, no start and no reaction that can run ever fills an amount.

    Examples
    --------
    >>> from pkmodels.models import organ_exchange
    >>> check_filled(organ_exchange.model(("kidney",)))
    """
    filled, kept = running(model.reactions, model.sources())
    empty = [str(amount) for amount in model.amounts if amount not in filled]
    runs = {reaction.name for reaction in kept}
    idle = [r.name for r in model.reactions if r.name not in runs]
    if empty and idle:
        raise ModelError(
            f"model {model.name!r}: nothing ever fills {', '.join(empty)}, so that "
            f"{', '.join(idle)} never run: say start={{{empty[0]}: ...}}, a route, or "
            "what makes it"
        )
