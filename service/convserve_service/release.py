"""The release that is running."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("convserve")
except PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0.1.0"
