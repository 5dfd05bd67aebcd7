"""What kind of images a series holds, from its headers alone: slices of a volume, or something else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...same import SAME_DIRECTION
from ...text import counted
from . import elements
from .find import Header
from .frames import is_multi_frame
from .scale import rescale

#: SOP classes of photographs of a screen, of documents and of other pictures (the family Secondary Capture).
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: Values of Image Type that say what a picture shows in place of a slice, and how a remark calls it.
_NO_SLICE = {
    "LOCALIZER": "a localizer",
    "SCOUT": "a localizer",
    "MIP": "a projection (MIP)",
    "PROJECTION IMAGE": "a projection",
    "MAX_IP": "a projection (MIP)",
    "MIN_IP": "a projection (minimum)",
    "VOLREN": "a picture of a volume",
    "SCREEN SAVE": "a screenshot",
    "SCREENSHOT": "a screenshot",
    "DOSE_INFO": "a dose report",
}
#: What :func:`no_volume` says of series that a reader of one series refuses itself, naming the element.
SINGLE, NO_ORIENTATION = "a single slice", "images whose orientation is not six numbers"
#: A share of a series above which images of another orientation are no strays: it is then not clear what it holds.
STRAY_SHARE = 0.2


def no_slice(header: Header) -> str:
    """Why one image is no slice of a volume; empty where it may be one.

    Parameters
    ----------
    header
        Its header.
    """
    data = header.dataset
    sop_class = elements.text(data, "SOPClassUID")
    image_type = [word.upper() for word in elements.texts(data, "ImageType")]
    kind = next((_NO_SLICE[word] for word in image_type if word in _NO_SLICE), "")
    if kind:
        return kind
    if sop_class == SECONDARY_CAPTURE or sop_class.startswith(SECONDARY_CAPTURE + "."):
        return "a screenshot or report (Secondary Capture)"
    if is_colour(header):
        return "a colour image"
    if elements.text(data, "CountsSource").upper() == "TRANSMISSION":
        return "a transmission image"
    if is_multi_frame(header):
        return ""
    for keyword, noun in (("ImagePositionPatient", "a position"), ("ImageOrientationPatient", "an orientation")):
        if not elements.texts(data, keyword):
            return f"an image without {noun} in the patient"
    return ""


def is_colour(header: Header) -> bool:
    """Whether a pixel has more than one sample, or its numbers stand for colours of a palette."""
    samples = elements.number(header.dataset, "SamplesPerPixel")
    photometric = elements.text(header.dataset, "PhotometricInterpretation").upper()
    return (samples is not None and samples > 1) or photometric.startswith(("RGB", "YBR", "PALETTE"))


def main_orientation(headers: Sequence[Header]) -> tuple[list[Header], list[Header]]:
    """The images of the orientation that most of a series has, and the others.

    Parameters
    ----------
    headers
        Of single slices; one whose orientation is not six numbers belongs to the others.

    Returns
    -------
    (main, others)
        In the order given.
    """
    groups: list[tuple[np.ndarray, list[int]]] = []
    for i, header in enumerate(headers):
        cosines = np.array(elements.numbers(header.dataset, "ImageOrientationPatient"))
        if cosines.shape != (6,):
            continue
        for first, members in groups:
            if np.max(np.abs(first - cosines)) <= SAME_DIRECTION:
                members.append(i)
                break
        else:
            groups.append((cosines, [i]))
    most: set[int] = set()
    for _, members in groups:
        most = set(members) if len(members) > len(most) else most
    return [h for i, h in enumerate(headers) if i in most], [h for i, h in enumerate(headers) if i not in most]


def unusable(headers: Sequence[Header]) -> str:
    """Why the images of one series form no volume of values; empty where they may.

    Parameters
    ----------
    headers
        All images of the series, in any order. Strays among them (a localizer in front of the slices) do not make the
        series unusable.

    Returns
    -------
    str
        As a remark says it: ``"a localizer"``, ``"a screenshot or report (Secondary Capture)"``, ``"a single slice"``,
        ``"views that turn about the patient (20 orientations)"``, ``"the file has no RescaleSlope (CT003.dcm)"``.
    """
    if reason := no_volume(headers):
        return reason
    for header in headers:
        if not is_multi_frame(header) and not no_slice(header):
            try:
                rescale(header)
            except InputError as error:
                return f"{error.problem} ({header.path.name})"
    return ""


def no_volume(headers: Sequence[Header]) -> str:
    """Why the images of one series lie in no volume, as for :func:`unusable`, whatever their values mean."""
    reasons = [no_slice(header) for header in headers]
    slices = [header for header, reason in zip(headers, reasons, strict=True) if not reason]
    if not slices or len(slices) < len(headers) / 2:
        return max(reasons, key=lambda reason: reasons.count(reason) if reason else 0, default="no image")
    if any(is_multi_frame(header) for header in slices):
        return ""
    if len(slices) < 2:
        return SINGLE
    main, others = main_orientation(slices)
    if not main:
        return NO_ORIENTATION
    if len(others) > STRAY_SHARE * len(slices):
        turns = len(slices) - len(main) + 1
        if len(main) <= 2:
            return f"views that turn about the patient ({counted(turns, 'orientation')})"
        return f"images of several orientations ({len(main)} of one, {len(others)} of others)"
    return ""
