"""The parts of `FERClassifier` as explicit steps of a scikit-learn Pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from .augment import FaceAugmenter
from .classifier import FERClassifier
from .normalize import FaceNormalizer

_EXAMPLES = {
    "normalize": "a transformer, such as FaceNormalizer('image'), or None for the usual one",
    "augment": "a transformer, such as FaceAugmenter(rotation=15.0), FaceAugmenter.off() to train "
    "without augmentation, or None for the usual one",
}


def make_fer_pipeline(
    *,
    normalize: FaceNormalizer | None = None,
    augment: FaceAugmenter | None = None,
    verbose: bool = False,
    **classifier_params: Any,
) -> Pipeline:
    """Build the Pipeline ``normalize -> augment -> classify``.

    It trains the same network as `FERClassifier`, with the same augmentation: the "augment" step
    passes its settings to the "classify" step, which applies them to every batch. If a step in
    between loses the settings, `fit` raises an error. Between the steps faces are arrays, whatever
    ``sklearn.set_config(transform_output=...)`` says; `set_output` of the pipeline raises an error.

    Parameters
    ----------
    normalize : FaceNormalizer or None, default=None
        None is ``FaceNormalizer()``.
    augment : FaceAugmenter or None, default=None
        None is ``FaceAugmenter()``.
    verbose : bool, default=False
        Whether the Pipeline prints the time of each step. For the progress bar of the classifier
        use ``set_params(classify__verbose=1)``.
    **classifier_params
        Parameters of `FERClassifier`.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Parameters are reached as ``augment__rotation``, ``classify__learning_rate``.

    Raises
    ------
    TypeError
        If `normalize` or `augment` is a text.

    Examples
    --------
    >>> from fer_sklearn import make_fer_pipeline
    >>> pipeline = make_fer_pipeline(max_epochs=5).set_params(augment__rotation=5.0)
    >>> [name for name, step in pipeline.steps]
    ['normalize', 'augment', 'classify']
    """
    classifier = FERClassifier(normalize="upstream", augment="upstream", **classifier_params)
    steps = [
        ("normalize", FaceNormalizer() if normalize is None else normalize),
        ("augment", FaceAugmenter() if augment is None else augment),
        ("classify", classifier),
    ]
    for name, step in steps[:2]:
        if isinstance(step, str):  # which the parameter of FERClassifier may be
            raise TypeError(f"Expected {name} to be {_EXAMPLES[name]}, got {step!r}.")
    return Pipeline(steps, verbose=verbose)
