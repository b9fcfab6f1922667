-- A dead letter goes to Kafka once (published_at) and back onto the log a few times (redriven_at, log.redrive).
alter table log.dead add column published_at timestamptz, add column redriven_at timestamptz, add column failed_at timestamptz;
update log.dead set failed_at = at;
alter table log.dead alter column failed_at set default now(), alter column failed_at set not null;
create index dead_unpublished on log.dead(at, id) where published_at is null;

-- `likeness`: what stays the same about a letter when it goes back and fails again (app/stopped.py), so that it goes on counting.
create table log.redrive(
  event uuid primary key, letter uuid not null, likeness bytea not null, at timestamptz not null default now(), actor text not null);
create index redrive_likeness on log.redrive(likeness);
