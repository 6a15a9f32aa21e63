"""Decay chains: who feeds whom, what decays at once, and the activities in time.

With b_ij the fraction of the decays of j that lead to i, the activities obey
dA_i/dt = lambda_i (sum_j b_ij A_j - A_i), the equations of Bateman (1910).

References
----------
Bateman, H., Proc. Camb. Phil. Soc. 15 (1910) 423-427. Half-lives and branching
fractions: ICRP Publication 107 (2008), through `pkmodels.nuclides`.
"""

import math
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np

from pkmodels.errors import InputError
from pkmodels.nuclides import STABLE_DAUGHTERS, Nuclide, nuclide, nuclides

# A judgement: one minute, short beside the hours over which a ligand moves.
# No daughter in the table is near it: At-217 has 32 ms, Tl-209 2.2 min.
PROMPT_HALF_LIFE_H = 1.0 / 60.0


@dataclass(frozen=True)
class Member:
    """A radionuclide of a decay chain.

    Parameters
    ----------
    name : str
        Element and mass number, as in ``"Bi-213"``.
    parents : tuple of (str, float)
        The members that decay into it, each with its branching fraction, in
        (0, 1]; none for the head of the chain.
    """

    name: str
    parents: tuple[tuple[str, float], ...]

    @property
    def nuclide(self) -> Nuclide:
        """Its half-life, energies and daughters."""
        return nuclide(self.name)

    @property
    def prompt(self) -> bool:
        """Whether it decays where and when it is produced.

        Its half-life T is below `PROMPT_HALF_LIFE_H`, and it has a parent. Its
        activity is then taken as sum_j b_j A_j over its parents j, without delay.
        The relative error of that at a time t after the head was pure is of order
        (T / ln 2) / t, and later of order T over the half-life with which the parents'
        activity changes. At-217: 8e-4 after one minute, 1.1e-4 where Fr-221 (4.9 min)
        decays alone; Po-213 and Po-212: 1e-7, then below 2e-9. The total number of
        decays is exact.
        """
        return bool(self.parents) and self.nuclide.half_life_h < PROMPT_HALF_LIFE_H


def decay_chain(name: str) -> tuple[Member, ...]:
    """Return the radioactive members of a decay chain.

    Parameters
    ----------
    name : str
        The radionuclide at its head.

    Returns
    -------
    tuple of Member
        The head first, each member after all of its parents.

    Raises
    ------
    InputError
        When `pkmodels.nuclides` lacks the head or a radioactive daughter.

    Examples
    --------
    >>> for member in decay_chain("Pb-212"):
    ...     print(member.name, member.parents, member.prompt)
    Pb-212 () False
    Bi-212 (('Pb-212', 1.0),) False
    Po-212 (('Bi-212', 0.6406),) True
    Tl-208 (('Bi-212', 0.3594),) False
    >>> [member.name for member in decay_chain("Lu-177")]
    ['Lu-177']
    """
    parents: dict[str, list[tuple[str, float]]] = {nuclide(name).name: []}
    pending = [name]
    while pending:
        parent = pending.pop(0)
        for daughter, fraction in nuclide(parent).daughters:
            if daughter in STABLE_DAUGHTERS:
                continue
            if daughter not in nuclides():
                raise InputError(
                    f"decay chain of {name!r}: {parent} decays into {daughter} "
                    f"(fraction {fraction:g}), which is radioactive but not in "
                    f"pkmodels' table: add {daughter} and its daughters to "
                    "pkmodels/data/icrp107.csv, or follow a label whose chain is known"
                )
            if daughter not in parents:
                parents[daughter] = []
                pending.append(daughter)
            parents[daughter].append((parent, fraction))
    graph = {child: [parent for parent, _ in found] for child, found in parents.items()}
    order = TopologicalSorter(graph).static_order()
    return tuple(Member(child, tuple(parents[child])) for child in order)


def has_followed_daughters(label: str) -> bool:
    """Say whether a label's daughters get equations of their own.

    Parameters
    ----------
    label : str
        A radionuclide.

    Returns
    -------
    bool
        Whether any of them is in the table of radionuclides.

    Examples
    --------
    >>> has_followed_daughters("Ac-225"), has_followed_daughters("Lu-177")
    (True, False)
    """
    return any(name in nuclides() for name, _ in nuclide(label).daughters)


def effective_parents(
    chain: tuple[Member, ...],
) -> dict[str, tuple[tuple[str, float], ...]]:
    """Skip over the prompt members of a chain.

    The activity of a prompt member, and the atoms of any other member that arise
    per unit of time, are sum_j f_j A_j over its effective parents j, which are not
    prompt: f_j adds up the products of branching fractions along all paths from j
    that pass through prompt members only.

    Parameters
    ----------
    chain : tuple of Member
        Each member after its parents, as `decay_chain` returns them.

    Returns
    -------
    dict of str to tuple of (str, float)
        For each member, prompt ones too, its effective parents and fractions, in
        (0, 1]; none for the head.

    Raises
    ------
    InputError
        When a parent does not come before its daughter in the chain.

    Examples
    --------
    >>> found = effective_parents(decay_chain("Ac-225"))
    >>> found["Bi-213"]
    (('Fr-221', 0.99988),)
    >>> found["Pb-209"]
    (('Bi-213', 0.9791), ('Tl-209', 1.0))
    """
    prompt = {member.name: member.prompt for member in chain}
    found: dict[str, tuple[tuple[str, float], ...]] = {}
    for member in chain:
        shares: dict[str, float] = {}
        for parent, fraction in member.parents:
            if parent not in found:
                raise InputError(
                    f"chain: {member.name} stands before its parent {parent}, or "
                    f"{parent} is missing: take the whole chain from decay_chain()"
                )
            origins = found[parent] if prompt[parent] else ((parent, 1.0),)
            for origin, share in origins:
                shares[origin] = shares.get(origin, 0.0) + share * fraction
        found[member.name] = tuple(shares.items())
    return found


def bateman(name: str, times_h: np.typing.ArrayLike) -> dict[str, np.ndarray]:
    """Return the activities of a whole chain that starts as its pure head.

    A(t) = exp(t M) A(0), with M_ij = lambda_i b_ij and M_ii = -lambda_i: the solution
    of the module's equations, no member being taken as prompt. Bateman's sums
    of exponentials cancel to nothing at early times; here nothing is subtracted, so
    that each activity, however small, is right to about 1e-12 relative, for half-lives
    from microseconds to days together.

    Parameters
    ----------
    name : str
        The radionuclide at the head of the chain.
    times_h : array_like
        Times since the head was pure, h, finite, >= 0, any shape.

    Returns
    -------
    dict of str to array
        For each radioactive member, its activity per initial activity of the head,
        of the shape of `times_h`, >= 0.

    Raises
    ------
    InputError
        When a time is negative or not finite, and as `decay_chain` does.

    References
    ----------
    Al-Mohy and Higham, SIAM J. Matrix Anal. Appl. 31 (2009) 970-989: scaling and
    squaring of a triangular matrix with its diagonal computed anew at each step.

    Examples
    --------
    >>> curves = bateman("Ac-225", [0.0, 10.0])
    >>> [f"{x:.4f}" for x in curves["Bi-213"]]
    ['0.0000', '0.9747']
    """
    times = np.asarray(times_h, dtype=np.float64)
    wrong = times[~(np.isfinite(times) & (times >= 0.0))]
    if wrong.size:
        raise InputError(
            f"times_h: found {float(wrong[0])}; times since the head of the chain was "
            "pure must be finite and at least 0 h"
        )
    chain = decay_chain(name)
    decay = np.array([member.nuclide.decay_constant_per_h for member in chain])
    feeding = np.zeros((len(chain), len(chain)))
    row = {member.name: i for i, member in enumerate(chain)}
    for member in chain:
        for parent, fraction in member.parents:
            i = row[member.name]
            feeding[i, row[parent]] = decay[i] * fraction
    activities = _exponential(feeding, decay, times.ravel())[:, :, 0]
    return {c: activities[:, i].reshape(times.shape) for c, i in row.items()}


def _exponential(
    feeding: np.ndarray, decay: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Return exp(t (feeding - diag(decay))) for each time, (n_times, n, n).

    `feeding` is strictly lower triangular and nowhere negative.
    """
    n, fastest = len(decay), decay.max()
    # Later, exp(-1e4) and with it every activity is 0 in floating point.
    times = np.minimum(times, 1e4 / decay.min())
    # So many halvings that fastest * step is below 1/2.
    halvings = max(0, math.frexp(2.0 * fastest * times.max(initial=0.0))[1])
    step = (times / 2.0**halvings)[:, None, None]
    # exp(h M) = exp(-h fastest) exp(h (M + fastest I)), whose series has no negative
    # term; an entry that paths of n steps reach has 16 terms more, 0.5^16/16! < 1e-18.
    shifted = step * (feeding + np.diag(fastest - decay))
    term = np.broadcast_to(np.eye(n), shifted.shape)
    total = term.copy()
    for order in range(1, n + 16):
        term = term @ shifted / order
        total += term
    total *= np.exp(-fastest * step)
    diagonal = np.arange(n)
    for doubled in range(halvings + 1):
        if doubled:
            total = total @ total
        # Squaring would double the relative error of the diagonal each time.
        total[:, diagonal, diagonal] = np.exp(-decay * step[:, 0] * 2.0**doubled)
    return total
