"""Pretrained networks and their weights."""

from ._adapted import load_adapted as load_adapted
from ._decoding import Decoding as Decoding
from ._decoding import beam as beam
from ._decoding import cached_steps as cached_steps
from ._decoding import greedy as greedy
from ._decoding import silenced as silenced
from ._decoding import whole_steps as whole_steps
from ._families import FAMILIES as FAMILIES
from ._families import built as built
from ._load import jat_of as jat_of
from ._load import load as load
from ._load import save as save
from ._module import params_of as params_of
from ._sentencepiece import load_language_tokenizer as load_language_tokenizer
from ._tokenizer import load_tokenizer as load_tokenizer
