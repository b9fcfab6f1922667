-- Outgoing messages: who gets mails, what is gathered into them, what producing systems are told and how far each of them is.
create schema notifier;

create table notifier.setting(
  tenant text primary key,
  addresses text[] not null default '{}',      -- who is told of milestones and tasks
  to_unit bool not null default false,         -- also the address in the unit's own row
  language text not null default 'vi',
  gather interval not null default '5 minutes',-- what happens within it goes into one mail
  at timestamptz not null default now(), actor text not null);

create table notifier.enrolment(                -- who is who in a mail
  enrolment uuid primary key, tenant text not null, unit_code text, name text not null, email text not null);

create table notifier.notice(
  n bigint generated always as identity primary key, tenant text not null, recipient text not null, event uuid not null,
  enrolment uuid, what text not null, word text not null, until timestamptz, at timestamptz not null, mail uuid,
  unique(event, recipient));
create index on notifier.notice(tenant, recipient, at) where mail is null;
create index on notifier.notice(mail);

create table notifier.mail(
  mail uuid primary key, tenant text not null, recipient text not null, message_id text not null, body bytea not null,
  at timestamptz not null, state text not null default 'waiting', error text not null default '', ended_at timestamptz);
create index on notifier.mail(at);

create table notifier.head(tenant text primary key, next bigint not null);
create table notifier.event(                    -- what producing systems may read; n is the cursor
  tenant text not null, n bigint not null, event uuid not null unique, at timestamptz not null, body text not null,
  primary key(tenant, n));
create index on notifier.event(at);

create table notifier.endpoint(
  endpoint uuid primary key, tenant text not null, url text not null, secret uuid not null, cursor bigint not null,
  generation int not null default 1,           -- a replay begins a new one; what is under way of an older one is dropped
  failing_since timestamptz, status int, error text not null default '', delivered_at timestamptz,
  disabled_at timestamptz, removed bool not null default false, at timestamptz not null default now(), actor text not null);
create index on notifier.endpoint(tenant) where not removed;

create table notifier.delivery(
  endpoint uuid not null references notifier.endpoint, generation int not null, n bigint not null,
  state text not null default 'waiting',       -- waiting, delivered, refused, dropped
  tries int not null default 0, status int, error text not null default '', at timestamptz,
  primary key(endpoint, generation, n));
create index on notifier.delivery(endpoint) where state = 'waiting';
