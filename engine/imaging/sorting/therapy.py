"""What an import writes as the therapy: a proposal for 124I, what was given for a nuclide that treats, else nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...nuclides.diagnostic import is_imaging_tracer

#: Therapies that a tracer is given to predict: nuclide and a usual activity, a proposal for the reader to change.
PREDICTED = {"I-124": ("I-131", "7.4 GBq")}


def therapy_block(tracer: str, activity: str | None) -> dict[str, str] | None:
    """The case's therapy, as far as the images tell.

    Parameters
    ----------
    tracer
        The nuclide that was imaged, by its canonical name.
    activity
        What was administered of it, as text with its unit; None where no header says.

    Returns
    -------
    dict or None
        None: the case states no therapy, and a run gives the dose of the scan.
    """
    if tracer in PREDICTED:
        nuclide, proposed = PREDICTED[tracer]
        return {"nuclide": nuclide, "activity": proposed}
    if activity is None or is_imaging_tracer(tracer):
        return None
    return {"nuclide": tracer, "activity": activity}


def proposed_therapy(case: Mapping[str, Any]) -> str:
    """What an import did about the therapy, in one sentence for the user."""
    tracer, therapy = case["tracer"]["nuclide"], case.get("therapy")
    if therapy is None:
        return (
            f"no therapy was written for {tracer}: a run gives the dose of the scan; for a prediction add to the case, "
            "for example, therapy: {nuclide: Lu-177, activity: 7.4 GBq}"
        )
    if tracer in PREDICTED:
        return (
            f"therapy {therapy['nuclide']} with {therapy['activity']} is a proposal: change it to the planned activity"
        )
    return f"the therapy is the {tracer} that was imaged, with the administered {therapy['activity']}"
