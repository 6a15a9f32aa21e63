"""Step rules: how every kernel chooses its steps, with the source of each number."""

# Hairer and Wanner, Solving Ordinary Differential Equations II (1996), IV.8: RODAS with
# Gustafsson's predictive control; the error of a step goes with h^5.
SAFETY = 0.9
MOST_GROWTH = 6.0
LEAST_GROWTH = 0.2
EXPONENT = 0.2
LEAST_REMEMBERED_ERROR = 1e-2
# Judgement: an error below has no say.
LEAST_ERROR = 1e-10

# Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.4:
# the first step of a segment.
FIRST_SHARE = 0.01
FIRST_SMALL = 1e-5
FIRST_GUESS = 1e-6
FIRST_MOST = 100.0
FIRST_LEAST_SLOPE = 1e-15

# Judgement, the rest. A step is stretched to the end where this much would be left.
STRETCH = 1.0 + 1e-7
# Relative to the time, or a thousandth of an hour; below, a step makes no progress.
SMALLEST_STEP = 1e-14
SMALLEST_TIME_H = 1e-3
# Times closer than this, relative to the larger of them and 1 h, are one.
SAME_TIME = 1e-12
# Of its scale: what a state counts as in the slope of a power, which may have no end.
LEAST_AMOUNT = 1e-16

# A gradient need not be as accurate as what it is of. The error of a step of a
# sensitivity may be so many times that of a state, relative to its own size and this
# part of the largest in its direction (by the scales of the states).
SENSITIVITY_FACTOR = 100.0
SENSITIVITY_FLOOR = 1e-2
# After so many shorter steps, less one for each good one, and where a step is so small
# a part of its segment, that error is let be: a slope may have no end.
MOST_RETRIES = 3
SHORTEST_RETRY = 1e-6
