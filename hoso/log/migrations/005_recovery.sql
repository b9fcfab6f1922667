-- The database was restored (docs/backup.md): a call of `lane` may have been asked in the part of history that is forgotten here,
-- so it starts unsure. `since`: when the restore was opened, real time; nothing of before can still be sent. `known_until`: the
-- world's time of the last event that is known here. No row: no recovery is open.
create table log.recovery(lane text primary key, since timestamptz not null, known_until timestamptz not null);
