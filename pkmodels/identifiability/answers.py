"""What an analysis of structural identifiability answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pkmodels.identifiability.combinations import Family


class Verdict(StrEnum):
    """What curves without noise would tell of a parameter."""

    IDENTIFIABLE = "identifiable"  # locally: up to finitely many values
    NOT = "not identifiable"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class StructuralIdentifiability:
    """What a schedule and its observables could tell at best.

    Parameters
    ----------
    parameters : mapping of str to Verdict
        Of each unknown.
    predicted : mapping of str to Verdict
        Of each curve that is wanted, not measured: ``"occasion: observable"``.
    families : tuple of Family
        Unknowns that cannot be known one by one, and what of them can.
    rank : int
        In how many directions the outputs tell the unknowns; -1 where undecided.
    terms : int
        Of each power series that were computed.
    settled : int
        Of them, after how many the rank was what it is.
    error_bound : float
        Bound of the probability that the random points misled, at most 1, after
        Schwartz and Zippel. It does not cover a prime, however large, that happens to
        divide what is not 0, nor what only terms after `terms` tell, nor what passes
        unseen between doses and acts by high powers of that time alone (`powers`).
    proven : bool
        Whether no chance and no assumption is left in "identifiable": the rank is
        full, and equations are rational.
    reason : str
        Why it is undecided; empty where it is not.
    seconds : float
        How long it took.
    powers : int
        Powers of the time between doses that were followed; 1 where there is none.
    takes_as_independent : bool
        Whether there are roots, exponentials or logarithms of parameters or states,
        whose values at a point are taken as independent of one another.
    """

    parameters: Mapping[str, Verdict]
    predicted: Mapping[str, Verdict]
    families: tuple[Family, ...]
    rank: int
    terms: int
    settled: int
    error_bound: float
    proven: bool
    reason: str
    seconds: float = field(compare=False)
    powers: int = 1
    takes_as_independent: bool = False

    def of(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the unknowns with a verdict."""
        return tuple(n for n, v in self.parameters.items() if v is verdict)
