-- First-time dossiers that wait in a mailbox: all of them say DKTGLD, so of one name only one may wait there at a time.
create table intake.turn (
  dossier uuid primary key,
  enrolment uuid not null,
  unit uuid not null,
  mailbox uuid not null,
  contact text not null,                 -- lower case
  name text not null,                    -- folded, as mails are compared
  asked_at timestamptz not null,
  granted_at timestamptz,
  granted_by text,                       -- the call that granted it: asked again after a crash, it says the same again
  ended_at timestamptz
);
create unique index turn_holder on intake.turn (mailbox, contact, name) where granted_at is not null and ended_at is null;
create index turn_queue on intake.turn (mailbox, contact, name, asked_at) where ended_at is null;
