"""What docs/quality.md says that the shipped tests find is what tests/quality_figures prints."""
import os
import subprocess
import sys

import pytest

from line import ROOT, shared


@pytest.mark.parametrize("recording, rows", [("Logan", 12), ("Dry Bar", 7), ("weather", 3)])
def test_the_figures_stand_in_the_document(recording, rows):
    shared("SOURCES.md")
    result = subprocess.run([sys.executable, "-B", ROOT / "tests" / "quality_figures", recording],
                            capture_output=True, text=True, check=True, env=os.environ)
    lines = result.stdout.splitlines()
    assert len(lines) == 2 + rows
    document = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line not in document] == []
