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
        Bound of the probability that a random point or prime misled, at most 1. It
        does not cover what only terms after `terms` tell, nor what passes unseen
        between doses and acts by high powers of that time alone (above 6).
    proven : bool
        Whether no chance is left in "identifiable" (the rank is full).
    reason : str
        Why it is undecided; empty where it is not.
    seconds : float
        How long it took.
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

    def of(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the unknowns with a verdict."""
        return tuple(n for n, v in self.parameters.items() if v is verdict)
