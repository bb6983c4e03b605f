"""The method, for any `nn.Module`: match, connect, merge, disconnect, status, parameter groups, save and load.

In reading order:

1. The sum, in engines/. overlay.py: which rows of W get which rows of W'. combine.py: the formula W + λ·W' and its
   gradients. parametrization.py: how a module's weight becomes that sum; held_weight.py: how an optimizer holds it.
2. What there is. sources/: a module, a state dict or a file as named weights, and weights that an auxiliary computes
   from several tensors. anatomy/: which layout a model has (locate.py), and a role's rows in a stored tensor (slot.py).
3. What pairs with what. pairing/match.py: pairs and mismatches, in a report (report.py). On its way: canonical/, what
   norms and scales make of a matrix; fitting/, auxiliaries of other shapes.
4. Connecting. options.py: what was asked for. plan.py: what will be done, and every reason against it. assemble.py:
   W', λ and how they lie on W. connect.py: the function that runs all of this.
5. A connected model. handle.py, origins.py, status.py, groups.py (optimizer groups).
6. The ways out. merge.py: merge and disconnect. save.py and load.py, with saved_files.py and saved_pathway.py: files.
"""

from crosspath.errors import PathwayError
from crosspath.pathway.anatomy.resolve_layout import layout_named
from crosspath.pathway.connect import connect
from crosspath.pathway.groups import param_groups
from crosspath.pathway.handle import Pathways, pathways
from crosspath.pathway.load import load_pathway
from crosspath.pathway.merge import disconnect, merge, unmerge
from crosspath.pathway.pairing.match import match
from crosspath.pathway.receipt import Receipt
from crosspath.pathway.report import MatchReport
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
