"""Doses of a model: how they arrive, where that is not at once and whole."""

from collections.abc import Iterator

import sympy

from pkmodels.routes import Route


def route_details(route: Route) -> Iterator[tuple[str, str, sympy.Expr]]:
    """Yield what a route states besides where a dose arrives.

    Parameters
    ----------
    route : Route
        The route.

    Yields
    ------
    tuple of (str, str, sympy expression)
        What it is, its unit (empty for a fraction) and its value.

    Examples
    --------
    >>> from pkmodels.symbols import Amount, Parameter
    >>> route = Route(Amount("depot", "nmol"), lag_h=Parameter("delay", "h"))
    >>> list(route_details(route))
    [('lag', 'h', delay)]
    """
    details = (
        ("bioavailability", "", route.bioavailability, 1),
        ("lag", "h", route.lag_h, 0),
        ("duration", "h", route.duration_h, None),
        ("rate", f"{route.amount.unit}/h", route.rate_per_h, None),
    )
    for what, unit, value, otherwise in details:
        if value is not None and value != otherwise:
            yield what, unit, sympy.sympify(value)
