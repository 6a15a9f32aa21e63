"""The decision: the largest activity that keeps every limit with a confidence."""

from pkmodels.decision.burdens import (
    AnyBurden,
    Burden,
    Burdens,
    SimulatedBurden,
    bed_burden,
    dose_burden,
    fractionate,
)
from pkmodels.decision.cautions import Caution, cautions_of
from pkmodels.decision.comparisons import LabelComparison, LabelOutcome, compare
from pkmodels.decision.histories import History, draw_histories, draw_history
from pkmodels.decision.limits import DoseLimit, Quantity, check_quantity
from pkmodels.decision.point_estimates import Excess, PointEstimate, point_estimate
from pkmodels.decision.probabilities import (
    ProbabilityCurve,
    activity_grid,
    probability_curve,
)
from pkmodels.decision.safe_activities import (
    MINIMUM_TAIL_DRAWS,
    LimitOutcome,
    SafeActivity,
    draws_needed,
    quantile_error,
    safe_activity,
)

__all__ = [
    "MINIMUM_TAIL_DRAWS",
    "AnyBurden",
    "Burden",
    "Burdens",
    "Caution",
    "DoseLimit",
    "Excess",
    "History",
    "LabelComparison",
    "LabelOutcome",
    "LimitOutcome",
    "PointEstimate",
    "ProbabilityCurve",
    "Quantity",
    "SafeActivity",
    "SimulatedBurden",
    "activity_grid",
    "bed_burden",
    "cautions_of",
    "check_quantity",
    "compare",
    "dose_burden",
    "draw_histories",
    "draw_history",
    "draws_needed",
    "fractionate",
    "point_estimate",
    "probability_curve",
    "quantile_error",
    "safe_activity",
]
