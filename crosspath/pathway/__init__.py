"""The method: match, connect, merge, disconnect, status, parameter groups, save and load. For any `nn.Module`."""

from crosspath.errors import PathwayError
from crosspath.pathway.connect import connect
from crosspath.pathway.groups import param_groups
from crosspath.pathway.handle import Pathways, pathways
from crosspath.pathway.load import load_pathway
from crosspath.pathway.match import match
from crosspath.pathway.merge import Receipt, disconnect, merge
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
]
