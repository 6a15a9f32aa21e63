"""Protraction in closed form by mpmath: curves that are sums of exponentials in pieces.

It imports nothing of ours. A curve is a list of pieces, each a length (None: no end)
and a list of (amplitude, rate), of time since the piece's start.
"""

from typing import Any

import mpmath as mp

# Numbers are mpmath's, which has no types to name here.
DIGITS = 120
# Rates that are equal to this, relative, count as different: exact to 60 digits.
APART = mp.mpf(10) ** -30

Terms = list[tuple[Any, Any]]
Curve = list[tuple[Any, Terms]]


def organ(
    k: float, u: float, w: float, decay: float, length: float, given: float
) -> tuple[Curve, Curve]:
    """Blood and an organ: b' = -k b, o' = u b - w o, both decaying, after one dose.

    A syringe of `given` flows for `length` and decays meanwhile.
    """
    k, u, w, decay, length, given = map(mp.mpf, (k, u, w, decay, length, given))
    if abs(k - w) < APART * k:
        w = w * (1 + APART)
    if length == 0:
        blood, content = given, mp.mpf(0)
        during: list[Curve] = [[], []]
    else:
        rate = given / length
        inside = [(rate / k, decay), (-rate / k, decay + k)]
        filled = [
            (u * rate / (k * w), decay),
            (-u * rate / (k * (w - k)), decay + k),
            (u * rate / (w * (w - k)), decay + w),
        ]
        during = [[(length, inside)], [(length, filled)]]
        blood, content = (sum_at(terms, length) for terms in (inside, filled))
    after = [(blood, decay + k)]
    washed = [
        (u * blood / (w - k), decay + k),
        (content - u * blood / (w - k), decay + w),
    ]
    return [*during[0], (None, after)], [*during[1], (None, washed)]


def sum_at(terms: Terms, time: Any) -> Any:
    return mp.fsum(a * mp.exp(-b * time) for a, b in terms)


def integral(curve: Curve) -> Any:
    return mp.fsum(integral_of(terms, length) for length, terms in curve)


def integral_of(terms: Terms, length: Any) -> Any:
    if length is None:
        return mp.fsum(a / b for a, b in terms)
    return mp.fsum(
        a * (length if b == 0 else -mp.expm1(-b * length) / b) for a, b in terms
    )


def q(one: Curve, other: Curve, repair_half_time: float) -> Any:
    """int one(t) int_0^t other(w) exp(-mu (t - w)) dw dt; the pieces are the same."""
    mu = mp.log(2) / mp.mpf(repair_half_time)
    damage, total = mp.mpf(0), mp.mpf(0)
    for (length, a), (_, b) in zip(one, other, strict=True):
        # z' = other - mu z: each exponential gives (e^-bt - e^-mu t) / (mu - b).
        gaps = [(c, rate, mu - rate or mu * APART) for c, rate in b]
        z = [(c / gap, rate) for c, rate, gap in gaps]
        z.append((damage - mp.fsum(c / gap for c, _, gap in gaps), mu))
        products = [(c * d, r + s) for c, r in a for d, s in z]
        total += integral_of(products, length)
        damage = mp.mpf(0) if length is None else sum_at(z, length)
    return total
