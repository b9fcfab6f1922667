-- Kafka behind the log: which database an event comes from, how far its records have been seen, where Kafka is to be read next.
create table log.source(one bool primary key default true check (one), id uuid not null default gen_random_uuid());
insert into log.source default values;

-- Restores of this database: from `first` on, offsets of the partition belong to `epoch`. Offsets before the first row: epoch 0.
create table log.epoch(topic text, part smallint, epoch int, first bigint not null, primary key(topic, part, epoch));

create table log.mark(
  grp text, source text, topic text, part smallint, epoch int not null, off bigint not null, primary key(grp, source, topic, part))
  with (fillfactor = 20);

alter table log.position add column kafka bigint;
