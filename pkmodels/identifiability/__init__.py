"""Which unknown parameters a schedule and its observables can tell, before any fit."""
