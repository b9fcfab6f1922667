-- Results of changes and first-time dossiers, mails that wait for a person, and more than one folder a mailbox.

alter table mail_watcher.expectation add column own_address bool not null default false;

-- what: activation, stop-result, change-result, unit-code-result or unknown; kinds: of attempts that may wait for it.
-- granted: the unit code that it gives. told: digest of the last mail.undecided event, '' = none stands.
-- parked_at: the world's time since which nobody waits for it. subject: codes masked.
alter table mail_watcher.mail
  add column what text not null default 'unknown', add column kinds text[] not null default '{}', add column granted text,
  add column folder text not null default 'INBOX', add column subject text not null default '',
  add column told text not null default '', add column parked_at timestamptz,
  drop constraint mail_state_check,
  add constraint mail_state_check
    check (state in ('fetched', 'matched', 'parked', 'undecided', 'quarantined', 'other', 'aside'));
update mail_watcher.mail set kinds = case when kind = 'register' then '{register,first_code,change}'::text[] else array[kind] end,
  what = case when kind = 'register' then 'activation' else 'stop-result' end where kind is not null;
update mail_watcher.mail set parked_at = arrived_at where state = 'parked';
create index on mail_watcher.mail(parked_at) where state = 'parked' and told = '';
create index on mail_watcher.mail(mailbox, code) where code is not null;
create index on mail_watcher.mail(mailbox, granted) where granted is not null;
create index on mail_watcher.mail(mailbox) where state in ('fetched', 'parked');
drop index mail_watcher.mail_mailbox_kind_idx;

-- Which folder the cursor is of, and how the mailbox stands: '', 'reading', 'down', 'refused' or 'needs-consent'.
alter table mail_watcher.mailbox_cursor add column folder text not null default 'INBOX', add column standing text not null default '';

-- How far the folders beside it have been read (junk); fenced by the epoch of mailbox_cursor.
create table mail_watcher.folder_cursor(
  mailbox uuid not null, folder text not null, uidvalidity bigint not null, uid bigint not null, scanned_at timestamptz not null default now(),
  primary key(mailbox, folder));
