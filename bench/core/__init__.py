"""The vocabulary: configurations, contracts, plug-ins, outcomes. Imports no torch."""
