"""Which options are kept for a card: those that every step they rest on has proved, and no others."""

from __future__ import annotations

from hevesy.kernels.backends import cuda_options

from . import steps
from .recommend import KEY, Choice
from .runner import FAILED, Run


class Keeper:
    """Keeps the options of the card of a run; takes earlier ones back as soon as a step shows that they are not safe.

    Parameters
    ----------
    run
        Its steps.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._removed: list[str] = []
        self._trouble = ""

    def withdraw(self) -> None:
        """Remove what an earlier run kept for this card, if a step failed that every recommendation rests on.

        Called after each step: a command that is ended before its end must leave no options of a card that failed.
        """
        if not grounds(self._run)[0]:
            return
        try:
            self._removed += [name for name in cards(self._run) if cuda_options.forget(name)]
            self._trouble = ""
        except (OSError, ValueError) as error:
            self._trouble = str(error)

    def keep(self, choice: Choice, factor: float) -> str:
        """Keep the recommended options; says where, or why not.

        Parameters
        ----------
        choice
            The recommendation.
        factor
            Times the usual decays; with fewer nothing is kept.
        """
        reason = self._reason(choice, factor)
        if not reason:
            options = cuda_options.DEFAULT._replace(**dict(zip(KEY, choice.key, strict=True)))
            try:
                return str(cuda_options.save(self._run.facts("device")[0]["name"], options))
            except (OSError, ValueError) as error:
                reason = str(error)
        if self._removed:
            reason += f"; what was saved before for {' and '.join(self._removed)} is removed"
        if self._trouble:
            reason += f"; WHAT WAS SAVED BEFORE REMAINS: {self._trouble}"
        return f"not saved: {reason}"

    def _reason(self, choice: Choice, factor: float) -> str:
        failed, absent = grounds(self._run)
        if failed:
            return f"{' and '.join(failed)} failed"
        if not choice.measured:
            return choice.why
        if factor < 1.0:
            return "measured with fewer decays than usual"
        if absent:
            return f"{' and '.join(absent)} did not run to the end"
        return "" if self._run.facts("device") else "the card has no name"


def grounds(run: Run) -> tuple[list[str], list[str]]:
    """Steps that every recommendation rests on: those that failed, and those that have not run to their end."""
    states = {outcome.name: outcome.state for outcome in run.outcomes}
    names = [step.name for step in steps.in_order() if step.grounds]
    failed = [name for name in names if states.get(name) in FAILED]
    return failed, [name for name in names if name not in failed and states.get(name) != "ok"]


def cards(run: Run) -> list[str]:
    """Names of the cards that were seen: by the step that proves their use, else by an earlier one."""
    named = [fact["name"] for kind in ("device", "card") for fact in run.facts(kind)]
    if not named:
        named = [line.split(",")[0].strip() for fact in run.facts("machine") for line in fact["cards"]]
    return list(dict.fromkeys(named))
