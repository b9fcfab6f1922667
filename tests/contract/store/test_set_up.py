"""What people set up: tenants, API keys, mailboxes, signing profiles. Changes name their actor; secrets are sealed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_der_private_key, pkcs12
from cryptography.x509.oid import NameOID

from hoso.runtime.failures import HosoError
from hoso.runtime.ids import uuid7
from hoso.setup.declarations import MailboxSettings
from hoso.setup.registry import SetUp
from hoso.store.postgres import Database
from hoso.store.vault import Erased, KeyRing, Vault
from tests.support.waiting import eventually

IMAP = MailboxSettings("imap.example.vn", 993, "thu")
PASSWORD = "mật khẩu rất dài"


@pytest.fixture
def vault(db: Database) -> Vault:
    return Vault(db.pool, KeyRing({"k1": os.urandom(32)}))


@pytest_asyncio.fixture
async def set_up(db: Database, vault: Vault) -> SetUp:
    """A registry with two tenants."""
    own = SetUp(db.pool, vault)
    await own.add_tenant("acme", "ACME", "test")
    await own.add_tenant("beta", "Beta", "test")
    return own


async def audited(db: Database, what: str) -> list[dict[str, Any]]:
    rows = await db.pool.fetch("select actor, tenant, detail from store.audit where what = $1 order by n", what)
    return [{"actor": r["actor"], "tenant": r["tenant"], **json.loads(r["detail"])} for r in rows]


# --- tenants ----------------------------------------------------------------------------------------------------


async def test_a_tenant_gets_its_request_topic_and_again_is_harmless(db: Database, set_up: SetUp) -> None:
    await set_up.add_tenant("acme", "ACME mới", "admin:lan")
    assert [(t["name"], t["title"]) for t in await set_up.tenants()] == [("acme", "ACME mới"), ("beta", "Beta")]
    assert await db.pool.fetchval("select count(*) from log.head where topic = 'enrolment.requests.acme'") == 8
    assert (await audited(db, "tenant.add"))[-1] == {"actor": "admin:lan", "tenant": "acme", "title": "ACME mới"}


@pytest.mark.parametrize("name", ["", "Acme", "a_b", "-a", "a-", "a.b", "x" * 41, "acme\n", "công-ty"])
async def test_a_name_that_no_topic_can_carry_is_refused(set_up: SetUp, name: str) -> None:
    with pytest.raises(HosoError, match="is no tenant name"):
        await set_up.add_tenant(name, "", "test")


async def test_a_removed_tenants_keys_and_mailboxes_end_with_it(set_up: SetUp) -> None:
    token = await set_up.add_key("acme", "erp", ["submit"], "test")
    await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "test")
    await set_up.remove_tenant("acme", "test")
    assert await set_up.check_key(token) is None
    assert await set_up.mailboxes("acme") == []
    assert [t["name"] for t in await set_up.tenants()] == ["beta"]
    with pytest.raises(HosoError, match="hoso tenant list"):
        await set_up.remove_tenant("acme", "test")


async def test_nothing_is_set_up_for_a_tenant_that_is_not_there(set_up: SetUp) -> None:
    for job in (
        set_up.add_key("gamma", "k", ["read"], "test"),
        set_up.add_mailbox("gamma", "thu@gamma.vn", "shared", IMAP, PASSWORD, "test"),
        set_up.add_pkcs12("gamma", "p", p12(), "1234", "test"),
    ):
        with pytest.raises(HosoError, match="there is no tenant 'gamma'; make it with `hoso tenant add gamma`"):
            await job
    assert await set_up.mailboxes() == []
    assert await set_up.profiles() == []


# --- API keys ---------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_kept_as_a_hash(db: Database, set_up: SetUp) -> None:
    token = await set_up.add_key("acme", "erp", ["submit", "read"], "admin:lan")
    holder = await set_up.check_key(token)
    assert holder is not None
    assert (holder.tenant, holder.actor, holder.scopes) == ("acme", "key:erp", frozenset({"submit", "read"}))
    secret = token.split("_", 2)[2]
    (row,) = await db.pool.fetch("select k::text as all, secret_sha256 from store.api_key k")
    assert secret not in row["all"]
    assert row["secret_sha256"] == hashlib.sha256(secret.encode()).digest()
    assert secret not in json.dumps(await audited(db, "key.add"))


async def test_a_key_that_is_nobodys_is_nobodys(set_up: SetUp) -> None:
    token = await set_up.add_key("acme", "erp", ["submit"], "test")
    other = await set_up.add_key("beta", "erp", ["submit"], "test")
    mixed = "_".join([*token.split("_", 2)[:2], other.split("_", 2)[2]])
    for wrong in (
        "",
        "hoso_",
        token[:-1],
        token + "x",
        mixed,
        token.replace("hoso_", "hosa_"),
        "hoso_" + "0" * 12 + "_x",
    ):
        assert await set_up.check_key(wrong) is None, wrong


async def test_a_removed_key_ends_at_once_and_only_by_its_own_tenant(set_up: SetUp) -> None:
    token = await set_up.add_key("acme", "erp", ["submit"], "test")
    (key,) = await set_up.keys("acme")
    with pytest.raises(HosoError, match="there is no key"):
        await set_up.remove_key(key["id"], "test", tenant="beta")
    assert await set_up.check_key(token) is not None
    await set_up.remove_key(key["id"], "test", tenant="acme")
    assert await set_up.check_key(token) is None
    assert await set_up.keys("acme") == []


async def test_an_unknown_scope_names_those_there_are(set_up: SetUp) -> None:
    with pytest.raises(HosoError, match="no such scope: admin; there are submit, read, setup"):
        await set_up.add_key("acme", "erp", ["submit", "admin"], "test")


# --- mailboxes --------------------------------------------------------------------------------------------------


async def test_a_mailboxs_password_lies_sealed_and_is_read_only_by_asking_for_it(db: Database, set_up: SetUp) -> None:
    id_ = await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "test")
    (listed,) = await set_up.mailboxes("acme")
    assert (listed.id, listed.password, listed.settings) == (id_, "", IMAP)
    opened = await set_up.mailbox_with_password(id_)
    assert opened is not None
    assert opened.password == PASSWORD
    assert PASSWORD not in repr(opened)
    assert PASSWORD not in await db.pool.fetchval("select string_agg(m::text, ' ') from store.mailbox m")
    assert PASSWORD not in json.dumps(await audited(db, "mailbox.add"), ensure_ascii=False)


async def test_the_same_address_again_replaces_settings_and_password(set_up: SetUp) -> None:
    first = await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "test")
    before = (await set_up.mailboxes("acme"))[0].secret
    moved = MailboxSettings("mail.acme.vn", 993, "thu")
    assert await set_up.add_mailbox("acme", "THU@acme.vn", "own", moved, "another", "test") == first
    (found,) = await set_up.mailboxes("acme")
    assert (found.settings, found.contact_mode) == (moved, "own")
    assert found.secret != before, "whoever reads it sees that the password is another"
    opened = await set_up.mailbox_with_password(first)
    assert opened is not None
    assert opened.password == "another"


async def test_an_address_of_another_tenant_is_in_use_and_that_is_all_that_is_said(set_up: SetUp) -> None:
    await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "test")
    with pytest.raises(HosoError) as told:
        await set_up.add_mailbox("beta", "Thu@Acme.vn", "shared", IMAP, PASSWORD, "test")
    assert str(told.value) == "Thu@Acme.vn cannot be declared here: the address is in use"
    assert await set_up.mailboxes("beta") == []


async def test_a_mailbox_without_tls_is_for_loopback_only(set_up: SetUp) -> None:
    with pytest.raises(HosoError, match="without TLS is allowed on loopback only"):
        await set_up.add_mailbox(
            "acme", "a@acme.vn", "shared", MailboxSettings("10.0.0.1", 143, "a", tls="none"), "x", "test"
        )
    assert await set_up.add_mailbox(
        "acme", "a@acme.vn", "shared", MailboxSettings("127.0.0.1", 143, "a", tls="none"), "x", "test"
    )


async def test_mail_to_a_plus_address_is_its_mailboxs_unless_it_has_one_of_its_own(db: Database, set_up: SetUp) -> None:
    plain = await set_up.add_mailbox("acme", "thu@acme.vn", "own", IMAP, PASSWORD, "test")
    own = await set_up.add_mailbox("acme", "thu+hn@acme.vn", "shared", IMAP, PASSWORD, "test")
    async with db.pool.acquire() as tx:
        found = {
            email: getattr(await set_up.mailbox_of(tx, "acme", email), "id", None)
            for email in ("thu@acme.vn", "Thu+123@Acme.VN", "thu+hn@acme.vn", "ai@acme.vn")
        }
        assert await set_up.mailbox_of(tx, "beta", "thu@acme.vn") is None
    assert found == {"thu@acme.vn": plain, "Thu+123@Acme.VN": plain, "thu+hn@acme.vn": own, "ai@acme.vn": None}


async def test_a_removed_mailbox_is_gone_and_its_address_is_free(set_up: SetUp) -> None:
    id_ = await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "test")
    with pytest.raises(HosoError, match="there is no mailbox"):
        await set_up.remove_mailbox("thu@acme.vn", "test", tenant="beta")
    await set_up.remove_mailbox("THU@acme.vn", "test", tenant="acme")
    assert await set_up.mailbox_with_password(id_) is None
    assert await set_up.add_mailbox("beta", "thu@acme.vn", "shared", IMAP, PASSWORD, "test") != id_


async def test_a_removed_mailboxs_password_is_erased(set_up: SetUp, vault: Vault) -> None:
    await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "test")
    (found,) = await set_up.mailboxes("acme")
    await set_up.remove_mailbox("thu@acme.vn", "test")
    with pytest.raises(Erased):
        await vault.get(found.secret)


async def test_an_address_declared_by_two_tenants_at_once_is_in_use_for_one(db: Database, set_up: SetUp) -> None:
    async with db.pool.acquire() as other:
        opened = other.transaction()
        await opened.start()
        await other.execute(
            "insert into store.mailbox(id, tenant, address, settings, actor) "
            "values ($1, 'acme', 'thu@acme.vn', '{}', 'test')",
            uuid7(),
        )
        late = asyncio.create_task(set_up.add_mailbox("beta", "thu@acme.vn", "shared", IMAP, PASSWORD, "test"))
        await eventually(
            lambda: db.pool.fetchval(
                "select exists (select 1 from pg_stat_activity "
                "where datname = current_database() and wait_event_type = 'Lock')"
            ),
            "the second to wait for the first",
        )
        await opened.commit()
    with pytest.raises(HosoError, match="the address is in use"):
        await late


# --- signing profiles -------------------------------------------------------------------------------------------


def p12(tax_code: str = "0101234567", password: str = "1234", days: int = 365) -> bytes:
    """A PKCS#12 with a certificate that names a tax code."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "CÔNG TY THỬ"), x509.NameAttribute(NameOID.USER_ID, f"MST:{tax_code}")]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(
        b"key", key, certificate, None, BestAvailableEncryption(password.encode())
    )


async def test_a_profiles_key_lies_sealed_and_its_password_nowhere(db: Database, set_up: SetUp) -> None:
    known = await set_up.add_pkcs12("acme", "giám đốc", p12(password="bí mật 4711"), "bí mật 4711", "test")
    (listed,) = await set_up.profiles("acme")
    assert (listed.key, listed.tax_codes, listed.serial) == (None, ("0101234567",), known.serial)
    opened = await set_up.profile_with_key("acme", listed.id)
    assert opened is not None
    assert opened.key is not None
    assert load_der_private_key(opened.key, None)
    assert opened.key.hex() not in repr(opened)
    everything = await db.pool.fetchval(
        "select (select string_agg(p::text, ' ') from store.profile p) "
        "|| (select string_agg(a::text, ' ') from store.audit a)"
    )
    assert "bí mật 4711" not in everything
    assert await set_up.profile_with_key("beta", listed.id) is None, "another tenant signs nothing with it"


async def test_the_profile_for_a_tax_code_is_its_own_before_its_enterprises_and_the_newest(
    db: Database, set_up: SetUp
) -> None:
    await set_up.add_pkcs12("acme", "enterprise", p12("0101234567"), "1234", "test")
    await set_up.add_pkcs12("acme", "branch", p12("0101234567-001", days=100), "1234", "test")
    await set_up.add_pkcs12("acme", "branch, newer", p12("0101234567-001", days=200), "1234", "test")
    ids = {p.name: p.id for p in await set_up.profiles("acme")}
    async with db.pool.acquire() as tx:
        assert await set_up.profile_for(tx, "acme", "0101234567-001", None) == ids["branch, newer"]
        assert await set_up.profile_for(tx, "acme", "0101234567-002", None) == ids["enterprise"]
        assert await set_up.profile_for(tx, "acme", "0101234567-001", "enterprise") == ids["enterprise"]
        assert await set_up.profile_for(tx, "acme", "0109999999", None) is None
        assert await set_up.profile_for(tx, "beta", "0101234567", None) is None


async def test_a_removed_profiles_key_is_erased(set_up: SetUp, vault: Vault, db: Database) -> None:
    await set_up.add_pkcs12("acme", "giám đốc", p12(), "1234", "test")
    (listed,) = await set_up.profiles("acme")
    secret = await db.pool.fetchval("select secret from store.profile")
    await set_up.remove_profile("acme", "giám đốc", "test")
    assert await set_up.profile_with_key("acme", listed.id) is None
    with pytest.raises(Erased):
        await vault.get(secret)
    await set_up.add_pkcs12("acme", "giám đốc", p12(), "1234", "test")
    assert len(await set_up.profiles("acme")) == 1


async def test_a_wrong_password_is_a_sentence_and_nothing_is_kept(db: Database, set_up: SetUp) -> None:
    with pytest.raises(HosoError):
        await set_up.add_pkcs12("acme", "giám đốc", p12(), "wrong", "test")
    assert await set_up.profiles() == []
    assert await db.pool.fetchval("select count(*) from store.vault_item") == 0


async def test_every_change_is_audited_with_its_actor(db: Database, set_up: SetUp) -> None:
    await set_up.add_key("acme", "erp", ["read"], "admin:lan")
    await set_up.add_mailbox("acme", "thu@acme.vn", "shared", IMAP, PASSWORD, "admin:lan")
    await set_up.add_pkcs12("acme", "giám đốc", p12(), "1234", "admin:lan")
    await set_up.remove_key((await set_up.keys("acme"))[0]["id"], "admin:lan")
    await set_up.remove_mailbox("thu@acme.vn", "admin:lan")
    await set_up.remove_profile("acme", "giám đốc", "admin:lan")
    await set_up.remove_tenant("acme", "admin:lan")
    done = await db.pool.fetch("select what, tenant from store.audit where actor = 'admin:lan' order by n")
    assert [tuple(r) for r in done] == [
        (what, "acme")
        for what in (
            "key.add",
            "mailbox.add",
            "profile.add",
            "key.remove",
            "mailbox.remove",
            "profile.remove",
            "tenant.remove",
        )
    ]
