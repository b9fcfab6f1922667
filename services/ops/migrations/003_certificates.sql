-- Which warnings of a certificate's end were told: each once a certificate.
create table ops.certificate_warning(
  profile uuid not null, serial text not null, days int not null, at timestamptz not null, primary key(profile, serial, days));
