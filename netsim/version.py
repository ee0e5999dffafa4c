"""The version of the distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("netsim-training")
except PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0+unknown"
