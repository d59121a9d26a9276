"""Readers of the formats that data come in: a path goes in, plain columns come out.

They know nothing of tasks and networks. Nothing is unpickled, nothing is unpacked to disk.
"""

from ._air_quality import AIR_QUALITY_CHANNELS as AIR_QUALITY_CHANNELS
from ._air_quality import read_air_quality as read_air_quality
from ._air_quality import read_stations as read_stations
from ._arrays import read_arrays as read_arrays
from ._cifar import CIFAR_CHECKSUMS as CIFAR_CHECKSUMS
from ._cifar import read_cifar10 as read_cifar10
from ._cifar import read_cifar100 as read_cifar100
from ._column import labels as labels
from ._column import numbers as numbers
from ._column import texts as texts
from ._idx import idx_folder as idx_folder
from ._idx import read_idx as read_idx
from ._idx import read_idx_pair as read_idx_pair
from ._images import read_image_folder as read_image_folder
from ._labelled import LabelledImages as LabelledImages
from ._labelled import LabelledTexts as LabelledTexts
from ._parallel import Pairs as Pairs
from ._parallel import read_parallel as read_parallel
from ._series import Series as Series
from ._series import Windows as Windows
from ._series import compass as compass
from ._series import windows as windows
from ._split import duplicates as duplicates
from ._split import split_rows as split_rows
from ._table import Table as Table
from ._table import read_table as read_table
from ._texts import read_text_folder as read_text_folder
