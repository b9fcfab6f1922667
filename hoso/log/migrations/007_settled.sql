-- Somebody has seen to a dead letter that does not go back: it is evidence, and waits for nobody any more.
alter table log.dead add column settled_at timestamptz;
