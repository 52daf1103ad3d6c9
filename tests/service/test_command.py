"""`diar serve` and `diar live` as they are called; TLS with client certificates."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from diar.formats.rttm import read_rttm
from tests.commands import RATE, clean_environment, run_diar


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, server.pem, client.pem (with keys), and stranger.pem of another authority."""
    folder = tmp_path_factory.mktemp("tls")
    ca, ca_key = certificate(folder, "ca", None)
    for name in ("server", "client"):
        certificate(folder, name, (ca, ca_key))
    certificate(folder, "stranger", None)
    return folder


def certificate(folder: Path, name: str, issuer: tuple | None) -> tuple:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    import ipaddress

    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return made, key


@pytest.fixture(scope="module")
def started(
    certificates: Path, campplus_dir: Path, segmentation_dir: Path
) -> Iterator[tuple[subprocess.Popen, str]]:
    """`diar serve` with client certificates, and its address."""
    call = [sys.executable, "-m", "diar", "serve", "--port", "0", "--device", "cpu", "--threads", "1"]
    call += ["--model", str(campplus_dir), "--segmentation", str(segmentation_dir)]
    call += [
        "--tls_certificate",
        str(certificates / "server.pem"),
        "--tls_key",
        str(certificates / "server.pem"),
    ]
    call += ["--client_ca", str(certificates / "ca.pem"), "--audit_log", str(certificates / "audit.jsonl")]
    call += ["--log_format", "json"]
    process = subprocess.Popen(call, env=clean_environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address, lines = "", []
    for line in process.stderr:
        lines.append(line)
        found = re.search(r"listening on https://([\d.:]+)", line)
        address = found[1] if found else address
        if "ready" in line:
            break
    assert address, lines
    yield process, address
    process.kill()
    process.wait()


def client_tls(folder: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem")
    return context


def test_from_the_start_over_a_call_in_a_terminal_to_the_signal(
    started: tuple[subprocess.Popen, str], certificates: Path, talk: np.ndarray, tmp_path: Path
) -> None:
    process, address = started
    url = f"wss://{address}/v1/live"
    for name in (None, "stranger"):
        tls = client_tls(certificates, name)
        with pytest.raises((OSError, WebSocketException)), connect(url, ssl=tls) as socket:
            socket.recv(10)
    sf.write(tmp_path / "call.wav", talk, RATE)
    with_tls = ("--url", url, "--ca", certificates / "ca.pem", "--certificate", certificates / "client.pem")
    done = run_diar("live", tmp_path / "call.wav", "--pace", "0", "--rttm", tmp_path / "call.rttm", *with_tls)
    assert done.returncode == 0, done.stderr
    assert re.search(r"0:\d\d\.\d–0:\d\d\.\d +speaker \d", done.stdout)
    assert "0:12.0 of audio, " in done.stdout
    assert read_rttm(tmp_path / "call.rttm")["call"]
    audit = [json.loads(line) for line in (certificates / "audit.jsonl").read_text().splitlines()]
    assert {(line["subject"], line["how"]) for line in audit} == {("CN=client,O=Tests", "certificate")}
    page = urllib.request.Request(f"https://{address}/", headers={"X-Request-ID": "page-1"})
    with urllib.request.urlopen(page, context=client_tls(certificates, "client"), timeout=10) as answer:
        assert answer.headers["X-Request-ID"] == "page-1"
    with connect(url, ssl=client_tls(certificates, "client")) as socket:
        socket.send('{"type": "start"}')
        socket.recv(10)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(12) == 0
        assert time.monotonic() - began < 10
    assert process.stderr is not None
    lines = [json.loads(line) for line in process.stderr]
    (asked,) = [line for line in lines if line.get("request") == "page-1"]
    assert (asked["route"], asked["status"], asked["command"]) == ("/", 200, "diar serve")


def test_what_cannot_work_is_said_before_anything_starts(tmp_path: Path) -> None:
    nobody = run_diar("serve")
    assert nobody.returncode == 2 and "--insecure to let everybody on this machine in" in nobody.stderr
    missing = run_diar("serve", "--jwt_secret_file", tmp_path / "none")
    assert missing.returncode == 2 and "--jwt_secret_file" in missing.stderr
    unreadable = run_diar("live", tmp_path / "none.wav")
    assert unreadable.returncode == 2 and "none.wav cannot be read" in unreadable.stderr
