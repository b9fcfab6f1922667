-- Workstations that hold USB tokens, and what they are asked. Documents are in the vault; times are real time unless said otherwise.
create schema if not exists signer;

-- One-time codes: only their hash is kept; used once, short-lived, dead after a few bad proofs.
create table signer.agent_code(
  id text primary key, sha256 bytea not null unique, tenant text not null, profile text not null, actor text not null,
  made_at timestamptz not null default now(), expires_at timestamptz not null, used_at timestamptz, revoked_at timestamptz,
  tries int not null default 0);

-- A workstation in force or revoked; one in force for one profile. `counter` only grows: no request is taken twice.
create table signer.agent(
  id text primary key, tenant text not null, profile uuid not null, profile_name text not null, public_key bytea not null,
  certificate bytea not null, host text not null, enrolled_at timestamptz not null default now(), revoked_at timestamptz,
  counter bigint not null default 0, seen_at timestamptz not null default now(), status text not null default 'ready'
    check (status in ('ready', 'token-absent', 'pin-suspect')),
  unattended boolean not null default false, asking_until timestamptz) with (fillfactor = 70);
create unique index agent_profile on signer.agent(profile) where revoked_at is null;

-- One round of one attempt. The first answer stands.
create table signer.agent_question(
  tenant text not null, name text not null, profile uuid not null, certificate bytea not null, display text not null,
  digests bytea[] not null, documents text[] not null, kept uuid[] not null, asked_at timestamptz not null default now(),
  until timestamptz not null, -- world's time; what nobody answered by then has expired
  state text not null default 'asked' check (state in ('asked', 'signed', 'declined', 'expired')), signatures bytea[],
  why text not null default '', answered_by text, answered_at timestamptz, primary key(tenant, name));
create index on signer.agent_question(profile, asked_at) where state = 'asked';
