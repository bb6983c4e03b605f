"""Sets stored as tar files, on a disk or at an address: which samples they hold, and the bytes of one."""
