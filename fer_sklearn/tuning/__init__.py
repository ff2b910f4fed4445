"""Tuning: a table of parameters to search, and a search that Optuna drives.

`search_space` also works with scikit-learn's searches and in your own objective.
"""

from ._plots import plot_study
from ._search import FERSearchCV
from ._space import SearchSpace, search_space
from ._splits import HoldOut

__all__ = ["FERSearchCV", "HoldOut", "SearchSpace", "plot_study", "search_space"]
