-- The submission ledger: every attempt handed over to be filed, before the agency is asked, and every try of asking.
create schema submitter;
create table submitter.filing(
  dossier uuid, attempt int, enrolment uuid not null, unit_code text not null, kind text not null, key text not null, document uuid not null,
  sha256 text not null, asked_at timestamptz not null default now(), state text not null default 'asked', transaction text, number text,
  code text, text text, changed_at timestamptz not null default now(), primary key(dossier, attempt));
create index on submitter.filing(enrolment);
create table submitter.try(
  n bigint generated always as identity primary key, name text not null, try int not null, unsure bool not null, outcome text not null,
  error text not null, at timestamptz not null default now());
create index on submitter.try(name);
