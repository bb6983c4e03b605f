"""The decision lists that `studies/decide.py --write` fitted to `docs/results.json`."""

from crosspath.study.decision.decision import DecisionList

WITH_OWN_FILES = DecisionList(rules=(), otherwise="masked")
WITHOUT = DecisionList(rules=(), otherwise="plain")
