"""Many cases as one trial: which cases, running them so that a stop costs nothing, and the trial's tables."""
