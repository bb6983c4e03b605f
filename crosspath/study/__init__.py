"""Does a pathway help, and how certain is that? Arms, seeds, statistics, reports, and the demo."""
