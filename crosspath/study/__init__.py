"""Does a pathway help, and how surely? Arms over seeds, their statistics, the demo and its report."""
