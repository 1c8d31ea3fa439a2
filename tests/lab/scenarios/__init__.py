"""The scenarios, by topic."""

import importlib

TOPICS = ("closes", "losses", "reuse", "aborts", "opens", "alive", "crowds", "artefacts")


def load():
    """Every scenario by name."""
    from lab import SCENARIOS
    for topic in TOPICS:
        importlib.import_module("scenarios." + topic)
    return SCENARIOS
