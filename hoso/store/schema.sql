-- What lives beside the log and has a URL of its own: the vault, the unit registry, and what people set up.
create schema if not exists store;

create table store.vault_key(
  id uuid primary key, tenant text not null, scope uuid not null, purpose text not null, kek text not null, wrapped bytea not null,
  made_at timestamptz not null default now(), destroyed_at timestamptz, unique(tenant, scope, purpose));
create table store.vault_item(
  id uuid primary key, key uuid not null references store.vault_key, sealed bytea not null, made_at timestamptz not null default now());
create index on store.vault_item(key);

create table store.unit(
  unit uuid primary key, tenant text not null, row_key text not null, unit_code text unique, org_unit_id text,
  made_at timestamptz not null default now(), unique(tenant, row_key));

create table store.tenant(name text primary key, title text not null default '', removed bool not null default false,
  made_at timestamptz not null default now(), actor text not null);
create table store.api_key(
  id text primary key, tenant text not null references store.tenant, name text not null, secret_sha256 bytea not null, scopes text[] not null,
  made_at timestamptz not null default now(), actor text not null, revoked_at timestamptz);
create table store.mailbox(
  id uuid primary key, tenant text not null references store.tenant, address text not null, contact_mode text not null default 'shared',
  settings jsonb not null, secret uuid, removed bool not null default false, made_at timestamptz not null default now(), actor text not null);
create unique index mailbox_address on store.mailbox(lower(address)) where not removed;
create table store.profile(
  id uuid primary key, tenant text not null references store.tenant, name text not null, backend text not null, tax_codes text[] not null,
  certificate bytea not null, serial text not null, issuer text not null, subject text not null, sha256 text not null, not_before timestamptz not null,
  not_after timestamptz not null, secret uuid not null, removed bool not null default false, made_at timestamptz not null default now(),
  actor text not null);
create unique index profile_name on store.profile(tenant, name) where not removed;
create table store.audit(n bigint generated always as identity primary key, at timestamptz not null default now(), actor text not null,
  tenant text, what text not null, detail jsonb not null default '{}');
