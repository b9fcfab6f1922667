-- A dead letter goes to Kafka once (published_at) and back onto the log a few times (redriven_at, log.redrive).
alter table log.dead add column published_at timestamptz, add column redriven_at timestamptz;
create index dead_unpublished on log.dead(at, id) where published_at is null;

-- `body` is the sha256 of the bytes that went back: a letter with these bytes is that one again, and goes on counting.
create table log.redrive(
  event uuid primary key, letter uuid not null, root uuid not null, body bytea not null, at timestamptz not null default now(), actor text not null);
create index redrive_body on log.redrive(body);
create index redrive_root on log.redrive(root);
