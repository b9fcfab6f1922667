-- A first-time dossier has no unit code: it is looked up by its tax code. What its mail waits for is kept for status questions.
alter table submitter.filing add tax_code text not null default '', add agency text, add contact text not null default '';
-- Replies that are not believed: the first few of an attempt, as evidence.
create table submitter.disbelieved(
  n bigint generated always as identity primary key, dossier uuid not null, attempt int not null, enrolment uuid not null, transaction text not null,
  why text not null, document uuid, at timestamptz not null default now());
create index on submitter.disbelieved(dossier, attempt);
-- The newest roster of each unit. `document` is null for no employees, and after it was erased.
create table submitter.roster(
  unit uuid primary key, tenant text not null, enrolment uuid not null, document uuid, employees int not null, fetched_at timestamptz not null,
  erased_at timestamptz);
create index on submitter.roster(fetched_at) where document is not null;
