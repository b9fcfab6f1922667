"""Scenarios in words, on a whole made-up world: asserted on the agency's ledger and on what hoso answers over HTTP."""
