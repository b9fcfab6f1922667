-- What operators look at: a projection of events, rebuilt from the log at any time; nothing is decided on it.
create schema ops;
create table ops.timeline(
  n bigint generated always as identity primary key, enrolment uuid not null, unit uuid not null, tenant text not null, at timestamptz not null,
  type text not null, event uuid not null, cause uuid, data jsonb not null, unique(event));
create index on ops.timeline(enrolment, n);
create table ops.enrolment(
  enrolment uuid primary key, unit uuid not null, tenant text not null, unit_code text, name text not null default '', request text not null default '',
  batch uuid, row int, stage text not null, cause text, message text not null default '', number text, attempt int, kind text, filed bool not null default false,
  employees int, opened_at timestamptz not null, changed_at timestamptz not null) with (fillfactor = 70);
create index on ops.enrolment(tenant, stage);
create index on ops.enrolment(unit_code);
