-- What waits for a person, and what an enrolment says of itself besides its stage.
alter table ops.enrolment add answers text[] not null default '{}', add until timestamptz, add method text,
  add progress int not null default 0, add profile uuid, add purpose text not null default 'enrol';
update ops.enrolment e set profile = (select (t.data->>'profile')::uuid from ops.timeline t
  where t.enrolment = e.enrolment and t.type = 'vn.hoso.dossier.prepared.v1' order by t.n desc limit 1);
create index on ops.enrolment(profile) where profile is not null;
create index on ops.enrolment(unit);
-- The data of a row as they stand: its requests and the answers that mended it.
create index on ops.timeline(unit, n) where type in ('vn.hoso.enrolment.requested.v1', 'vn.hoso.enrolment.answered.v1');

create table ops.task(
  task uuid primary key,             -- the event that opened it
  about text not null,               -- decision:<enrolment>, signature:<enrolment>, mail:<mail>: one open task each
  tenant text not null,
  unit uuid,
  enrolment uuid,
  cause text not null,
  text text not null default '',
  cure text not null default '',
  answers text[] not null default '{}',
  detail jsonb not null default '{}',
  since timestamptz not null,
  until timestamptz,
  ended_at timestamptz,
  answer text,
  actor text,                        -- who answered it
  reason text not null default '',
  assignee text);                    -- whom people gave it to; the one thing here that is not an event
create unique index task_open on ops.task(about) where ended_at is null;
create index on ops.task(about, since);
create index on ops.task(tenant, since) where ended_at is null;
create index on ops.task(enrolment, since) where enrolment is not null;
