"""Two contact centres, each loaded once for all tests of this folder."""

from collections.abc import Callable, Iterator

import pytest

from tailrace.database.pool import Database
from tailrace.intake.wfm.sample import write_sample
from wfm.product import SAMPLE_END, SAMPLE_PRESENT, SAMPLE_START, Centre, open_centre
from wfm.tables import as_csv_folder, small


@pytest.fixture(scope="session")
def small_centre(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """Load the hand-written tables."""
    database = Database(new_database(), size=4)
    folder = as_csv_folder(small(), tmp_path_factory.mktemp("tables"))
    yield open_centre(database, tmp_path_factory.mktemp("data"), folder)
    database.close()


@pytest.fixture(scope="session")
def sample_centre(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """Load a made-up contact centre of thirty agents and a year."""
    database = Database(new_database(), size=4)
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, agents=30, seed=3, start=SAMPLE_START, end=SAMPLE_END, present=SAMPLE_PRESENT, name="Sample")
    yield open_centre(database, tmp_path_factory.mktemp("data"), folder)
    database.close()
