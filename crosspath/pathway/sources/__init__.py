"""Where weights come from: modules, state dicts and files, and what their layers really compute with."""
