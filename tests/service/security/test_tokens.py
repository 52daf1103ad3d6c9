"""Tokens: what is accepted, and what never is."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from diar.errors import DiarError
from diar.service.problems import Problem
from diar.service.security.tokens import Tokens, TokenSettings
from tests.service.serving import AUDIENCE, ISSUER, SECRET, Running, bearer, token


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "other": ec.generate_private_key(ec.SECP256R1()),
    }


@pytest.fixture
def jwks_file(keys: dict[str, Any], tmp_path: Path) -> Path:
    entries = [
        {**RSAAlgorithm.to_jwk(keys["rsa"].public_key(), as_dict=True), "kid": "r", "use": "sig"},
        {**ECAlgorithm.to_jwk(keys["ec"].public_key(), as_dict=True), "kid": "e"},
    ]
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": entries}))
    return file


def unsigned(header: dict[str, Any], **claims: Any) -> str:
    """A token that claims an algorithm, with an empty signature."""
    payload = jwt.decode(token(**claims), options={"verify_signature": False})
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload)
    ]
    return ".".join([*parts, ""])


BAD = {
    "expired": lambda: token(exp=time.time() - 60),
    "without an end": lambda: token(exp=None),
    "not valid yet": lambda: token(nbf=time.time() + 60),
    "of another issuer": lambda: token(iss="somebody"),
    "without issuer": lambda: token(iss=None),
    "for others": lambda: token(aud="others"),
    "for nobody": lambda: token(aud=None),
    "of nobody": lambda: token(sub=None),
    "with an empty tenant": lambda: token(tenant=""),
    "with a tenant that is no text": lambda: token(tenant=["a"]),
    "signed with another secret": lambda: token("another secret, which also has thirty-two bytes"),
    "of another algorithm": lambda: token(SECRET, "HS384"),
    "unsigned": lambda: unsigned({"alg": "none", "typ": "JWT"}),
    "unsigned, oddly spelt": lambda: unsigned({"alg": "nOnE"}),
    "unsigned, but called HS256": lambda: unsigned({"alg": "HS256"}),
    "no token": lambda: "abc",
    "endless": lambda: "a" * 9_000,
}


@pytest.mark.parametrize("what", BAD)
def test_bad_tokens_get_401_with_a_reason(what: str, server: Running) -> None:
    got = server.ask("/v1/live", b"", **bearer(BAD[what]()))
    assert got.status == 401, what
    assert got.json["code"] == "unauthorized" and len(got.json["message"]) > 10
    assert got.headers["www-authenticate"] == "Bearer"


def test_keys_of_a_jwks_file(keys: dict[str, Any], jwks_file: Path) -> None:
    tokens = Tokens(TokenSettings(jwks_file=jwks_file, issuer=ISSUER, audience=AUDIENCE))
    for key, algorithm, kid in (("rsa", "RS256", "r"), ("ec", "ES256", "e"), ("ec", "ES256", None)):
        caller = tokens.caller(token(keys[key], algorithm, kid))
        assert (caller.tenant, caller.subject, caller.scopes) == ("a", "anna", {"live", "jobs"})
    public = keys["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hs = jwt.get_algorithm_by_name("HS256")
    forged = unsigned({"alg": "HS256", "kid": "r"})  # signed with the public key as if that were a secret
    head = forged.rsplit(".", 1)[0]
    signature = base64.urlsafe_b64encode(hs.sign(head.encode(), public)).rstrip(b"=").decode()
    for bad in (
        f"{head}.{signature}",
        token(keys["other"], "ES256", "e"),
        token(keys["ec"], "ES256", "r"),
        token(keys["ec"], "ES256", "../e"),
        token(),
    ):
        with pytest.raises(Problem) as caught:
            tokens.caller(bad)
        assert caught.value.code == "unauthorized"


def test_new_keys_are_taken_when_the_file_changes(keys: dict[str, Any], jwks_file: Path) -> None:
    tokens = Tokens(TokenSettings(jwks_file=jwks_file))
    new = token(keys["other"], "ES256", "new", aud=None)
    with pytest.raises(Problem):
        tokens.caller(new)
    entry = {**ECAlgorithm.to_jwk(keys["other"].public_key(), as_dict=True), "kid": "new"}
    jwks_file.write_text(json.dumps({"keys": [entry]}))
    assert tokens.caller(new).subject == "anna"
    with pytest.raises(Problem, match="no key for"):
        tokens.caller(token(keys["ec"], "ES256", "e", aud=None))


def test_scopes_and_tenants_as_various_issuers_write_them(secret_file: Path) -> None:
    tokens = Tokens(TokenSettings(secret_file, tenant_claim="org"))
    assert tokens.caller(token(aud=None, scope=None, scp=["live", 3, "root"])).scopes == {"live"}
    assert tokens.caller(token(aud=None, scope=7)).scopes == frozenset()
    assert (
        tokens.caller(token(aud=None)).tenant == "sub:anna"
    )  # no `org`: alone, and not in a tenant called anna
    assert tokens.caller(token(aud=None, org="x")).tenant == "x"


def test_files_that_cannot_be_used_are_told_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("too short")
    (tmp_path / "none.json").write_text('{"keys": []}')
    (tmp_path / "text.json").write_text("no JSON")
    for name, told in (("short", "9 bytes"), ("missing", "check the path")):
        with pytest.raises(DiarError, match=told):
            Tokens(TokenSettings(secret_file=tmp_path / name))
    for name, told in (("none.json", "no key"), ("text.json", "no JWKS"), ("missing", "check the path")):
        with pytest.raises(DiarError, match=told):
            Tokens(TokenSettings(jwks_file=tmp_path / name))
