"""A certificate authority for the tests, in memory: no openssl needed, nothing that outlives the test."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = datetime.timedelta(days=365)
_SKEW = datetime.timedelta(hours=1)
_CA_USAGE = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class KeyPair:
    """A private key (PKCS 8) and what proves it, a certificate or a bare public key, both in PEM."""

    key: bytes
    public: bytes


class CertificateAuthority:
    """Issues certificates for clients and servers that trust `pem`.

    Without identifiers, neither it nor what it issues has a key identifier (RFC 5280, 4.2.1.1 and 4.2.1.2), as with the
    CAs of EKS: the CA has basicConstraints and keyUsage alone. One that has an issuer is an intermediate CA.
    """

    def __init__(
        self, common_name: str, *, has_identifiers: bool = True, issuer: CertificateAuthority | None = None
    ) -> None:
        self._key = _new_key()
        self._name = _name(common_name)
        signer = issuer or self
        builder = _builder(self._name, signer._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_CA_USAGE, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._marks: tuple[x509.ExtensionType, ...] = ()
        if has_identifiers:
            # Python 3.13 verifies strictly (ssl.VERIFY_X509_STRICT), which demands them.
            self._marks = (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),)
            for mark in (identifier, *(issuer._marks if issuer else ())):
                builder = builder.add_extension(mark, critical=False)
        self.pem: bytes = _pem(builder.sign(signer._key, hashes.SHA256()))

    def server(self, common_name: str, names: Iterable[str], *, age: datetime.timedelta = _SKEW) -> KeyPair:
        """Return a server certificate for those DNS names (a leading `*.` is allowed) and IP addresses.

        age is how long ago its life of a year began.
        """
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(_name(common_name), ExtendedKeyUsageOID.SERVER_AUTH, alternatives, age=age)

    def client(self, user: str, groups: Iterable[str] = ()) -> KeyPair:
        """Return a client certificate that Kubernetes takes as that user in those groups."""
        return self._issue(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        *extensions: x509.ExtensionType,
        age: datetime.timedelta = _SKEW,
    ) -> KeyPair:
        key = _new_key()
        builder = _builder(subject, self._name, key, age)
        for extension in (*self._marks, x509.ExtendedKeyUsage([usage]), *extensions):
            builder = builder.add_extension(extension, critical=False)
        return KeyPair(_private(key), _pem(builder.sign(self._key, hashes.SHA256())))


def self_signed(common_name: str, names: Iterable[str]) -> KeyPair:
    """Return a server certificate that no CA has signed."""
    key, name = _new_key(), _name(common_name)
    alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names])
    builder = _builder(name, name, key).add_extension(alternatives, critical=False)
    return KeyPair(_private(key), _pem(builder.sign(key, hashes.SHA256())))


def signing_keys() -> KeyPair:
    """Return a key pair without a certificate, as for the tokens of service accounts."""
    key = _new_key()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(_private(key), public)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, age: datetime.timedelta = _SKEW
) -> x509.CertificateBuilder:
    begin = datetime.datetime.now(datetime.UTC) - age
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _LIFE)
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def public_pem(jwk: Mapping[str, str]) -> bytes:
    """Return the public key in a JSON Web Key (RFC 7517) of RSA or the curve P-256, in PEM."""

    def number(name: str) -> int:
        value = jwk[name]
        return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))

    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    if jwk["kty"] == "RSA":
        key = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
    else:
        key = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
