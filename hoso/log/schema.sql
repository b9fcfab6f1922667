-- The log, its calls and timers: once in every database that runs services. docs/kernel.md explains each table.
create schema if not exists log;

create table log.head(
  topic text, part smallint, epoch int not null default 0, next bigint not null default 0, first bigint not null default 0,
  last_at timestamptz not null default '-infinity', primary key(topic, part)) with (fillfactor = 20);

create table log.event(
  topic text, part smallint, off bigint, at timestamptz, id uuid not null, type text not null, subject uuid, tenant text not null,
  body bytea not null check (length(body) <= 65536), primary key(topic, part, off, at)) partition by range (at);

create table log.position(
  grp text, topic text, part smallint, off bigint not null, at timestamptz not null, moved_at timestamptz not null default now(),
  primary key(grp, topic, part)) with (fillfactor = 20);

create table log.member(id uuid primary key, grp text not null, host text not null, pid int not null, address text,
  since timestamptz not null default now(), seen_at timestamptz not null default now());

create table log.call(
  id uuid primary key, grp text not null, lane text not null, tenant text not null, subject uuid not null,
  seq bigint generated always as identity, name text not null, type text not null, correlation uuid not null, cause uuid not null,
  body bytea not null check (length(body) <= 65536),
  ready bool not null, due timestamptz not null, not_before timestamptz not null, asked_at timestamptz not null default now(),
  give_up_at timestamptz not null, tries int not null default 0, looks int not null default 0, absent int not null default 0, claim bigint not null default 0, unsure bool not null default false,
  owner uuid, deadline timestamptz, error text, unique(grp, name)) with (fillfactor = 70);
create index call_claim on log.call(lane, tenant, due) where ready and owner is null;
create index call_queue on log.call(lane, subject, seq);
create unique index call_ready on log.call(lane, subject) where ready;
create index call_owned on log.call(owner) where owner is not null;

create table log.asked(grp text, name text, at timestamptz not null, primary key(grp, name));

create table log.timer(
  grp text, subject uuid, name text, due timestamptz not null, type text not null, tenant text not null, correlation uuid not null,
  cause uuid not null, body bytea not null, primary key(grp, subject, name));
create index timer_due on log.timer(grp, due);

create table log.held(
  grp text, subject uuid, since timestamptz not null, reason text not null, error text not null, released bool not null default false,
  primary key(grp, subject));
create table log.held_event(
  grp text, subject uuid, n bigint generated always as identity, topic text not null, part smallint not null, off bigint not null,
  type text not null, tenant text not null, body bytea not null, primary key(grp, subject, n));

create table log.dead(
  id uuid primary key, grp text not null, topic text not null, part smallint not null, off bigint not null, reason text not null,
  error text not null, body bytea not null, at timestamptz not null);

-- The world's clock as a history: from the real instant `anchor` on, the world's time is base + elapsed * rate.
create table log.clock(n bigint generated always as identity primary key, anchor timestamptz not null, base timestamptz not null,
  rate double precision not null check (rate > 0), actor text not null default '');
