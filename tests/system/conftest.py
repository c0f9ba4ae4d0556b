"""Makes the line's parts importable and stops whatever a test left running."""
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools")]


@pytest.fixture
def stage(tmp_path):
    """A place to put a line together (see line.py); its parts are stopped in reverse order."""
    from line import Stage

    with Stage(tmp_path) as made:
        yield made
