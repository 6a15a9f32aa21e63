"""Many independent tasks: cohorts, calibration, whatever asks one thing of many."""
