-- What the signer owns. Documents, questions and tokens are in the vault; here are only references.
create schema if not exists signer;

-- Which sealed bytes belong to which question or signed round of an attempt: `sign:<dossier>:<attempt>:<round>:<position>`
-- is what somebody is asked to sign, the same with `:signed` is what came of it. The first one kept stays.
create table signer.kept(
  tenant text not null, name text not null, ref uuid not null, at timestamptz not null default now(), primary key(tenant, name));

-- How far the log-in of a remote profile is. `secret` tells which credentials it was made with: others begin anew.
-- Whoever sets `busy_until` (real time) is the only one who logs in meanwhile: no second code is sent to a phone.
create table signer.login(
  profile uuid primary key, tenant text not null, secret bytea not null, state text not null
    check (state in ('none', 'in', 'code-needed', 'refused')),
  tokens uuid, why text not null default '', busy_until timestamptz, changed_at timestamptz not null default now());

-- One approval that a person was asked for at a remote service; its row is committed before the service is asked.
-- `asked`: on its way, or its answer was lost; `pending`: the service said under which number it asks.
create table signer.prompt(
  id uuid primary key, tenant text not null, profile uuid not null, certificate bytea not null, client text not null, state text not null
    check (state in ('asked', 'pending', 'signed', 'declined', 'expired', 'lost', 'refused')),
  number text unique, asked_at timestamptz not null, lost_at timestamptz not null, why text not null default '',
  hinted text, polls int not null default 0, poll_at timestamptz not null default now());
create index on signer.prompt(client) where state = 'asked';

-- One round of one attempt that a person is to sign, and the approval it is in. A question is in one prompt at a time;
-- `seen_at`: when somebody last wanted it, so that what nobody wants any more is never put on a phone.
create table signer.question(
  tenant text not null, name text not null, profile uuid not null, certificate bytea not null, digests bytea[] not null,
  documents text[] not null, names text[] not null, display text not null, signatures bytea[], prompt uuid references signer.prompt, lost int not null default 0,
  since timestamptz not null default now(), seen_at timestamptz not null default now(), primary key(tenant, name));
create index on signer.question(profile, certificate) where prompt is null;
create index on signer.question(prompt);

-- Messages that the remote service sent about a prompt: each counts once, and only as a hint to look.
create table signer.hint(
  prompt uuid not null references signer.prompt, message text not null, at timestamptz not null default now(), primary key(prompt, message));
