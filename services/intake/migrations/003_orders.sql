-- Batches that wait or are given up, files that rows name, and the employer's own organisation.
alter table intake.batch
  add column said_by text,                   -- who paused, resumed or cancelled it last
  add column reason text not null default '',
  add column cancelled_to uuid;              -- while cancelling: enrolments up to here have been told
comment on column intake.batch.state is 'working, paused, cancelling, cancelled, done, failed';
drop index intake.batch_working;
create index batch_working on intake.batch (tenant, at) where state in ('working', 'cancelling');
create index batch_listed on intake.batch (tenant, batch);

create table intake.attachment (
  tenant text not null,
  key text not null,                         -- the name as it is compared
  version int not null,                      -- the newest that is not removed counts for later rows
  name text not null,
  media text not null,
  size int not null,
  sha256 text not null,
  document uuid not null,                    -- the sealed bytes
  actor text not null,
  at timestamptz not null,
  used boolean not null default false,       -- some request took it: its bytes are evidence now
  removed boolean not null default false,
  primary key (tenant, key, version)
);

create table intake.org_unit (
  tenant text not null,
  id text not null,
  parent text,
  fields jsonb not null,                     -- column key -> text, as validated
  actor text not null,
  at timestamptz not null,
  primary key (tenant, id)
);
create index org_unit_parent on intake.org_unit (tenant, parent);

drop index intake.enrolment_batch;
create index enrolment_of_batch on intake.enrolment (batch, enrolment) where batch is not null;
