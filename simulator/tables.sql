-- The agency's memory. Times are seconds since 1970 (UTC): `_real` by the machine's clock, `_world` by the world clock.

create table if not exists clock (id integer primary key check (id = 1), base_world real not null, anchor_real real not null, rate real not null);

-- Every filing whose body was taken in for processing, in order. One row a POST, whatever the answer was.
create table if not exists arrivals (
  id integer primary key,
  at_real real not null,
  at_world real not null,
  procedure text not null,
  unit_code text not null,
  tax_code text not null,
  sender text not null,
  sha256 text not null,
  size integer not null,
  idempotency_key text,
  transaction_id text,               -- of the filing it became, or of the filing it duplicates
  outcome text not null,             -- pending | received | refused | duplicate
  code text,                         -- the refusal code, if refused or duplicate
  answered text not null default 'receipt'  -- what the caller got: receipt | lost | 409 | 208 | 500 | 502 | 503 | truncated | charset | hang
);
create index if not exists arrivals_by_unit on arrivals (unit_code);

-- Requests that were never processed: 429, 503 with X-Processed: no, dropped before processing, outage, ...
create table if not exists non_arrivals (
  id integer primary key, at_real real not null, at_world real not null, call text not null, unit_code text not null,
  procedure text not null, idempotency_key text, kind text not null
);

-- What became of an arrival that was no duplicate. `taken_in`: passed the gate and went to the officer.
create table if not exists filings (
  transaction_id text primary key,
  procedure text not null,
  unit_code text not null,
  tax_code text not null,
  agency text not null,
  sender text not null,
  sha256 text not null,
  idempotency_key text,
  unit_name text not null,
  place text not null,
  email text,                        -- of the forms 04, 05 and the first-time envelope
  contact text,                      -- header X-Contact
  certificate text,                  -- sha256 of the signing certificate
  taken_in integer not null,
  number text not null default '',
  state text not null,               -- TIEP_NHAN | CHAP_NHAN | TU_CHOI
  code text not null default '',
  reason text not null default '',
  steps text not null default '[]',
  received_world real not null,
  decided_world real,
  mailed_world real
);
create index if not exists filings_by_unit on filings (unit_code, procedure);
create index if not exists filings_by_hash on filings (sha256);
create index if not exists filings_by_key on filings (idempotency_key);

create table if not exists units (
  unit_code text primary key,
  tax_code text not null default '',     -- base 10 digits; bound by the first accepted filing
  name text not null default '',
  email text not null default '',        -- last known contact address
  provider_code text not null default '',-- I-VAN of the unit; 'VSS' is the state portal
  provider_name text not null default '',
  active_transaction text                -- of the registration that was activated
);

create table if not exists codes (
  transaction_id text primary key, unit_code text not null, code text not null, issued_world real not null,
  expires_world real, used_world real, wrong_tries integer not null default 0
);

create table if not exists activations (
  id integer primary key, at_real real not null, at_world real not null, transaction_id text not null, unit_code text not null,
  code text not null, outcome text not null   -- 00, or the refusal code
);

create table if not exists roster_fetches (
  id integer primary key, at_real real not null, at_world real not null, unit_code text not null, page integer not null, status integer not null
);

-- Mails written and sent, in order of writing. At least once: the same Message-ID may go out twice after a crash.
create table if not exists mails (
  id integer primary key,
  transaction_id text not null,
  kind text not null,                -- activation | stop-result | change-result | unit-code-result
  unit_code text not null,
  recipient text not null,
  message_id text not null unique,
  look text not null,                -- JSON: how it is rendered, see simulator/mails.py
  genuine integer not null,          -- 0: the forged ones
  due_world real not null,
  retry_real real not null default 0,
  tries integer not null default 0,
  state text not null,               -- queued | sent | refused (by the mail server) | withheld (by a fault) | no-address
  sent_real real,
  sent_world real
);
create index if not exists mails_queued on mails (due_world) where state = 'queued';
create index if not exists mails_by_transaction on mails (transaction_id);

-- Work to be done later; survives a crash. `clock` says which clock `due` is read on.
create table if not exists tasks (
  id integer primary key, clock text not null check (clock in ('world', 'real')), due real not null, kind text not null,
  transaction_id text, arrival_id integer, data text not null default '{}', body blob
);
create index if not exists tasks_due on tasks (clock, due);

create table if not exists numbers (year integer not null, agency text not null, last integer not null, primary key (year, agency)) without rowid;

-- Fault rules given by script or by POST /script, in order; and how often a magic code's rule has fired.
create table if not exists script_rules (
  id integer primary key, name text unique, unit_code text not null, procedure text, call text not null, fault text not null,
  times integer, used integer not null default 0
);
create table if not exists magic_uses (unit_code text not null, rule text not null, used integer not null, primary key (unit_code, rule)) without rowid;
create table if not exists outage (id integer primary key check (id = 1), until_real real not null, mode text not null);

-- Who signed, as the agency read it from the certificate.
create table if not exists certificates (sha256 text primary key, serial text not null, subject text not null, ends_at text not null);

-- The certificate the agency holds for a unit: of its accepted registration, first-time dossier or change. A stop forgets it.
create table if not exists registered (
  unit_code text primary key, serial text not null, method text not null default '', transaction_id text not null, since_world real not null
);

-- What a change dossier (05) announces, and whether it took effect.
create table if not exists changes (
  transaction_id text not null, unit_code text not null, field text not null, old text not null, new text not null,
  effective_world real, primary key (transaction_id, field)
);

-- What only first-time dossiers (604) have, beside their row in `filings`. `who` is tax code and folded name: no unit code is there to name them.
create table if not exists first_time (
  transaction_id text primary key,
  who text not null,
  licence text not null,
  province text not null,
  address text not null,
  phone text not null,
  files text not null,               -- JSON: names of the attachments
  released_world real,               -- when the activation code gave it to the officer
  review text not null default '',   -- planned | silent | until-asked, after the release; done
  granted_code text
);
create index if not exists first_time_by_who on first_time (who);

-- Unit codes the agency has granted: for a first-time dossier, or for a paper form. Effective with the accepted change, or a registration.
create table if not exists granted (
  unit_code text primary key, tax_code text not null, name text not null, how text not null,  -- dossier | paper
  transaction_id text, granted_world real not null, effective_world real
);

-- What the unit directory shows beside `units`.
create table if not exists places (unit_code text primary key, agency text not null, address text not null default '', phone text not null default '');

-- How often somebody asked where a released first-time dossier stands.
create table if not exists status_asks (transaction_id text primary key, times integer not null, first_world real not null, last_world real not null);

-- Codes that a newer one of the same dossier has put out of force.
create table if not exists superseded_codes (transaction_id text not null, code text not null, primary key (transaction_id, code)) without rowid;

-- Families of magic behaviour of what has no magic unit code: first-time dossiers by `who`, granted unit codes.
create table if not exists magic_names (who text primary key, families text not null);

create view if not exists stops as
  select transaction_id, unit_code, sender, number, decided_world from filings where procedure = '06_NG-IVAN' and state = 'CHAP_NHAN';

-- Filings with whom they are of: the unit code, or `who` of a first-time dossier, which has none.
create view if not exists filings_of as
  select f.*, f.rowid as arrived, coalesce(t.who, f.unit_code) as who from filings f left join first_time t on t.transaction_id = f.transaction_id;

create view if not exists ledger as
  select a.*, f.number as dossier_number, f.state as filing_state, f.code as filing_code
  from arrivals a left join filings f on f.transaction_id = a.transaction_id order by a.id;
