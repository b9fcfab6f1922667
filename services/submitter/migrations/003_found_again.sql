-- A filing that was made before a restore and found again at the agency: `sha256` is of the agency's bytes, `document` is not those.
alter table submitter.filing add found_again bool not null default false;
create index on submitter.filing(transaction) where transaction is not null;
create index on submitter.filing(sha256);
