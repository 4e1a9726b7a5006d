"""What keeps strangers out of SeaweedFS behind its S3 door: its other parts would serve anyone who reaches their ports.

Its HTTP interfaces but S3 are off (`DISABLED_HTTP`), volumes and filer want tokens, and gRPC wants a certificate.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DISABLED_HTTP = "-disableHttp=true"
TOKEN_KEYS = {
    "volume-write": "WEED_JWT_SIGNING_KEY",
    "volume-read": "WEED_JWT_SIGNING_READ_KEY",
    "filer-write": "WEED_JWT_FILER_SIGNING_KEY",
    "filer-read": "WEED_JWT_FILER_SIGNING_READ_KEY",
}
"""Secret -> the variable by which the server takes it."""

_GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "MSG_BROKER", "MSG_AGENT", "CLIENT")
_TEN_YEARS = timedelta(days=3650)


def token_env(secret_keys: Mapping[str, str]) -> dict[str, str]:
    """The keys of the tokens with which the server's parts speak to each other over HTTP."""
    return {variable: secret_keys[name] for name, variable in TOKEN_KEYS.items()}


def grpc_env(certificate: Path, key: Path) -> dict[str, str]:
    """Mutual TLS between the server's parts: one certificate, signed by itself, for all of them."""
    files = {
        f"WEED_GRPC_{part}_{kind}": str(file)
        for part in _GRPC_PARTS
        for kind, file in (("CERT", certificate), ("KEY", key))
    }
    return {"WEED_GRPC_CA": str(certificate), **files}


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key in `folder`; made once."""
    certificate, key = folder / "grpc-cert.pem", folder / "grpc-key.pem"
    if not certificate.exists():
        private = ec.generate_private_key(ec.SECP256R1())
        key.touch(mode=0o600)
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.write_bytes(_self_signed(private).public_bytes(Encoding.PEM))
    return certificate, key


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "closet-s3")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _TEN_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
