"""The version of the distribution, readable without torch."""

VERSION = "0.1.0"
