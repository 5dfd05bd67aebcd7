"""The findings in sentences, with the numbers of the record."""

from __future__ import annotations

import textwrap

from ...engine.constants import JOULE_PER_MEV
from ..signs import with_sign
from .analysis import Number, balance, ours, ratio, theirs
from .page_words import (
    ALL,
    FACE,
    SCALED,
    SELF,
    SHOWN,
    STRONG_SHARE,
    WITHOUT,
    has_lines,
    main_tables,
    percent,
    superscript,
)
from .published import Neighbour, PublishedTable
from .record import Record

#: The nuclides whose tables are low.
LOW = ("Re-188", "Re-186", "Lu-177", "Sm-153")
#: Standard uncertainties from which a gap is called proven.
SURE = 5.0
#: What is called agreement [%], judged where the standard uncertainty is smaller.
AGREES = 1.0


def bullets(sentences: list[str]) -> str:
    """A list with lines of at most 118 characters."""
    return "\n".join(
        textwrap.fill(text, 118, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        for text in sentences
    )


def span(values: list[float], digits: int = 1) -> str:
    """Least and largest of some values."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def listed(names: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part) or "none"


def excess(record: Record, table: PublishedTable, components: tuple[str, ...], place: Neighbour) -> float:
    """Published over ours, minus one [%]."""
    return 100 * (ratio(record, table, components, place).value - 1)


def strongest_beta_difference(record: Record, table: PublishedTable) -> tuple[Neighbour, Number]:
    """The neighbour of at least `STRONG_SHARE` of the self value where a table differs most from ours."""
    strong = [n for n in table.s if table.s[n] >= STRONG_SHARE * table.s[SELF]]
    ratios = {n: ratio(record, table, ALL, n) for n in strong}
    worst = max(ratios, key=lambda n: abs(ratios[n].value - 1.0))
    return worst, ratios[worst]


def _groups(
    tables: list[PublishedTable],
) -> tuple[list[PublishedTable], list[PublishedTable], PublishedTable]:
    """Pure betas, the low tables and 131I, all of 3 mm."""
    chosen = main_tables(tables)
    pure = [t for t in chosen if not has_lines(t)]
    low = [next(t for t in chosen if t.nuclide == name) for name in LOW]
    return pure, low, next(t for t in chosen if t.nuclide == "I-131")


def agreement(record: Record, table: PublishedTable) -> str:
    """Where a table of pure betas agrees with ours, and where it does not, of the neighbours that can be judged."""
    within, beyond = [], []
    for place in SHOWN:
        number, name = ratio(record, table, ALL, place), ",".join(map(str, place))
        if 100 * number.error < AGREES:
            if 100 * abs(number.value - 1) <= AGREES:
                within.append(f"{name} ({percent(number)} %)")
            else:
                beyond.append(f"{name} ({percent(number)} %)")
    unknown = [",".join(map(str, n)) for n in SHOWN if 100 * ratio(record, table, ALL, n).error >= AGREES]
    return (
        f"**{superscript(table.nuclide)}**, a pure beta emitter (3 mm): within {AGREES:g} % of ours at "
        f"{listed(within)}; not at {listed(beyond)}. At {listed(unknown)} the uncertainty is {AGREES:g} % or more."
    )


def in_short(record: Record, tables: list[PublishedTable]) -> str:
    """What was found."""
    pure, low, iodine = _groups(tables)
    ours_above = [100 * (ours(record, t, ALL, SELF).value / t.s[SELF] - 1) for t in low]
    below = [-excess(record, t, ALL, SELF) for t in low]
    without = [excess(record, t, WITHOUT, SELF) for t in low]
    shares = [100 * ours(record, t, ("lines",), SELF).value / ours(record, t, ALL, SELF).value for t in low]
    return bullets(
        [
            *(agreement(record, t) for t in pure),
            f"**{listed([superscript(t.nuclide) for t in low])}** (3 mm): the published self values are {span(below)} "
            f"% below ours; ours are {span(ours_above)} % above. Conversion and Auger electrons are "
            f"{span(shares)} % of "
            f"our self values. Without them, the published values are {span(without)} % **above** ours.",
            f"**131I** (3 mm): {percent(ratio(record, iodine, ALL, SELF))} % against our whole, "
            f"{percent(ratio(record, iodine, WITHOUT, SELF))} % against betas and photons alone: neither fits.",
        ]
    )


def gaps(record: Record, tables: list[PublishedTable]) -> tuple[list[str], list[str]]:
    """Which tables with lines hold less than electrons alone leave, and which do not, each in words.

    The former lack energy even if they held none of photons; what the latter lack rests on photons.
    """
    proven, open_ = [], []
    for table in tables:
        found, name = balance(record, table), superscript(table.nuclide)
        gap = found.charged - found.table
        if gap.value > SURE * gap.error:
            proven.append(f"{name} at least {kev(gap)} keV of the {1000 * found.lines.value:.1f} keV of its lines")
        else:
            open_.append(
                f"{name} holds {kev(found.table)} keV, where electrons leave {1000 * found.charged.value:.1f} keV and "
                f"photons {1000 * found.photons.value:.1f} keV: the {kev(found.missing)} keV that it lacks of the "
                f"whole would also be {100 * found.missing.value / found.photons.value:.0f} % less of photons"
            )
    return proven, open_


def kev(energy: Number) -> str:
    """An energy [keV] with its standard uncertainty."""
    return f"{1000 * energy.value:.1f} ± {1000 * energy.error:.1f}"


def in_source_voxel(record: Record, table: PublishedTable) -> Number:
    """What the published self value lacks of ours, as energy per decay [MeV]."""
    lack = ours(record, table, ALL, SELF) - theirs(table, SELF)
    unit = 1e-9 * table.mass_kg / JOULE_PER_MEV
    return Number(unit * lack.value, unit * lack.error)


def standing(record: Record, tables: list[PublishedTable]) -> str:
    """What is proven, what is suggested, what is not shown."""
    pure, low, iodine = _groups(tables)
    both = [*low, iodine]
    proven, open_ = gaps(record, both)
    places = listed(
        [
            f"{superscript(t.nuclide)} {kev(in_source_voxel(record, t))} of {kev(balance(record, t).missing)} keV"
            for t in both
        ]
    )
    factors = listed([f"{superscript(t.nuclide)} {100 * (balance(record, t).factor.value - 1):.1f} %" for t in both])
    scaled = listed([f"{superscript(t.nuclide)} {percent(ratio(record, t, SCALED, FACE))} %" for t in both])
    plain = listed([f"{superscript(t.nuclide)} {percent(ratio(record, t, ALL, FACE))} %" for t in both])
    beta_energy = listed(
        [f"{superscript(t.nuclide)} {with_sign(100 * (balance(record, t).factor.value - 1), 1)} %" for t in pure]
    )
    better, worse = [], []
    for t in both:
        group = better if abs(excess(record, t, SCALED, FACE)) < abs(excess(record, t, ALL, FACE)) else worse
        group.append(superscript(t.nuclide))
    return bullets(
        [
            "**Proven**, if nearly all electrons stop within five voxels, whatever the photons: these tables hold less "
            f"energy than ICRP 107 gives to electrons, {listed(proven)}; more where they hold energy of photons.",
            f"**Not proven in this way:** {'; '.join(open_) or 'none'}. That electrons are missing there is suggested "
            "by the others.",
            "**Proven:** without lines there is no such gap. At the published medium and density the tables of pure "
            f"betas hold the energy of ICRP 107's betas but for {beta_energy}.",
            "**Suggested** (it takes our photons and betas to be theirs): what is missing has a short range. The "
            f"source voxel lacks, of what the whole table lacks, {places}; at the face neighbour the published values "
            f"differ from our whole by {plain}. Lines are a part of a decay like that: nearly all that they leave is "
            "in the source voxel.",
            "**Suggested, not proven:** that conversion and Auger electrons are absent altogether. The tables then "
            f"need betas that are harder than those of ICRP 107, by {factors}, with our photons. With betas scaled by "
            "that factor, the face neighbour, to which nothing was fitted, is off by "
            f"{scaled}. That is closer than our whole for {listed(better)}, but not for {listed(worse)}, where these "
            "numbers do not tell a part of the lines from another spectrum.",
            "**Not shown:** which lines are absent, and why. It would take the emission data that the tables were made "
            "with.",
        ]
    )
