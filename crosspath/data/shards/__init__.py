"""Sets in tar files, on a disk or behind a URL: the samples they contain, and the bytes of each."""
