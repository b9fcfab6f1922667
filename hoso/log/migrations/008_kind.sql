-- Which log the positions of this database are for, as `hoso migrate` left them; who is started with another one would read from elsewhere.
create table log.kind(one bool primary key default true check (one), kafka bool not null);
