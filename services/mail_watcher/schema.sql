-- What the mail watcher owns. Codes and raw mails are in the vault; here are only references.
create schema if not exists mail_watcher;

-- How far each mailbox has been read. Whoever holds the epoch may write; taking it over raises it (kernel.md section 3).
create table mail_watcher.mailbox_cursor(
  mailbox uuid primary key, uidvalidity bigint not null default 0, uid bigint not null default 0, epoch bigint not null default 0,
  owner text, seen_at timestamptz not null default now(), error text, scanned_at timestamptz);

-- Attempts about which a mail may come. Written by the consumer only.
create table mail_watcher.expectation(
  dossier uuid not null, attempt int not null, unit uuid not null, tenant text not null, enrolment uuid not null, kind text not null,
  mailbox uuid not null, contact text not null, unit_code text not null, unit_name text not null, name_key text not null,
  tax_code text not null, tax_key text not null, number text, since timestamptz not null, primary key(dossier, attempt));
create index on mail_watcher.expectation(unit);
create index on mail_watcher.expectation(mailbox, kind, unit_code);
create index on mail_watcher.expectation(mailbox, kind, number) where number is not null;
create index on mail_watcher.expectation(mailbox, kind, name_key, tax_key);
create index on mail_watcher.expectation(mailbox, kind, tax_key);
create index on mail_watcher.expectation(mailbox, contact, enrolment);

-- Every mail ever seen, once by content. `look` marks what the matcher has to look at.
create table mail_watcher.mail(
  id uuid primary key, mailbox uuid not null, tenant text not null, uidvalidity bigint not null, uid bigint not null, sha256 bytea not null,
  arrived_at timestamptz not null, arrived_by timestamptz not null, size bigint not null, raw uuid, verdict text not null, state text not null
    check (state in ('fetched', 'matched', 'parked', 'undecided', 'quarantined', 'other')),
  why text not null default '', heads jsonb not null, reading jsonb not null, code uuid, kind text, unit_code text, number text, name_key text,
  tax_key text, delivered_to text[] not null, look bool not null, enrolment uuid, dossier uuid, attempt int, seen_at timestamptz not null default now(),
  unique(mailbox, sha256));
create index on mail_watcher.mail(arrived_at) where look;
create index on mail_watcher.mail(mailbox, kind) where state in ('fetched', 'parked');
create index on mail_watcher.mail(dossier, attempt) where dossier is not null;
create index on mail_watcher.mail(tenant, state, arrived_at);

-- What a person said about a mail; the matcher carries it out.
create table mail_watcher.assignment(
  mail uuid primary key, enrolment uuid not null, dossier uuid not null, attempt int not null, actor text not null);
