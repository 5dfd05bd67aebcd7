"""Work shared by a pool of threads, of which nothing more is begun once something has gone wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any


def shared(
    pool: ThreadPoolExecutor,
    work: Callable[[Any], Any],
    items: Iterable[Any],
    stop: Callable[[], bool] | None = None,
) -> list[Any]:
    """Results of ``work`` for every item, in their order.

    What a signal handler or an error raises here, also while the items are handed out, leaves no other item to be
    begun: each thread ends the one that it has. ``ThreadPoolExecutor.map`` does so only once all are handed out.

    Parameters
    ----------
    pool
        The threads.
    work
        What is done with an item.
    items
        The items.
    stop
        Asked after every item, by the calling thread; True gives up the rest.

    Returns
    -------
    list
        One result for each item.

    Raises
    ------
    KeyboardInterrupt
        It was given up.
    """
    over = Event()

    def unless_over(item: Any) -> Any:
        return None if over.is_set() else work(item)

    results = []
    try:
        for future in [pool.submit(unless_over, item) for item in items]:
            results.append(future.result())
            if stop is not None and stop():
                raise KeyboardInterrupt
        return results
    finally:
        over.set()
