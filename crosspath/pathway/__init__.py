"""The method, for any `nn.Module`: match, connect, merge, disconnect, status, parameter groups, save and load.

In reading order:

1. The sum. spread.py: which rows of W get which rows of W'. combine.py: the formula W + λ·W' and its gradients.
   parametrization.py: how a module's weight becomes that sum. parameters.py: a connected model under its plain names.
2. What pairs with what. sources.py: a module, a state dict or a file. auxiliary.py: weights that an auxiliary computes
   from several tensors; quantised.py and wrappers.py: what it may not be, and what it may be inside. slot.py: a role's
   rows in a stored tensor. resolve_layout.py and locate.py: which layout a model has, and where its roles are.
   match.py, with block_pairs.py, by_name.py and differences.py: pairs and mismatches, in a report (report.py).
3. Connecting. plan.py: what will be done, and every reason against it. assemble.py: W', λ and their spread.
   connect.py: the function that runs all of this.
4. A connected model. handle.py, origins.py, status.py, groups.py (optimizer groups).
5. The ways out. merge.py: merge and disconnect. save.py and load.py: files.
"""

from crosspath.errors import PathwayError
from crosspath.pathway.connect import connect
from crosspath.pathway.groups import param_groups
from crosspath.pathway.handle import Pathways, pathways
from crosspath.pathway.load import load_pathway
from crosspath.pathway.match import match
from crosspath.pathway.merge import disconnect, merge, unmerge
from crosspath.pathway.receipt import Receipt
from crosspath.pathway.report import MatchReport
from crosspath.pathway.resolve_layout import layout_named
from crosspath.pathway.save import save_pathway
from crosspath.pathway.status import Status, status

__all__ = [
    "MatchReport",
    "PathwayError",
    "Pathways",
    "Receipt",
    "Status",
    "connect",
    "disconnect",
    "layout_named",
    "load_pathway",
    "match",
    "merge",
    "param_groups",
    "pathways",
    "save_pathway",
    "status",
    "unmerge",
]
