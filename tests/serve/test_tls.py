"""Certificates: checked before anything starts, and used for https and grpcs with API keys."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import tritonclient.grpc as grpc

from burnish.core.errors import RecipeError
from burnish.serve.run import Options, serve
from burnish.serve.tls import read_tls
from tests.serve.conftest import free_port
from tests.serve.hostile import INFER, inference

KEY = "a-key-of-sixteen-characters"


def make_pair(folder: Path, name: str, *more: str) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate), *(more or ("-nodes",))]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("tls"), "ours")


def test_a_pair_that_fits_is_read(pair):
    found = read_tls(*pair)
    assert found is not None and b"CERTIFICATE" in found.certificate_pem and b"PRIVATE KEY" in found.key_pem
    assert read_tls(None, None) is None


def test_what_cannot_be_used_is_one_error_with_a_fix(pair, tmp_path):
    certificate, key = pair
    other = make_pair(tmp_path, "other")
    locked = make_pair(tmp_path, "locked", "-passout", "pass:secret")
    (tmp_path / "broken.pem").write_text(
        certificate.read_text().replace("\nMI", "\nAA", 1)  # still base64, no certificate any more
    )
    for files, what in (
        ((certificate, None), "belong together"),
        ((None, key), "belong together"),
        ((certificate, tmp_path / "none"), "cannot be read"),
        ((tmp_path, key), "cannot be read"),
        ((key, certificate), "not what it has to be"),
        ((certificate, other[1]), "does not belong to the certificate"),
        (locked, "cannot be used"),
        ((tmp_path / "broken.pem", key), "cannot be used"),
    ):
        with pytest.raises(RecipeError, match=what) as caught:
            read_tls(*files)
        assert caught.value.help and caught.value.where and "limits" not in str(caught.value)


def test_it_is_said_before_a_model_is_loaded(artifact, pair, tmp_path):
    options = Options(port=free_port(), grpc_port=None, tls_certificate=pair[0])
    said: list[str] = []
    with pytest.raises(RecipeError, match="belong together"):
        serve([artifact], options, said.append)
    assert not said


def test_https_and_grpcs_with_a_key(artifact, pair, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(KEY + "\n")
    http_port, grpc_port = free_port(), free_port()
    command = [sys.executable, "-c", "from burnish.cli.main import main; main()", "serve", str(artifact)]
    command += ["--port", str(http_port), "--grpc-port", str(grpc_port), "--threads", "1", "--api-keys", str(keys)]
    command += ["--tls-certificate", str(pair[0]), "--tls-key", str(pair[1])]
    trust = ssl.create_default_context(cafile=str(pair[0]))
    root = f"https://localhost:{http_port}"

    def ask(path: str, body: bytes | None = None, key: str = "") -> bytes:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        sent = urllib.request.Request(root + path, body, headers)
        with urllib.request.urlopen(sent, timeout=60, context=trust) as found:
            return found.read()

    process = subprocess.Popen(command)
    try:
        for _ in range(600):
            assert process.poll() is None, "the service ended"
            try:
                ask("/v2/health/ready")
                break
            except OSError:
                time.sleep(0.1)
        name = json.loads(ask("/v2/repository/index", b"", KEY))[0]["name"]
        path = INFER.replace("tiny", name)
        assert len(json.loads(ask(path, inference(), KEY))["outputs"][0]["data"]) == 5
        for wrong in ("", KEY + "x", KEY[:-1]):
            with pytest.raises(urllib.error.HTTPError) as caught:
                ask(path, inference(), wrong)
            assert caught.value.code == 401 and "API key" in json.load(caught.value)["error"]
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://localhost:{http_port}/v2", timeout=60)
        client = grpc.InferenceServerClient(
            f"localhost:{grpc_port}", ssl=True, root_certificates=str(pair[0]), private_key=None, certificate_chain=None
        )
        assert client.is_server_live()
        assert client.is_model_ready(name, headers={"authorization": f"Bearer {KEY}"})
        with pytest.raises(Exception, match="API key"):
            client.get_model_metadata(name)
        client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
