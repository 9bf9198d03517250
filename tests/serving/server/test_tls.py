"""gRPC speaks TLS with a certificate, and only TLS."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import tritonclient.grpc as triton
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tritonclient.utils import InferenceServerException

from serving.server.server import TritonServer
from tests.serving.doors import ask_grpc, over_grpc, packed
from tests.serving.served_world import REPOSITORY, server_config, serving

pytestmark = pytest.mark.triton


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine and its key, PEM files."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def test_grpc_with_a_certificate_answers_over_tls_only(tmp_path, exported, spec, exported_rows):
    cert, key = self_signed(tmp_path)
    tensors = packed(exported_rows[:3], spec)
    with serving(tmp_path, exported / REPOSITORY, tls_cert=str(cert), tls_key=str(key)) as server:
        with triton.InferenceServerClient(server.grpc_url, ssl=True, root_certificates=str(cert)) as client:
            assert ask_grpc(client, tensors).code == "OK"
        assert over_grpc(server, tensors).code == "UNAVAILABLE"
        with (
            triton.InferenceServerClient(server.grpc_url, ssl=True) as stranger,
            pytest.raises(InferenceServerException, match="UNAVAILABLE"),
        ):
            stranger.is_server_live()


@pytest.mark.parametrize(
    ("cert", "key", "reason"),
    [
        ("none.pem", "key.pem", "No such file or directory"),
        ("cert.pem", "none.pem", "No such file or directory"),
        ("cert.pem", "cert.pem", "PEM"),
        ("cert.pem", "other/key.pem", "key values mismatch"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_one_sentence(tmp_path, cert, key, reason):
    (tmp_path / "other").mkdir()
    self_signed(tmp_path), self_signed(tmp_path / "other")
    config = server_config(tmp_path, tls_cert=str(tmp_path / cert), tls_key=str(tmp_path / key))
    with (
        pytest.raises(ValueError, match=f"tls_cert .*{cert} and tls_key .*{key} cannot be used: .*{reason}"),
        TritonServer(config),
    ):
        raise AssertionError("it started")
