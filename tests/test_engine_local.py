"""Work on threads: in order, and over when its map is left."""

import threading
from concurrent.futures import CancelledError

import pytest

from tulu_data.engine.local import ordered_map, stop_if_ended


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(ordered_map(lambda k: k * k, range(40), workers)) == [k * k for k in range(40)]


def test_a_worker_in_a_long_loop_ends_when_its_map_is_left():
    begun, outcome = threading.Event(), []

    def work(item):
        if item == 0:
            assert begun.wait(60)
            raise KeyboardInterrupt
        begun.set()
        try:
            while True:
                stop_if_ended()
        except CancelledError:
            outcome.append("ended")
            raise

    with pytest.raises(KeyboardInterrupt):
        list(ordered_map(work, range(2), 2))
    assert outcome == ["ended"]


def test_outside_of_a_map_nothing_ends():
    stop_if_ended()
