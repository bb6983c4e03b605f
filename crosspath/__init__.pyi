from crosspath.config import Recipe as Recipe
from crosspath.errors import InputError as InputError
from crosspath.pathway import MatchReport as MatchReport
from crosspath.pathway import PathwayError as PathwayError
from crosspath.pathway import Pathways as Pathways
from crosspath.pathway import Receipt as Receipt
from crosspath.pathway import Status as Status
from crosspath.pathway import connect as connect
from crosspath.pathway import disconnect as disconnect
from crosspath.pathway import load_pathway as load_pathway
from crosspath.pathway import match as match
from crosspath.pathway import merge as merge
from crosspath.pathway import param_groups as param_groups
from crosspath.pathway import pathways as pathways
from crosspath.pathway import save_pathway as save_pathway
from crosspath.pathway import status as status

__version__: str
