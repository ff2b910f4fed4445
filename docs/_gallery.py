"""The order of the gallery."""

_ORDER = (
    *("quickstart", "data", "augmentation", "training", "photos", "evaluation", "explain"),
    *("embedding", "tuning"),
)


def reading_order(name):
    """Sort key of an example's file: the way of a first reading, others behind it."""
    stem = name.removeprefix("plot_").removesuffix(".py")
    return _ORDER.index(stem) if stem in _ORDER else len(_ORDER)
