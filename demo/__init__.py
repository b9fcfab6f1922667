"""A whole made-up world on one machine: the simulated agency, a mail host, keys, and hoso itself."""
