"""API keys: how they are made and told apart. Only their hashes are kept.

A key is `cs_<id>_<secret>`: 48 bits that say which one it is, and 256 random bits that nobody can guess. SHA-256 is
the right hash for those: slow hashes protect words that people choose, of which there are few enough to try.
"""

import hashlib
import hmac
import re
import secrets

from convserve_service.operations import Scope
from convserve_service.store.errors import ApiKeyExists, ApiKeyNotFound
from convserve_service.store.records import ApiKey
from convserve_service.store.store import Store

KEY = re.compile(r"cs_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


def create(
    store: Store, name: str, scopes: tuple[Scope, ...], *, rate: float | None = None, concurrency: int | None = None
) -> str:
    """A new key for whoever `name` is, shown this once; ApiKeyExists where the name has one."""
    number = secrets.token_hex(6)
    key = f"cs_{number}_{secrets.token_urlsafe(32)}"
    row = ApiKey(number, name, digest(key), scopes, rate, concurrency, store.now())
    with store.catalog.transaction() as transaction:
        if not transaction.add_api_key(row):
            raise ApiKeyExists(f"there is a key for '{name}' already; revoke it first, or take another name")
    return key


def revoke(store: Store, name: str) -> None:
    """Nobody may use this key any more; ApiKeyNotFound where there is none."""
    with store.catalog.transaction() as transaction:
        if not transaction.delete_api_key(name):
            raise ApiKeyNotFound(f"there is no key for '{name}'; `convserve keys list` shows all")


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def id_of(key: str) -> str | None:
    """Which key it claims to be; None where it looks like none."""
    found = KEY.fullmatch(key)
    return None if found is None else found[1]


def same(key: str, row: ApiKey) -> bool:
    """Whether it is this key, in a time that says nothing about how near it came."""
    return hmac.compare_digest(digest(key), row.hash)
