"""The prepared script for a GPU runs: tiny sizes on the processor, and one line where there is no device."""

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu


def test_it_runs_on_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["gpu", "--cpu", "--out", str(file)])
    assert gpu.main() == 0
    (table,) = json.loads(file.read_text(encoding="utf-8"))["tables"]
    assert [row[1] for row in table["rows"]] == list(gpu.VARIANTS)
    assert table["rows"][0][3]["median"] == 1.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_without_a_device_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert gpu.main() == 2
    assert "CUDA device" in capsys.readouterr().err
