"""Tokens: JWT signed with a secret (HS256) or with keys of a JWKS file (RS256, ES256)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from diar.errors import DiarError, explain
from diar.service.problems import Problem
from diar.service.security.callers import SCOPES, Caller

LEAST_SECRET = 32  # bytes; HS256 needs as many (RFC 7518, 3.2)
LEEWAY = 5.0  # seconds that clocks may differ
MOST_BYTES = 6_000  # of a token
_OF_KEYS = {"RSA": "RS256", "EC": "ES256"}  # the key's type decides the algorithm, never the token


@dataclass
class TokenSettings:
    """Which tokens are taken.

    Attributes:
        secret_file: with the secret of HS256.
        jwks_file: with public keys.
        issuer: that they must name; None = any.
        audience: that they must be for; None = any, as long as they name none.
        tenant_claim: claim that names the tenant.
    """

    secret_file: Path | None = None
    jwks_file: Path | None = None
    issuer: str | None = None
    audience: str | None = None
    tenant_claim: str = "tenant"


@dataclass
class Tokens:
    """Checks tokens.

    Raises:
        DiarError: a file that cannot be used.
    """

    settings: TokenSettings
    _secret: bytes | None = field(init=False, default=None)
    _keys: dict[str, tuple[str, Any]] = field(init=False, default_factory=dict)  # kid → (algorithm, key)
    _read: float = field(init=False, default=0.0)  # mtime of the JWKS file

    def __post_init__(self) -> None:
        if self.settings.secret_file is not None:
            self._secret = read_secret(self.settings.secret_file)
        if self.settings.jwks_file is not None:
            self._read, self._keys = read_jwks(self.settings.jwks_file)

    def caller(self, token: str) -> Caller:
        """Return whom a token names.

        Raises:
            Problem: unauthorized, with the reason.
        """
        if len(token) > MOST_BYTES:
            raise Problem("unauthorized", f"the token has {len(token)} bytes, at most {MOST_BYTES} are read")
        try:
            algorithm, key = self._key(jwt.get_unverified_header(token))
            claims = self._claims(token, algorithm, key)
        except jwt.PyJWTError as error:
            raise Problem("unauthorized", f"the token is not accepted: {error}") from None
        return self._named(claims)

    def _claims(self, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        settings = self.settings
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=settings.issuer,
            audience=settings.audience,
            leeway=LEEWAY,
            options={"require": ["exp", "sub", *(["iss"] if settings.issuer else [])]},
        )

    def _key(self, header: dict[str, Any]) -> tuple[str, Any]:
        """Return the algorithm and key for a token; its header chooses among ours only."""
        wanted = header.get("alg")
        if wanted == "HS256" and self._secret is not None:
            return "HS256", self._secret
        self._refresh()
        found = [
            (algorithm, key)
            for name, (algorithm, key) in self._keys.items()
            if algorithm == wanted and header.get("kid") in (None, name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise Problem("unauthorized", "the token names no key (kid), and several could be meant")
        raise Problem(
            "unauthorized", f"no key for a token of algorithm {wanted!r} and key {header.get('kid')!r}"
        )

    def _refresh(self) -> None:
        """Read the JWKS file again if it changed; keep the old keys if it cannot be read now."""
        file = self.settings.jwks_file
        if file is None:
            return
        try:
            if file.stat().st_mtime != self._read:
                self._read, self._keys = read_jwks(file)
        except (OSError, DiarError) as error:
            raise Problem("full", f"the keys cannot be read: {explain(error)}", retry_after=5) from None

    def _named(self, claims: dict[str, Any]) -> Caller:
        subject = claims["sub"]
        tenant = claims.get(self.settings.tenant_claim, f"sub:{subject}")
        for claim, value in (("sub", subject), (self.settings.tenant_claim, tenant)):
            if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
                raise Problem(
                    "unauthorized", f"claim {claim!r} must be a text of 1 to 200 printable characters"
                )
        return Caller(tenant, subject, _scopes(claims), "jwt")


def read_secret(file: Path) -> bytes:
    """Return the secret of HS256; raises DiarError if it cannot be read or is too short."""
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise DiarError(f"`jwt_secret_file`: {explain(error)}") from None
    if len(secret) < LEAST_SECRET:
        raise DiarError(
            f"`jwt_secret_file={file}` holds {len(secret)} bytes, HS256 needs {LEAST_SECRET}: "
            "`openssl rand -hex 32 > FILE` makes one"
        )
    return secret


def read_jwks(file: Path) -> tuple[float, dict[str, tuple[str, Any]]]:
    """Return when a JWKS file was changed, and its keys: kid → (algorithm, key); raises DiarError."""
    keys: dict[str, tuple[str, Any]] = {}
    try:
        changed = file.stat().st_mtime
        for number, entry in enumerate(json.loads(file.read_text(encoding="utf-8"))["keys"]):
            algorithm = _OF_KEYS.get(entry["kty"])
            if (
                algorithm is None
                or entry.get("use", "sig") != "sig"
                or entry.get("alg", algorithm) != algorithm
            ):
                continue
            keys[entry.get("kid", f"key {number}")] = algorithm, jwt.PyJWK(entry, algorithm).key
    except OSError as error:
        raise DiarError(f"`jwks_file`: {explain(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise DiarError(f"`jwks_file={file}` is no JWKS file: {error}") from None
    if not keys:
        raise DiarError(f"`jwks_file={file}` holds no key for RS256 or ES256")
    return changed, keys


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Return the scopes that are ours; `scope` or `scp` is a text with blanks (RFC 8693), or a list."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split() if isinstance(given, str) else given
    if not isinstance(words, list):
        return frozenset()
    return frozenset(word for word in words if isinstance(word, str)) & SCOPES
