"""What a single scan tells, by its time: of a usual patient, and of a slow one.

    python studies/department/single_scan.py

On a grid, in closed form: ln odds and ln half-life of the kidneys have the cohort's
prior; a scan at t shows ln odds - k t, without an error by chance but with its sd. The
slow patient's kidneys release three times more slowly. Printed: the contraction of the
half-life, and the activity that the 95 % confidence gives over the one that is safe.
"""

import numpy as np

DECAY = {"Y-90": np.log(2.0) / 64.1, "Lu-177": np.log(2.0) / 159.5}
# As learnt; and of a cohort whose sds are 0.7 of those.
SPREADS = ((0.74, 0.44), (0.52, 0.31))
HALF_LIFE_H, SLOW, NOISE, CONFIDENCE = 42.5, 3.0, 0.07, 0.95
TIMES_H = (12.0, 24.0, 36.0, 42.0, 48.0, 54.0, 60.0, 72.0, 96.0)


def told(odds_sd, half_life_sd, t, factor):
    """Return the contraction, and the activity over the safe one of each label."""
    u = np.linspace(-3.0, 3.0, 481)[:, None]
    h = np.linspace(-3.0, 3.0, 481)[None, :]
    rate = np.log(2.0) / HALF_LIFE_H / np.exp(h)
    true = np.log(2.0) / HALF_LIFE_H / factor
    log_p = -0.5 * ((u / odds_sd) ** 2 + (h / half_life_sd) ** 2)
    log_p = log_p - 0.5 * ((u - rate * t + true * t) / NOISE) ** 2
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    variance = (p * h**2).sum() - (p * h).sum() ** 2
    over = []
    for decay in DECAY.values():
        log_tiac = (u - np.log(rate + decay)).ravel()
        order = np.argsort(log_tiac)
        place = np.searchsorted(np.cumsum(p.ravel()[order]), CONFIDENCE)
        over.append(np.exp(-np.log(true + decay) - log_tiac[order][place]))
    return 1.0 - variance / half_life_sd**2, over


if __name__ == "__main__":
    print(f"sd of ln half-life  t (h)  patient  contraction  {'  '.join(DECAY)}")
    for spread in SPREADS:
        for t in TIMES_H:
            for name, factor in (("usual", 1.0), ("slow", SLOW)):
                c, over = told(*spread, t, factor)
                shown = "  ".join(f"{x:.2f}" for x in over)
                print(f"{spread[1]:.2f}  {t:3.0f}  {name:5s}  {c:.2f}  {shown}")
