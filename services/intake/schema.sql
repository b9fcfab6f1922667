-- What intake keeps: requests (so that asking twice is asking once), where every enrolment stands, and batches of sheet rows.
create schema intake;

create table intake.request (
  tenant text not null,
  request text not null,                 -- Idempotency-Key, a producer's own key, or <batch>:<row>
  fingerprint text not null,             -- sha256 of the validated form
  unit uuid,
  enrolment uuid,
  outcome text,                          -- accepted, amended, already-open, already-enrolled, refused; null: being decided
  message text not null default '',      -- why it was refused later, by the decisions of the enrolment service
  at timestamptz not null,
  primary key (tenant, request)
);
create index request_enrolment on intake.request (enrolment);

create table intake.enrolment (
  enrolment uuid primary key,
  unit uuid not null,
  current boolean not null default true, -- the unit's newest; older ones stay to be looked at
  tenant text not null,
  request text not null,                 -- the request whose data stand
  fingerprint text not null,
  row_key text not null,
  batch uuid,
  stage text not null,
  filed boolean not null default false,
  cause text,
  message text not null default '',
  number text,
  employees int,
  opened_at timestamptz not null,
  at timestamptz not null
) with (fillfactor = 80);
create unique index enrolment_unit on intake.enrolment (unit) where current;
create index enrolment_batch on intake.enrolment (batch) where batch is not null;

create table intake.batch (
  batch uuid primary key,
  tenant text not null,
  request text,                          -- Idempotency-Key of the upload
  filename text not null,
  sha256 text not null,
  actor text not null,
  at timestamptz not null,
  sheet uuid not null,                   -- the sealed bytes
  state text not null,                   -- working, done, failed
  rows int not null,                     -- data rows of the sheet
  position int not null default 0,       -- rows handled so far, in the sheet's order: a restart goes on here
  notes jsonb not null default '[]'
) with (fillfactor = 70);
create unique index batch_request on intake.batch (tenant, request) where request is not null;
create index batch_working on intake.batch (at) where state = 'working';

create table intake.batch_row (
  batch uuid not null references intake.batch,
  row int not null,                      -- the number people see beside the row
  row_key text not null,
  outcome text not null,                 -- as in intake.request, or invalid
  enrolment uuid,
  errors jsonb not null default '[]',
  notes jsonb not null default '[]',
  primary key (batch, row)
);
create index batch_row_enrolment on intake.batch_row (enrolment) where enrolment is not null;
