"""An organ fed by dosed blood: its closed form and slopes with many digits."""

from typing import Any

import mpmath


def cascade_content(k: Any, u: Any, w: Any, time: Any, length: Any) -> Any:
    """Return an organ's content after a unit dose into blood, in mpmath's precision.

    dB/dt = -k B + input, dO/dt = u B - w O; after a bolus, O = u (exp(-w t) -
    exp(-k t)) / (k - w), and an infusion is its mean over the age of what was given.
    """
    k_, w_, t, d = (mpmath.mpf(x) for x in (k, w, time, length))
    exp, youngest = mpmath.exp, max(t - d, mpmath.mpf(0))

    def integral(rate: Any) -> Any:
        if rate == 0:
            return t - youngest
        return (exp(-rate * youngest) - exp(-rate * t)) / rate

    def equal_rates(s: Any) -> Any:
        return -exp(-k_ * s) * (s / k_ + 1 / k_**2)

    if d == 0 and k_ == w_:
        content = t * exp(-k_ * t)
    elif d == 0:
        content = (exp(-w_ * t) - exp(-k_ * t)) / (k_ - w_)
    elif k_ == w_:
        content = (equal_rates(t) - equal_rates(youngest)) / d
    else:
        content = (integral(w_) - integral(k_)) / (k_ - w_) / d
    return u * content


def exact_cascade(k: float, u: float, w: float, time: float, length: float) -> float:
    """Return `cascade_content` from 50 digits."""
    with mpmath.workdps(50):
        return float(cascade_content(k, u, w, time, length))


def exact_slopes(*numbers: float) -> list[float]:
    """Return the derivatives of `cascade_content` by each number, from 120 digits."""
    with mpmath.workdps(120):
        exact, found = [mpmath.mpf(x) for x in numbers], []
        for i, number in enumerate(exact):
            step = number * mpmath.mpf(10) ** -25
            sides = [[*exact[:i], number + s, *exact[i + 1 :]] for s in (step, -step)]
            up, down = (cascade_content(*side) for side in sides)
            found.append(float((up - down) / (2 * step)))
        return found
