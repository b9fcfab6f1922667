-- An address of one's own is looked up among those only: thousands of attempts may share the other kind.
create index on mail_watcher.expectation(mailbox, contact) where own_address;
