import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jwt
import orjson
import pytest
from closet_chassis.auth import SigningKey, TokenInvalid, TokenIssuer, TokenVerifier, load_keys
from closet_chassis.keys import KeyInvalid
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

KEY = SigningKey.generate()
ISSUER = TokenIssuer([KEY], "closet")


def verifier(**changes: Any) -> TokenVerifier:
    return TokenVerifier(**{"keys": [KEY], "issuer": "closet", "audience": "api", **changes})


def token(ttl: int = 60, audience: str = "api", **extra: Any) -> str:
    return ISSUER.issue("user_1", "tenant_a", ["jobs:write", "jobs:read"], ttl, audience, extra)


def forged(headers: dict[str, Any] | None = None, key: Any = KEY.private, alg: str = "EdDSA", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "closet",
        "sub": "u",
        "aud": "api",
        "iat": now,
        "exp": now + 60,
        "jti": "j",
        "tid": "t",
        "scope": "",
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=alg, headers=headers or {"kid": KEY.kid})


def refused(text: str, by: TokenVerifier | None = None) -> str:
    with pytest.raises(TokenInvalid) as caught:
        (by or verifier()).verify(text)
    assert text == "" or text not in str(caught.value)
    return str(caught.value)


def test_a_token_says_who_its_bearer_is() -> None:
    claims = verifier().verify(token(device="d1"))
    assert (claims.subject, claims.tenant, claims.audience, claims.issuer) == ("user_1", "tenant_a", "api", "closet")
    assert claims.scopes == {"jobs:read", "jobs:write"}
    assert claims.extra == {"device": "d1"}
    assert claims.expires_at - claims.issued_at == 60
    assert claims.token_id


def test_every_token_has_an_id_of_its_own() -> None:
    assert verifier().verify(token()).token_id != verifier().verify(token()).token_id


def test_extra_claims_cannot_overrule_the_standard_ones() -> None:
    claims = verifier().verify(token(tid="tenant_b", sub="root", exp=2**40))
    assert (claims.tenant, claims.subject) == ("tenant_a", "user_1")


def test_an_expired_token_is_refused() -> None:
    assert refused(token(ttl=-1)) == "expired"


def test_a_token_for_someone_else_is_refused() -> None:
    assert "Audience" in refused(token(audience="refresh"))
    assert "Audience" in refused(forged(aud=["api", "refresh"]))
    assert "Issuer" in refused(forged(iss="someone"))


def test_a_tampered_token_is_refused() -> None:
    head, body, signature = token().split(".")
    other = token(ttl=3600).split(".")[1]
    assert refused(f"{head}.{other}.{signature}")
    assert refused(f"{head}.{body}.{signature[::-1]}")
    assert refused(f"{head}.{body}.")


def test_a_token_of_an_unknown_key_is_refused() -> None:
    stranger = TokenIssuer([SigningKey.generate()], "closet")
    assert refused(stranger.issue("u", "t", [], 60, "api")) == "unknown key"
    assert refused(forged(headers={"kid": ""})) == "unknown key"
    assert refused(jwt.encode({"sub": "u"}, KEY.private, algorithm="EdDSA")) == "unknown key"


def test_a_token_of_another_key_under_our_kid_is_refused() -> None:
    assert "Signature" in refused(forged(key=ed25519.Ed25519PrivateKey.generate()))


def test_only_eddsa_is_taken() -> None:
    public = KEY.private.public_key()
    raw = urlsafe_b64encode(public.public_bytes_raw()).decode()
    assert "Algorithm" in refused(forged(key=raw + raw, alg="HS256"))
    assert "Algorithm" in refused(forged(key=None, alg="none"))
    assert "Algorithm" in refused(forged(key=ec.generate_private_key(ec.SECP256R1()), alg="ES256"))
    assert public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("claim", ["exp", "iat", "aud", "iss", "sub", "jti", "tid"])
def test_a_token_that_lacks_a_claim_is_refused(claim: str) -> None:
    without: dict[str, Any] = {claim: None}
    refused(forged(**without))


@pytest.mark.parametrize(
    "changes",
    [
        {"tid": 5},
        {"tid": ""},
        {"scope": ["a"]},
        {"sub": 5},
        {"jti": 5},
        {"iat": "now"},
        {"exp": "later"},
        {"exp": 1e400},
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused(changes: dict[str, Any]) -> None:
    refused(forged(**changes))


def test_a_token_from_the_future_is_refused_but_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    assert refused(forged(iat=now + 600, exp=now + 700)) == "issued in the future"
    assert verifier().verify(forged(iat=now + 5))


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "..", "\udcff.a.b", "é.b.c", "a" * 100_000, "bnVsbA.bnVsbA.bnVsbA"])
def test_nonsense_is_refused(text: str) -> None:
    refused(text)


def test_what_was_checked_is_remembered_but_not_past_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Mock(wraps=jwt.decode)
    monkeypatch.setattr(jwt, "decode", decode)
    ours, text = verifier(), token(ttl=60)
    assert ours.verify(text) is ours.verify(text)
    decode.assert_called_once()
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert refused(text, by=ours) == "expired"
    assert not ours._cache


def test_memory_is_bounded_and_keeps_what_was_used_last() -> None:
    ours = verifier(cache_size=2)
    first, second, third = token(), token(), token()
    kept = ours.verify(first)
    ours.verify(second)
    ours.verify(first)
    ours.verify(third)
    assert len(ours._cache) == 2
    assert ours.verify(first) is kept


def test_a_refused_token_is_not_remembered() -> None:
    ours = verifier()
    refused(token(ttl=-1), by=ours)
    assert not ours._cache


def test_keys_rotate_without_refusing_anybody() -> None:
    old, new = KEY, SigningKey.generate()
    announced = TokenVerifier(TokenIssuer([old, new], "closet").jwks(), "closet", "api")
    issued_before = token()
    issued_after = TokenIssuer([new, old], "closet").issue("u", "t", [], 60, "api")
    assert announced.verify(issued_before)
    assert announced.verify(issued_after)
    assert jwt.get_unverified_header(issued_after)["kid"] == new.kid


def test_a_withdrawn_key_stops_working_at_once() -> None:
    ours, text = verifier(), token()
    ours.verify(text)
    ours.replace_keys([SigningKey.generate()])
    assert refused(text, by=ours) == "unknown key"


def test_the_jwk_set_holds_only_public_halves() -> None:
    (jwk,) = ISSUER.jwks()["keys"]
    assert set(jwk) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_keys_of_other_kinds_in_a_set_are_left_out() -> None:
    jwks = {"keys": [{"kty": "RSA", "kid": "r", "n": "x", "e": "AQAB"}, *ISSUER.jwks()["keys"]]}
    assert verifier(keys=jwks).verify(token())


def test_an_issuer_needs_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        TokenIssuer([], "closet")


def pem(private: Any) -> bytes:
    return bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_keys_are_read_from_pem_and_the_first_signs(tmp_path: Path) -> None:
    second = SigningKey.generate()
    file = tmp_path / "keys.pem"
    file.write_bytes(b"# the first signs\n" + pem(KEY.private) + pem(second.private))
    assert [key.kid for key in load_keys(file)] == [KEY.kid, second.kid]


@pytest.mark.parametrize("as_set", [False, True])
def test_keys_are_read_from_jwk(tmp_path: Path, as_set: bool) -> None:
    secret = urlsafe_b64encode(KEY.private.private_bytes_raw()).rstrip(b"=").decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "d": secret, "x": "-", "kid": "named"}
    file = tmp_path / "keys.json"
    file.write_bytes(orjson.dumps({"keys": [jwk, {**jwk, "kid": None}]} if as_set else jwk))
    assert [key.kid for key in load_keys(file)] == (["named", KEY.kid] if as_set else ["named"])
    assert verifier(keys=load_keys(file)[-1:] if as_set else [KEY]).verify(token())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"{",
        b'{"keys": []}',
        b'{"kty": "OKP", "crv": "Ed25519", "x": "abc"}',
        b'{"kty": "OKP", "crv": "Ed25519", "d": "geheim"}',
        b"-----BEGIN PRIVATE KEY-----\ngeheim\n-----END PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
)
def test_a_file_without_a_usable_key_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(KeyInvalid) as caught:
        load_keys(file)
    assert "geheim" not in str(caught.value)


def test_a_key_does_not_show_itself() -> None:
    secret = urlsafe_b64encode(KEY.private.private_bytes_raw()).rstrip(b"=").decode()
    assert secret not in repr(KEY)
