"""Tiny networks of many families and module libraries, for the battery."""

from ._network import Network as Network
