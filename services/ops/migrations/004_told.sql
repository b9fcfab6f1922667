-- Of which certificate and way of signing an enrolled unit was told last (CertificateReplaced): it is told by itself once.
create table ops.certificate_told(
  enrolment uuid primary key, serial text not null, method text not null, at timestamptz not null);
-- The newest signature of an enrolment, without reading its whole timeline.
create index on ops.timeline(enrolment, n) where type = 'vn.hoso.dossier.signed.v1';
