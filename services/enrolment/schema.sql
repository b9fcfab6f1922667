-- One row a unit: where its enrolment stands. The shape inside is hoso/domain/states.py.
create schema enrolment;
create table enrolment.state(subject uuid primary key, body bytea not null) with (fillfactor = 70);
