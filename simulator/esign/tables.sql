create table if not exists clock(id integer primary key check (id = 1), base real not null, anchor real not null, rate real not null);
create table if not exists person(
  name text primary key, password text not null, user_id text not null, two_factor integer not null, remembered integer not null default 0,
  wrong integer not null default 0, otp text);
create table if not exists certificate(
  alias text primary key, person text not null, status text not null, auto integer not null, der blob not null, key blob not null);
create table if not exists token(value text primary key, person text not null, kind text not null, expires real not null);
create table if not exists prompt(
  number text primary key, person text not null, client text not null, alias text not null, display text not null, opened real not null,
  expires real not null, closed real, state text not null, polls integer not null default 0, told integer not null default 0);
create table if not exists document(
  prompt text not null, position integer not null, id text not null, name text not null, digest blob not null, signature blob,
  primary key(prompt, position));
create table if not exists fault(id integer primary key, call text not null, fault text not null, times integer, used integer not null default 0);
create table if not exists request(id integer primary key, at real not null, call text not null, person text not null, outcome text not null);
create table if not exists message(id text primary key, number text not null, body text not null, delivered integer not null default 0);
