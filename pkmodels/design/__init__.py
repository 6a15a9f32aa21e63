"""Design: which scans of a patient shrink the interval of a dose most."""
