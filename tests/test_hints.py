"""A message that tells somebody what to type is met by a test that types it."""

from __future__ import annotations

from collections.abc import Iterator

from tests import hint_places, test_extras
from tests.config import test_bad_configs, test_hint_keys
from tests.data import test_bad_preparations
from tests.data.readers import test_bad_array_files, test_bad_csv_files, test_image_folder, test_understanding
from tests.engine import test_ways_out
from tests.experiment import test_misfits
from tests.hints import followed
from tests.ops import test_layers_misfits

PLACES = list(hint_places.places())


def tables() -> Iterator[str]:
    """The messages of tables of which each is followed by a rule."""
    for config, overrides, message in (case.values for case in test_bad_configs.CASES):
        yield from (said for said, _ in followed(config, message))
        for override in overrides:
            yield from (said for said, _ in followed(override, message, argument=True))
    for config, _, message in (case.values for case in test_misfits.CASES):
        yield from (said for said, _ in followed(config, message))
    yield from (case.values[2] for case in (*test_misfits.TOLD, *test_misfits.RELAID))
    for module in (
        test_bad_preparations, test_bad_csv_files, test_bad_array_files, test_image_folder, test_layers_misfits,
    ):  # fmt: skip
        yield from (case[-1] for case in module.TOLD)
    yield from (hint for *_, hint in test_hint_keys.HINTS)
    yield from (
        f"Write {what}; or leave the tape on purpose: np.add.reduceat(t.value) {what}" for what in test_ways_out.INSTEAD
    )
    for _, _, message, ways in test_understanding.HINTS:
        yield from (message, *ways) if ways else ()
    yield from (said for *_, said in test_extras.MISSING)


FOLLOWED = [*tables(), *hint_places.taken()]


def test_there_are_many() -> None:
    assert len(PLACES) > 300
    assert len(FOLLOWED) > 100


def test_a_hint_is_tested_by_doing_what_it_says() -> None:
    assert [str(place) for place in PLACES if not any(place.pattern.search(text) for text in FOLLOWED)] == []
