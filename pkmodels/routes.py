"""Routes: where a dose arrives, how late and how much of it."""

from dataclasses import dataclass

import sympy

from pkmodels.errors import ModelError
from pkmodels.symbols import Amount


@dataclass(frozen=True)
class Route:
    """Where a dose arrives, how late and how much of it.

    Parameters
    ----------
    amount : Amount
        What it adds to.
    lag_h : sympy expression
        Time from the administration to the arrival, h, of parameters.
    bioavailability : sympy expression
        Fraction that arrives, of parameters.
    duration_h, rate_per_h : sympy expression or None
        Length (h) or rate (of ligand, nmol/h) of what arrives where the administration
        leaves it to the model (at most one of them): of parameters.
    """

    amount: Amount
    lag_h: sympy.Expr = sympy.S.Zero
    bioavailability: sympy.Expr = sympy.S.One
    duration_h: sympy.Expr | None = None
    rate_per_h: sympy.Expr | None = None

    def __post_init__(self) -> None:
        """Refuse a route with both a duration and a rate."""
        if self.duration_h is not None and self.rate_per_h is not None:
            raise ModelError(
                f"route into {self.amount}: a modelled duration and a modelled rate "
                "exclude each other: keep one"
            )

    def __str__(self) -> str:
        """Print where a dose arrives, and how if not at once and whole."""
        details = [
            (self.lag_h != 0, f"after {self.lag_h}"),
            (self.bioavailability != 1, f"fraction {self.bioavailability}"),
            (self.duration_h is not None, f"over {self.duration_h}"),
            (self.rate_per_h is not None, f"at the rate {self.rate_per_h}"),
        ]
        said = ", ".join(text for stated, text in details if stated)
        return f"{self.amount} ({said})" if said else str(self.amount)

    @property
    def expressions(self) -> tuple[sympy.Expr, ...]:
        """Every expression of parameters in it."""
        found = (
            self.lag_h,
            self.bioavailability,
            self.duration_h,
            self.rate_per_h,
        )
        return tuple(sympy.sympify(e) for e in found if e is not None)
