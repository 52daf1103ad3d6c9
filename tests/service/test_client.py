"""The client on the documentation's page works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.commands import RATE, ROOT, clean_environment
from tests.service.serving import Running, token


def test_the_client_of_the_documentation(server: Running, talk: np.ndarray, tmp_path: Path) -> None:
    scripts = re.findall(r"^```py\n(.*?)^```", (ROOT / "docs" / "service.md").read_text(), re.M | re.S)
    (script,) = [one for one in scripts if "import websockets" in one or "from websockets" in one]
    (tmp_path / "client.py").write_text(script)
    sf.write(tmp_path / "call.wav", talk[: 5 * RATE], RATE, subtype="PCM_16")
    environment = clean_environment(DIAR_URL=f"ws://{server.address}/v1/live", DIAR_TOKEN=token())
    call = [sys.executable, str(tmp_path / "client.py"), str(tmp_path / "call.wav")]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "turn.started 1 " in done.stdout
    assert re.search(r"^ +\d\.\d\d +\d\.\d\d  speaker \d$", done.stdout, re.MULTILINE)
