"""From one pretrained network to a Set of Sets: a Pareto set of sub-networks for every task.

Build a `Jat` from a network and its parameters, name `Task`s and `Environment`s, `search`,
`SetOfSets.select`, `shrink`, `export`.
"""

from importlib.metadata import version as _version

from ._errors import InputError as InputError
from .deploy._certify import certify as certify
from .deploy._certify import check_inputs as check_inputs
from .deploy._export import export as export
from .deploy._export import load_network as load_network
from .deploy._export import load_stablehlo as load_stablehlo
from .deploy._network import Network as Network
from .deploy._network import shrink as shrink
from .deploy._translator import Translator as Translator
from .deploy._translator import text_scores as text_scores
from .environments._environment import Environment as Environment
from .fitness._adaptation import Adaptation as Adaptation
from .fitness._kernel import Kernel as Kernel
from .fitness._recovery import Recovery as Recovery
from .graph._certify import Certificate as Certificate
from .graph._graph import Graph as Graph
from .graph._graph import trace as trace
from .graph._group import Group as Group
from .graph._head import Head as Head
from .graph._head import Statistics as Statistics
from .models._jat import Jat as Jat
from .models._load import fashion_resnet as fashion_resnet
from .models._load import load as load
from .pareto._indicators import log_hypervolume as log_hypervolume
from .recover._fidelity import fidelity as fidelity
from .recover._recover import recover as recover
from .report import report as report
from .search._adapt import adapt as adapt
from .search._search import resume as resume
from .search._search import search as search
from .search._settings import Settings as Settings
from .search._uniform import uniform as uniform
from .sets._member import Member as Member
from .sets._member import Scores as Scores
from .sets._set_of_sets import SetOfSets as SetOfSets
from .sets._set_of_sets import TaskSet as TaskSet
from .sets._store import load_sets as load_sets
from .sets._store import save_sets as save_sets
from .space._encoding import Bits as Bits
from .space._encoding import Ratios as Ratios
from .strategies._mo_mfea import MOMFEA as MOMFEA
from .tasks._dataset import Dataset as Dataset
from .tasks._dataset import Split as Split
from .tasks._fashion_mnist import fashion_mnist as fashion_mnist
from .tasks._from_rows import dataset_of_rows as dataset_of_rows
from .tasks._from_rows import text_dataset as text_dataset
from .tasks._from_rows import translation_dataset as translation_dataset
from .tasks._task import Task as Task

__version__ = _version("sosjax")
