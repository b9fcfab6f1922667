"""The vault: what is sealed opens for its owner only, and what is erased is gone."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import pytest

from hoso.runtime.failures import HosoError, SettingsError
from hoso.runtime.ids import uuid7
from hoso.store.postgres import Database
from hoso.store.vault import Erased, KeyRing, Sealing, Vault

CODE = "Mã kích hoạt 493817".encode()


def ring(*names: str) -> KeyRing:
    return KeyRing({name: os.urandom(32) for name in names or ("k1",)})


async def test_sealed_bytes_open_again_and_tell_nothing(db: Database) -> None:
    vault, scope = Vault(db.pool, ring()), uuid7()
    ref = await vault.put("acme", scope, "code", CODE)
    assert await vault.get(ref) == CODE
    sealed, wrapped = await db.pool.fetchrow(
        "select i.sealed, k.wrapped from store.vault_item i join store.vault_key k on k.id = i.key"
    )
    assert CODE not in sealed
    assert b"493817" not in sealed
    assert len(wrapped) == 40, "the data key lies wrapped (RFC 3394), not bare"


async def test_same_content_same_reference_within_a_scope_only(db: Database) -> None:
    keys, scope = ring(), uuid7()
    vault = Vault(db.pool, keys)
    ref = await vault.put("acme", scope, "code", CODE)
    assert await vault.put("acme", scope, "code", CODE) == ref
    assert await Vault(db.pool, keys).put("acme", scope, "code", CODE) == ref, "also after a crash, in another process"
    others = {
        await vault.put("acme", scope, "code", CODE + b"!"),
        await vault.put("acme", scope, "evidence", CODE),
        await vault.put("acme", uuid7(), "code", CODE),
        await vault.put("beta", scope, "code", CODE),
    }
    assert len(others | {ref}) == 5
    assert await db.pool.fetchval("select count(*) from store.vault_item") == 5


async def test_many_are_sealed_at_once_in_order_and_again_under_the_same_references(db: Database) -> None:
    keys, scopes = ring(), [uuid7() for _ in range(5)]
    things = [Sealing("acme", scopes[n % 5], "code", f"code {n}".encode()) for n in range(20)]
    refs = await Vault(db.pool, keys).put_many(things)
    assert [await Vault(db.pool, keys).get(ref) for ref in refs] == [t.data for t in things]
    again = await Vault(db.pool, keys).put_many([*things, Sealing("acme", uuid7(), "code", b"new")])
    assert again[:20] == refs
    assert await db.pool.fetchval("select count(*) from store.vault_key") == 6


async def test_a_reference_tells_a_stranger_nothing_about_a_short_code(db: Database) -> None:
    """The space of codes is small: whoever could name a code's reference could try them all."""
    scope = uuid7()
    assert await Vault(db.pool, ring("k1")).put("acme", scope, "code", b"493817") != ring("k2").name(
        f"|acme|{scope}|code".encode() + b"493817"
    )
    assert ring("k1").name(b"493817").version == 8


async def test_processes_sealing_for_one_scope_at_once_use_one_key(db: Database) -> None:
    keys, scope = ring(), uuid7()
    refs = await asyncio.gather(*(Vault(db.pool, keys).put("acme", scope, "code", f"{n}".encode()) for n in range(8)))
    assert await db.pool.fetchval("select count(*) from store.vault_key") == 1
    assert [await Vault(db.pool, keys).get(ref) for ref in refs] == [f"{n}".encode() for n in range(8)]


@pytest.mark.parametrize("to", ["another item", "another purpose", "another tenant"])
async def test_a_ciphertext_that_was_moved_does_not_open(db: Database, to: str) -> None:
    vault, scope = Vault(db.pool, ring()), uuid7()
    secret = await vault.put("acme", scope, "code", CODE)
    if to == "another item":
        target = await vault.put("acme", scope, "code", b"other")
        await db.pool.execute(
            "update store.vault_item t set sealed = s.sealed from store.vault_item s where t.id = $1 and s.id = $2",
            target,
            secret,
        )
    elif to == "another purpose":
        target = secret
        await db.pool.execute("update store.vault_key set purpose = 'evidence'")
    else:
        target = secret
        await db.pool.execute("update store.vault_key set tenant = 'beta'")
    with pytest.raises(HosoError, match=f"{target} does not open: the sealed bytes were changed or moved"):
        await vault.get(target)


async def test_a_changed_byte_does_not_open(db: Database) -> None:
    vault = Vault(db.pool, ring())
    ref = await vault.put("acme", uuid7(), "code", CODE)
    await db.pool.execute("update store.vault_item set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)")
    with pytest.raises(HosoError, match="changed or moved"):
        await vault.get(ref)


@pytest.mark.parametrize("names", [("k1",), ("k2",)])
async def test_without_its_key_encryption_key_the_vault_says_which_one_is_missing(
    db: Database, names: tuple[str]
) -> None:
    scope = uuid7()
    ref = await Vault(db.pool, ring("k1")).put("acme", scope, "code", CODE)
    stranger = Vault(db.pool, ring(*names))
    with pytest.raises(SettingsError, match="key-encryption key 'k1', which is not in the key file: put it back"):
        await stranger.get(ref)
    with pytest.raises(SettingsError, match="key-encryption key 'k1'"):
        await stranger.put("acme", scope, "code", b"more")


async def test_destroy_erases_one_item_now(db: Database) -> None:
    vault, scope = Vault(db.pool, ring()), uuid7()
    used, kept = await vault.put("acme", scope, "code", CODE), await vault.put("acme", scope, "code", b"kept")
    await vault.destroy(used)
    await vault.destroy(used)
    with pytest.raises(Erased, match=f"{used} is not in the vault"):
        await vault.get(used)
    assert await vault.get(kept) == b"kept"


async def test_erase_takes_a_scopes_purpose_and_its_key_and_nothing_else(db: Database) -> None:
    vault, scope = Vault(db.pool, ring()), uuid7()
    gone, kept = await vault.put("acme", scope, "personal", CODE), await vault.put("acme", scope, "evidence", CODE)
    await vault.erase(scope, "personal")
    with pytest.raises(Erased):
        await vault.get(gone)
    assert await vault.get(kept) == CODE
    assert await db.pool.fetchval("select wrapped from store.vault_key where purpose = 'personal'") == b"", (
        "a backup's item has no key"
    )
    with pytest.raises(Erased, match="nothing more is sealed under it"):
        await vault.put("acme", scope, "personal", b"again")


async def test_another_process_that_still_knows_an_erased_key_seals_nothing_under_it(db: Database) -> None:
    keys, scope = ring(), uuid7()
    here, there = Vault(db.pool, keys), Vault(db.pool, keys)
    await there.put("acme", scope, "personal", CODE)
    await here.erase(scope, "personal")
    with pytest.raises(Erased, match="nothing more is sealed under it"):
        await there.put("acme", scope, "personal", b"lost otherwise")
    assert await db.pool.fetchval("select count(*) from store.vault_item") == 0


async def test_codes_expire_used_or_not_and_only_codes(db: Database) -> None:
    vault = Vault(db.pool, ring())
    old, young = await vault.put("acme", uuid7(), "code", CODE), await vault.put("acme", uuid7(), "code", CODE)
    evidence = await vault.put("acme", uuid7(), "evidence", CODE)
    await db.pool.execute(
        "update store.vault_item set made_at = now() - interval '49 hours' where id = any($1)", [old, evidence]
    )
    assert await vault.expire_codes() == 1
    with pytest.raises(Erased, match="its 48 hours are over"):
        await vault.get(old)
    assert await vault.get(young) == CODE
    assert await vault.get(evidence) == CODE


async def test_rewrap_lets_the_old_key_encryption_key_go(db: Database) -> None:
    old = os.urandom(32)
    ref = await Vault(db.pool, KeyRing({"old": old})).put("acme", uuid7(), "code", CODE)
    new = os.urandom(32)
    both = Vault(db.pool, KeyRing({"new": new, "old": old}))
    assert await both.rewrap() == 1
    assert await both.rewrap() == 0
    assert await Vault(db.pool, KeyRing({"new": new})).get(ref) == CODE
    with pytest.raises(SettingsError, match="'new'"):
        await Vault(db.pool, KeyRing({"old": old})).get(ref)


async def test_a_purpose_that_does_not_exist_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="misc"):
        await Vault(db.pool, ring()).put("acme", uuid7(), "misc", CODE)


# --- the key file -----------------------------------------------------------------------------------------------


def test_a_made_key_file_is_its_owners_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "vault.key"
    KeyRing.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    first = KeyRing.read(path)
    with pytest.raises(FileExistsError):
        KeyRing.make(path)
    key = os.urandom(32)
    assert KeyRing.read(path).unwrap(first.current, first.wrap(key)) == key


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no key"),
        ("# only a comment\n", "holds no key"),
        ("k1:short\n", "base64 of 32 bytes"),
        (f"k1:{base64.b64encode(b'x' * 31).decode()}\n", "base64 of 32 bytes"),
        (f":{base64.b64encode(b'x' * 32).decode()}\n", "base64 of 32 bytes"),
        ("k1:Mã!\n", "base64 of 32 bytes"),
    ],
)
def test_a_key_file_that_is_none_says_how_to_make_one(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "vault.key"
    path.write_text(text)
    with pytest.raises(SettingsError, match=f"{sentence}.*hoso vault new-key"):
        KeyRing.read(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"vault\.key cannot be read .No such file.*hoso vault new-key"):
        KeyRing.read(tmp_path / "vault.key")
