"""`FERClassifier`: the scikit-learn contract over a network and its training."""

from __future__ import annotations

import copy
import inspect
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import joblib
import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from . import training
from ._callbacks import CallbackSupportMixin, has_callbacks, open_context, with_callbacks
from ._device import resolve_device, resolve_device_or_cpu
from ._images import MIN_FACE_PIXELS, as_rows, infer_image_shape, match_pixel_range
from ._labels import (
    check_shares,
    drop_weightless,
    encode_labels,
    find_classes,
    make_batch_weights,
    make_loss_weights,
)
from ._pretrained import Pretrained, read_pretrained, write_pretrained
from ._state import described, pack_state, unpack_state
from .augment import FaceAugmenter, RandomFlip
from .networks import build_network, default_params
from .normalize import FaceNormalizer

#: Torch objects: rebuilt from the weights, or dropped, when pickled.
_NOT_STORED = ("_model", "_kept", "_device")
#: The usual learning rate of a network that is trained already, over that of a fresh one.
FINE_TUNING_RATE = 0.2
#: Parameters that a fit does not depend on.
_SILENT = {"verbose", "callbacks", "checkpoint", "predict_augment", "logit_adjustment"}


class FERClassifier(ClassifierMixin, CallbackSupportMixin, BaseEstimator):
    """Convolutional network that classifies faces by their expression.

    Faces are normalised, augmented (in training only, freshly for every batch) and
    classified by a network on the device; see the user guide for how the parts work
    together. Nothing in it is specific to seven emotions or to 48 x 48 pixels.

    Parameters
    ----------
    network : {"resnet", "cnn"}, nn.Module class or callable, default="resnet"
        A name from `fer_sklearn.networks.NETWORKS`, or what to call as
        ``network(n_classes=..., image_shape=..., **network_params)`` to get a module
        that maps (B, 1, H, W) to logits.
    widths : sequence of int or None, default=None
        Channels of each stage of the network. None, here and for the next two:
        the network's own default.
    depth : int or None, default=None
        Convolutions ("cnn") or residual units ("resnet") a stage.
    dropout : float or None, default=None
        Share of features dropped before the fully connected layers.
    network_params : dict or None, default=None
        Further arguments of the network, such as ``{"activation": "relu"}`` for "resnet".
    pretrained : str, path-like or None, default=None
        Start from trained weights instead of random ones (fine-tuning): a file of
        `save_pretrained`, or the name of a network that comes with the package. Then
        the file says which network, and how faces are normalised if `normalize` is None.
        Labels that the file does not know get fresh weights in the last layer.
    freeze : int, default=0
        Stages of the network, from the first, whose weights stay as they are. A network of
        your own states them as its attribute `stages`, a list of modules.
    normalize : FaceNormalizer, "upstream" or None, default=None
        None is ``FaceNormalizer()``. "upstream": X is normalised already, its values
        are taken as they are.
    augment : FaceAugmenter, "upstream", "off" or None, default=None
        None is what the `FaceAugmenter` that X went through says, and
        ``FaceAugmenter()`` if it went through none. "upstream": as None, but X must
        have gone through one. "off": no augmentation. Rows of fewer than 64 values
        are no faces and are never augmented.
    class_balance : {"oversample"} or None, default=None
        "oversample" repeats the faces of smaller classes in every epoch until each
        class is as large as the largest, every repetition augmented differently.
    class_weight : dict, "balanced" or None, default=None
        Factors of the loss by class, as in scikit-learn.
    optimizer : {"muon", "adam", "adamw", "sgd"}, default="muon"
        "muon" orthogonalises the steps of convolutions and leaves the rest to Adam
        (Jordan et al., 2024); "sgd" has Nesterov momentum .9. "muon" holds filters at unit
        norm, which batch norm makes up for: a network of your own without it, trained by another
        optimiser, should go on with that one.
    learning_rate : float or None, default=None
        Its peak, where a schedule moves it. None is the optimiser's own: .03 for "muon",
        2e-3 for "adam" and "adamw", .05 for "sgd"; a fifth of it with `pretrained`.
    weight_decay : float, default=1e-4
        Added to the gradient ("adam", "sgd") or decoupled from it ("adamw"; with "muon", of the
        linear layers alone: filters have unit norm).
    schedule : {"one-cycle", "cosine", "plateau", "step"} or None, default="one-cycle"
        - "one-cycle": up to the peak in the first 30 %, then down to nothing.
        - "cosine": from the peak down to nothing.
        - "plateau": times .3 when validation accuracy has not risen for more than 3 epochs.
        - "step": times .1 after each third of the epochs.
        - None: constant.
    label_smoothing : float, default=0.1
        Share of each target that is spread over all classes, in [0, 1).
    mixup : float, default=0.0
        Strength of mixup, alpha (Zhang et al., 2018): training faces are blended with
        another one each, and so are their labels; .2 to 1 suits long trainings. 0 is none.
    plain_fraction : float, default=0.0
        Share of `max_epochs`, at the end, without mixup and erasing, in [0, 1]; above 0 it is
        one epoch at least.
    batch_size : int or "auto", default="auto"
        Largest number of faces a step; an epoch is split evenly, and never into steps of one
        face (of an odd number in twos, one step has three). "auto" is 128, and less for fewer
        than 2560 faces, so that an epoch has 20 steps, but at least 16.
    max_epochs : int, default=16
        Passes over the training data.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last `fit`.
    early_stopping : bool, default=False
        Whether to stop when accuracy on faces set aside has not risen for
        `n_iter_no_change` epochs; the best weights are restored.
    validation_fraction : float, default=0.1
        Share of X set aside, stratified, if `early_stopping` or "plateau" need it
        and `fit` is given no `X_val`.
    n_iter_no_change : int, default=10
        Patience of `early_stopping` in epochs.
    image_shape : tuple of (int, int) or None, default=None
        Height and width of the faces, for flat rows that are not square.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What convolutions multiply in. "auto" trains in bfloat16 where the machine is
        faster at it, and predicts in float32, so that a stored classifier answers alike
        on every machine. "bfloat16" predicts in it too, except the features of `FaceEmbedder`; may
        be changed after `fit`.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" is a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Decides weights, order, augmentation and the faces set aside. The same int on
        the same machine gives the same classifier to the bit.
    predict_augment : {"auto", "flip", "ten-crop"} or None, default="auto"
        Views of a face whose log-probabilities are averaged; may be changed after `fit`.

        - "flip": the face and its mirror image, in twice the time.
        - "ten-crop": these two, and both moved by a 24th of the side towards each corner
          (2 pixels of 48), in ten times the time.
        - "auto": "flip" if training mirrored faces too, else None.
        - None: the face itself.
    logit_adjustment : float, default=0.0
        Times the logarithm of each class's share of the training, taken off its logit
        in prediction (Menon et al., "Long-tail learning via logit adjustment", 2021): rare
        classes are found more often. 1 answers as if all were equally frequent; 0 is
        none; may be changed after `fit`. Weights and oversampling change the shares: after
        ``class_balance="oversample"`` they are equal, and there is nothing to take off.
    checkpoint : str, path-like or None, default=None
        File that `fit` writes after every epoch and deletes at its end. A fit that was
        killed, started again with the same data and parameters, goes on from it to the
        same result. Needs an int as `random_state`, and no `warm_start`. Load only files of
        your own. A path serves one fit at a time: leave it None in searches.
    callbacks : list of skorch callbacks or None, default=None
        Told of every epoch and batch. "train_loss", "train_acc", "valid_loss",
        "valid_acc" and "lr" are in the net's history.
    verbose : int, default=0
        1 shows a progress bar with loss, accuracy and time left; 2 adds one line
        an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    class_count_ : ndarray of shape (n_classes,)
        Faces of each class that were trained on.
    n_features_in_ : int
        Pixels a face.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, where X had them.
    image_shape_ : tuple of (int, int)
        Height and width of the faces.
    n_iter_ : int
        Epochs run.
    history_ : dict of {str: list}
        One entry an epoch: "train_loss", "train_accuracy" (of augmented faces),
        "learning_rate", "seconds" and, with validation faces, "valid_loss" and
        "valid_accuracy", NaN in epochs of a fit without any.
        ``pd.DataFrame(clf.history_)`` is a table of it.
    best_validation_score_ : float or None
        Highest validation accuracy of an epoch; None without validation faces.
    normalizer_ : FaceNormalizer or None
        Fitted; None if `normalize` is "upstream".

    See Also
    --------
    make_fer_pipeline : The same as three steps of a scikit-learn Pipeline.

    Notes
    -----
    `sample_weight` and `class_weight` are scaled to mean 1 over the training data and
    multiply each face's loss; a face of weight 0 is left out. A fit that is stopped by
    Ctrl-C or by an error leaves the classifier as it was before.

    Examples
    --------
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> faces = make_faces(300, random_state=0)
    >>> clf = FERClassifier(widths=(16, 32), max_epochs=8, random_state=0)
    >>> clf = clf.fit(faces.data, faces.target)
    >>> clf.predict_proba(faces.data[:2]).shape
    (2, 7)
    """

    _parameter_constraints = {
        "network": [str, callable],
        "widths": ["array-like", None],
        "depth": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), None],
        "network_params": [dict, None],
        "pretrained": [str, PathLike, None],
        "freeze": [Interval(Integral, 0, None, closed="left")],
        "normalize": [FaceNormalizer, StrOptions({"upstream"}), None],
        "augment": [FaceAugmenter, StrOptions({"upstream", "off"}), None],
        "class_balance": [StrOptions({"oversample"}), None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "optimizer": [StrOptions(set(training.OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions(set(training.SCHEDULES)), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "plain_fraction": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "image_shape": [tuple, list, None],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str],
        "random_state": ["random_state"],
        "predict_augment": [StrOptions({"auto", *filter(None, training.VIEWS)}), None],
        "logit_adjustment": [Interval(Real, 0, None, closed="left")],
        "checkpoint": [str, PathLike, None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    #: The net that `partial_fit` goes on with, and all that it was built from.
    _kept = (None, None)
    #: Whether training mirrored faces; pickles older than `predict_augment` lack it.
    _mirrored = False

    def __init__(
        self,
        network="resnet",
        *,
        widths=None,
        depth=None,
        dropout=None,
        network_params=None,
        pretrained=None,
        freeze=0,
        normalize=None,
        augment=None,
        class_balance=None,
        class_weight=None,
        optimizer="muon",
        learning_rate=None,
        weight_decay=1e-4,
        schedule="one-cycle",
        label_smoothing=0.1,
        mixup=0.0,
        plain_fraction=0.0,
        batch_size="auto",
        max_epochs=16,
        warm_start=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        image_shape=None,
        precision="auto",
        device="auto",
        random_state=None,
        predict_augment="auto",
        logit_adjustment=0.0,
        checkpoint=None,
        callbacks=None,
        verbose=0,
    ):
        self.network = network
        self.widths = widths
        self.depth = depth
        self.dropout = dropout
        self.network_params = network_params
        self.pretrained = pretrained
        self.freeze = freeze
        self.normalize = normalize
        self.augment = augment
        self.class_balance = class_balance
        self.class_weight = class_weight
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.mixup = mixup
        self.plain_fraction = plain_fraction
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.image_shape = image_shape
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.predict_augment = predict_augment
        self.logit_adjustment = logit_adjustment
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, label_distribution=None, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
            Faces; RGB is turned to gray. uint8 or numbers in [0, 255], or floats in
            [0, 1]; `FaceNormalizer(pixel_range=...)` states another range.
        y : array-like of shape (n_samples,)
            Labels of any type.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Factors of each face's loss.
        label_distribution : array-like of shape (n_samples, n_classes) or None, default=None
            How much of each class a face shows, as votes or shares, in the order of the sorted
            labels; the network learns these shares instead of `y` (Barsoum et al., 2016). `y`
            still says which class counts as right.
        X_val, y_val : array-like or None, default=None
            Validation faces and labels, shaped as X and y; then none are set aside from X.

        Returns
        -------
        self : FERClassifier

        Raises
        ------
        ValueError
            Before any training, if X, y or a parameter cannot be used; during it, if
            the loss is no longer finite.
        TypeError
            If the network does not take a parameter.
        FileNotFoundError
            If `pretrained` names neither a file nor a network that comes with the package.
        """
        context = open_context(self, X=X, y=y, max_subtasks=self.max_epochs)
        with _unchanged_on_failure(self):
            self._validate_params()
            device = resolve_device(self.device)
            going_on = self.warm_start and hasattr(self, "_model")
            if not going_on:
                vars(self).pop("classes_", None)
            rows, y, codes = self._check_training_data(X, y, reset=not going_on)
            weights = make_loss_weights(y, sample_weight, self.class_weight)
            seed = self._draw_seed()
            shares = check_shares(label_distribution, len(rows), len(self.classes_))
            kept, held_out = self._split(codes, weights, seed, X_val)
            start = None if going_on else self._read_pretrained()
            self._settle_normalizer(rows, kept, start, going_on)
            faces = self._faces(rows, device, codes, weights, kept, shares)
            valid = self._validation_faces(rows, codes, held_out, X_val, y_val, device)
            settings = self._settings(
                self._training_seed(seed, going_on),
                len(faces),
                checkpoint=self._checkpoint(X, y, weights, shares, X_val, y_val, start),
            )
            if has_callbacks(self):
                settings.callbacks.append(self._tell_of_epochs(context, X, y, device, going_on))
            with training.global_state_preserved(device):
                model = self._new_model(X, settings.seed, device, going_on, start)
                net = training.make_net(model, settings, device)
                training.train(net, faces, valid, settings)
            self.class_count_ = self._count(codes[kept])
            self._class_totals = self._total(codes, weights, kept, shares)
            vars(self).update(self._results(net, device, going_on))
            self._kept = (None, None)
        if context is not None:
            context.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes=lambda: dict(vars(self))
            )
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch on a batch of faces, at a constant learning rate.

        The optimiser's state lasts from call to call, until `fit` or a pickle. It starts afresh
        where a parameter of the training, other than `batch_size`, has changed since the last call.

        Parameters
        ----------
        X, y : as in `fit`
            The pixel range and the mean of the normaliser are those of the first call.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that will ever come; required in the first call.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Factors of each face's loss. Unlike those of `fit` they are not scaled to a mean of
            1, so that they mean the same in every batch.

        Returns
        -------
        self : FERClassifier

        Raises
        ------
        ValueError
            If X, y or a parameter cannot be used, `classes` lacks a label, or parameters ask
            for another network than the fitted one.
        """
        with _unchanged_on_failure(self):
            self._validate_params()
            if self.class_weight == "balanced":
                raise ValueError(
                    "class_weight='balanced' needs all labels at once; pass a dict to "
                    "partial_fit, e.g. from sklearn.utils.class_weight.compute_class_weight."
                )
            device = resolve_device(self.device)
            going_on = hasattr(self, "_model")
            if _check_partial_fit_first_call(self, classes):
                find_classes(self.classes_, "classes")
            rows, y, codes = self._check_training_data(X, y, reset=not going_on)
            weights = make_batch_weights(codes, self.classes_, sample_weight, self.class_weight)
            kept = np.arange(len(rows)) if weights is None else np.flatnonzero(weights > 0)
            if not len(kept):
                if going_on:
                    return self  # there is nothing to learn from
                raise ValueError("The first batch needs a face of a weight above 0.")
            start = None if going_on else self._read_pretrained()
            self._settle_normalizer(rows, kept, start, going_on)
            faces = self._faces(rows, device, codes, weights, kept)
            settings = self._settings(
                self._training_seed(self._draw_seed(), going_on),
                len(faces),
                epochs=1,
                schedule=None,
                plain_fraction=0.0,
                patience=None,
            )
            network = self._network_recipe(going_on, start)
            made_from = settings, device, self._augmenter(X).get_params(), network
            net = None
            if made_from == self._kept[1]:
                net = copy.deepcopy(self._kept[0])  # the old one stays on failure
                net.batch_size = settings.batch_size
            with training.global_state_preserved(device):
                if net is None:
                    model = self._new_model(X, settings.seed, device, going_on, start)
                    net = training.make_net(model, settings, device)
                training.train(net, faces, None, settings)
            self._class_totals = self._known_totals() + self._total(codes, weights, kept)
            self.class_count_ = self._count(codes[kept]) + getattr(self, "class_count_", 0)
            vars(self).update(self._results(net, device, going_on))
            self._kept = net, made_from
        return self

    def decision_function(self, X):
        """Compute the logits of each face.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, that of ``classes_[1]`` less that of ``classes_[0]``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X):
        """Estimate the probability of each expression.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X):
        """Estimate the logarithm of the probability of each expression.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        return log_softmax(self._logits(X), axis=1)

    def predict(self, X):
        """Predict the expression of each face.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        labels : ndarray of shape (n_samples,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]

    # -- what comes in ------------------------------------------------------------

    def _check_faces(self, X, y="no_validation", *, reset):
        """Return rows (and labels); `reset` learns their shape, else it is compared."""
        rows, image_shape = as_rows(X)
        if not reset:
            self._refuse_single_face(rows, image_shape)
        checked = validate_data(self, rows, y, reset=reset)
        rows = checked if isinstance(y, str) else checked[0]
        if reset:
            stated = self.image_shape if image_shape is None else image_shape
            self.image_shape_ = infer_image_shape(rows.shape[1], stated)
        elif image_shape is not None and image_shape != self.image_shape_:
            raise ValueError(
                f"Expected faces of {self.image_shape_} pixels (height, width), got {image_shape}."
            )
        return checked

    def _refuse_single_face(self, rows, image_shape):
        """Raise if one face came where several are expected."""
        shape = rows.shape if image_shape is None else (len(rows), *image_shape)
        single = [(*self.image_shape_, *channels) for channels in ((), (1,), (3,))]
        if shape in single and rows.shape[1] != self.n_features_in_:
            raise ValueError(f"Expected several faces, got one of shape {shape}. Pass X[None].")

    def _check_training_data(self, X, y, *, reset):
        rows, y = self._check_faces(X, y, reset=reset)
        check_classification_targets(y)
        if reset and not hasattr(self, "classes_"):
            self.classes_ = find_classes(y)
        way_out = "Name all of them in the first partial_fit, or fit anew."
        return rows, y, encode_labels(y, self.classes_, way_out)

    def _validation_faces(self, rows, codes, index, X_val, y_val, device):
        """Return the faces to validate on: those given, or those set aside, or None."""
        if (X_val is None) != (y_val is None):
            came, lacks = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"{came} came without {lacks}: pass both or neither.")
        if X_val is not None:
            rows, y = self._check_faces(X_val, y_val, reset=False)
            way_out = "Leave their faces out of X_val and y_val, or fit on such faces too."
            codes, index = encode_labels(y, self.classes_, way_out), np.arange(len(rows))
        return self._faces(rows, device, codes, index=index) if len(index) else None

    def _split(self, codes, weights, seed, X_val):
        """Return the rows to train on and the rows set aside."""
        kept = drop_weightless(np.arange(len(codes)), weights, codes)
        held_out = np.arange(0)
        if X_val is None and (self.early_stopping or self.schedule == "plateau"):
            options = {"test_size": self.validation_fraction, "random_state": seed}
            try:
                kept, held_out = train_test_split(kept, stratify=codes[kept], **options)
            except ValueError as error:
                raise ValueError(
                    f"Of {len(kept)} faces {self.validation_fraction:.0%} cannot be set aside for "
                    "validation so that each class is on both sides. Raise validation_fraction, "
                    "bring more faces of the rarest class, or pass X_val and y_val to fit."
                ) from error
        return kept, held_out

    def _settle_normalizer(self, rows, kept, start, going_on):
        """Fit a normaliser; a training that goes on keeps the one that it has."""
        if going_on:
            self._check_normalizer_stays()
        else:
            self._fit_normalizer(rows, kept, start)

    def _fit_normalizer(self, rows, kept, start):
        self.normalizer_ = None
        if self.normalize == "upstream":
            return
        stored = None if self.normalize is not None or start is None else start.normalization
        normalizer = FaceNormalizer() if self.normalize is None else clone(self.normalize)
        if stored is not None:
            normalizer.method = stored["method"]
        self.normalizer_ = normalizer.fit_rows(rows, kept)
        if stored is not None:
            self.normalizer_.mean_, self.normalizer_.scale_ = stored["mean"], stored["scale"]

    def _check_normalizer_stays(self):
        """Raise if the parameters ask for another method than that of the fitted network."""
        if self.normalize is None and (self.pretrained is not None or self.normalizer_ is None):
            return
        fitted = "upstream" if self.normalizer_ is None else self.normalizer_.method
        stated = FaceNormalizer() if self.normalize is None else self.normalize
        stated = getattr(stated, "method", stated)
        if stated != fitted:
            raise ValueError(
                f"The fitted network has faces normalised by {fitted!r}, the parameters now say "
                f"{stated!r}: training cannot go on. Set normalize back, or fit with "
                "warm_start=False."
            )

    def _adopt_normalizer(self, start):
        """Take the normaliser of a file, with the pixel range of `normalize`."""
        stored = start.normalization
        stated = FaceNormalizer(stored["method"]) if self.normalize is None else self.normalize
        if getattr(stated, "method", stated) != stored["method"]:
            raise ValueError(
                f"The pretrained network normalises faces by method {stored['method']!r}, got "
                f"normalize={stated!r}. Leave normalize at None, or state the pixel range alone: "
                f"FaceNormalizer({stored['method']!r}, pixel_range=(black, white))."
            )
        black = np.uint8(0) if stated.pixel_range == "auto" else min(stated.pixel_range)
        self._fit_normalizer(np.full((1, self.n_features_in_), black), [0], start)
        self.normalizer_.mean_, self.normalizer_.scale_ = stored["mean"], stored["scale"]

    def _count(self, codes):
        return np.bincount(codes, minlength=len(self.classes_))

    def _total(self, codes, weights, index, shares=None):
        """Return how much of each class is trained on: faces, times weights and repetitions."""
        codes = codes[index]
        amounts = np.ones(len(index)) if weights is None else weights[index].astype(np.float64)
        if self.class_balance == "oversample":
            counts = self._count(codes)
            amounts *= counts.max() / counts[codes]
        if shares is None:
            return np.bincount(codes, amounts, minlength=len(self.classes_))
        return amounts @ shares[index]

    def _known_totals(self):
        """Return those of the fits so far; of an older file, the faces of each class."""
        return getattr(self, "_class_totals", getattr(self, "class_count_", 0))

    def _faces(self, rows, device, codes=None, weights=None, index=None, shares=None):
        pixel_range = None
        if self.normalizer_ is not None:
            pixel_range = match_pixel_range(rows, self.normalizer_.pixel_range_)
        images = rows.reshape(-1, *self.image_shape_)
        return training.Faces(
            images, codes, weights, index, shares=shares, pixel_range=pixel_range, device=device
        )

    # -- the network --------------------------------------------------------------

    def _draw_seed(self):
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _training_seed(self, seed, going_on):
        """Return `seed`; for a training that goes on, another one, or all would draw alike."""
        epochs = self.n_iter_ if going_on else 0
        return int(np.random.default_rng([seed, epochs]).integers(2**31 - 1)) if epochs else seed

    def _checkpoint(self, X, *data):
        """Return what writes and reads `checkpoint`, or None."""
        if self.checkpoint is None:
            return None
        if self.warm_start or not isinstance(self.random_state, Integral):
            raise ValueError(
                "checkpoint needs random_state to be an int and warm_start=False, or the fit could "
                f"not be repeated; got random_state={self.random_state!r}, "
                f"warm_start={self.warm_start}."
            )
        augment = self._augmenter(X).get_params()  # X may carry it, which its hash ignores
        parts = described(self, _SILENT), augment, X, data
        fingerprint = joblib.hash(parts, coerce_mmap=True)  # a memory map is the same data
        return training.Checkpoint(Path(self.checkpoint), fingerprint)

    def _settings(self, seed, n_faces, **changes):
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = min(128, max(16, n_faces // 20))
        settings = training.Settings(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate or self._usual_learning_rate(),
            freeze=self.freeze,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            label_smoothing=self.label_smoothing,
            mixup=self.mixup,
            plain_fraction=self.plain_fraction,
            batch_size=batch_size,
            epochs=self.max_epochs,
            oversample=self.class_balance == "oversample",
            patience=self.n_iter_no_change if self.early_stopping else None,
            precision=self.precision,
            seed=seed,
            verbose=int(self.verbose),
            callbacks=list(self.callbacks or []),
        )
        return replace(settings, **changes)

    def _usual_learning_rate(self):
        rate = training.LEARNING_RATES[self.optimizer]
        return rate if self.pretrained is None else rate * FINE_TUNING_RATE

    def _network_params(self):
        stated = {"widths": self.widths, "depth": self.depth, "dropout": self.dropout}
        params = {name: value for name, value in stated.items() if value is not None}
        return _plain_widths({**params, **(self.network_params or {})})

    def _read_pretrained(self):
        """Return what `pretrained` names, or None."""
        if self.pretrained is None:
            return None
        start = read_pretrained(self.pretrained)
        start.check(self.network, self._network_params(), self.image_shape_)
        return start

    def _network_recipe(self, going_on, start):
        own = self._network_params()
        if start is not None:
            own = {**start.network_params, **own}
        elif going_on and self.pretrained is not None:
            own = {**self._recipe["params"], **own}
        return {"network": self.network, "params": own}

    def _new_model(self, X, seed, device, going_on, start=None):
        """Build the model to train; one that goes on starts from the fitted weights."""
        recipe = self._network_recipe(going_on, start)
        if going_on and recipe != self._recipe:
            raise ValueError(
                f"The fitted network is {self._recipe}, the parameters now say {recipe}: "
                "training cannot go on. Set them back, or fit with warm_start=False."
            )
        self._recipe = recipe
        augment = self._augmenter(X).make_layers()
        model = training.build_seeded(lambda: self._assemble(augment), seed, device)
        if going_on:
            model.network.load_state_dict(self._model.network.state_dict())
        elif start is not None:
            weights = start.weights
            if self.classes_.tolist() != start.classes:
                fresh = _to_arrays(model.network.state_dict())
                last_layer = self._weights_of_last_layer(model.network)
                weights = start.weights_for(self.classes_, fresh, last_layer)
            model.network.load_state_dict(_to_tensors(weights))
        return model

    def _augmenter(self, X):
        """Return the augmenter to use: this parameter's, else the one that X went through."""
        if getattr(self, "n_features_in_", MIN_FACE_PIXELS) < MIN_FACE_PIXELS:  # no faces
            return FaceAugmenter.off()
        if isinstance(self.augment, FaceAugmenter):
            return self.augment
        if self.augment == "off":
            return FaceAugmenter.off()
        marked = getattr(X, "augmenter", None)
        if marked is None and self.augment == "upstream":
            raise ValueError(
                "augment='upstream' expects faces that come straight from a FaceAugmenter, got "
                f"a {type(X).__name__} without its settings: a step in between, "
                "Pipeline(memory=...) or pandas output has dropped them, and training would "
                "silently go without augmentation. Put the FaceAugmenter right before the "
                "classifier, or pass it as FERClassifier(augment=FaceAugmenter(...))."
            )
        return FaceAugmenter() if marked is None else marked

    def _assemble(self, augment):
        normalize = nn.Identity() if self.normalizer_ is None else self.normalizer_.make_layer()
        network = build_network(
            self._recipe["network"],
            n_classes=len(self.classes_),
            image_shape=self.image_shape_,
            **self._recipe["params"],
        )
        return training.FaceModel(normalize, augment, network)

    def _results(self, net, device, going_on):
        """Return the fitted attributes that a training has led to so far."""
        epochs = training.epoch_table(net)
        if going_on:
            epochs = _append_epochs(self.history_, epochs)
        scores = [score for score in epochs.get("valid_accuracy", []) if not np.isnan(score)]
        model = net.module_.eval()
        return {
            "history_": epochs,
            "n_iter_": len(epochs["train_loss"]),
            "best_validation_score_": max(scores, default=None),
            "_model": model,
            "_mirrored": any(isinstance(layer, RandomFlip) for layer in model.augment),
            "_device": device,
        }

    def _tell_of_epochs(self, context, X, y, device, going_on):
        """Return what tells scikit-learn's callbacks of every epoch, a task of the fit."""
        tasks = []

        def begin(net):
            tasks.append(context.subcontext("epoch"))
            tasks[-1].call_on_fit_task_begin(estimator=self, X=X, y=y)

        def end(net):
            return tasks[-1].call_on_fit_task_end(
                estimator=self,
                X=X,
                y=y,
                reconstruction_attributes=lambda: self._results(net, device, going_on),
            )

        return training.TellEpochs(begin, end)

    def _logits(self, X):
        """Logits in float64, (n_samples, n_classes)."""
        check_is_fitted(self)
        return self._logits_of(self._faces_to_predict(X))

    def _logits_of(self, faces):
        low = torch.bfloat16 if self.precision == "bfloat16" else None
        logits = training.predict_logits(self._model, faces, views=self._views(), low=low)
        return logits.astype(np.float64) - self._adjustment()

    def _adjustment(self):
        """Return what `logit_adjustment` takes off the logits, (n_classes,), or 0."""
        if not self.logit_adjustment:
            return 0.0
        if not hasattr(self, "class_count_"):
            raise ValueError(
                f"logit_adjustment={self.logit_adjustment} needs to know how many faces of each "
                "class were trained on, which this file of an older version does not say. Set "
                "`class_count_`, or logit_adjustment=0."
            )
        totals = self._known_totals()
        one_face = totals.sum() / self.class_count_.sum()
        share = np.maximum(totals, one_face) / totals.sum()
        return self.logit_adjustment * np.log(share)

    def _features(self, X):
        """Input of the last linear layer in float32, (n_samples, n_features)."""
        check_is_fitted(self)
        return training.predict_features(
            self._model, self._faces_to_predict(X), views=self._views()
        )

    def _n_features_of_last_layer(self):
        return self._last_layer(self._model.network)[1].in_features

    def _last_layer(self, network):
        """Return the name of the layer that answers with the logits, and the layer."""
        name, layer = training.last_linear(network)
        if layer.out_features != len(self.classes_):
            raise ValueError(
                f"Expected the last nn.Linear of {type(network).__name__} to be the one that gives "
                f"the {len(self.classes_)} logits, got {name!r} with {layer.out_features} outputs. "
                "Create that layer after all others in the network's __init__."
            )
        return name, layer

    def _weights_of_last_layer(self, network):
        """Return their names in the state of the network."""
        name, layer = self._last_layer(network)
        return [f"{name}.{part}" for part in layer.state_dict()]

    def _faces_to_predict(self, X):
        return self._faces(self._check_faces(X, reset=False), self._device)

    def _views(self):
        if self.predict_augment == "auto":
            return "flip" if self._mirrored else None
        return self.predict_augment

    # -- storage ------------------------------------------------------------------

    @classmethod
    def from_pretrained(cls, source="fer2013", **params):
        """Return a classifier that is fitted already.

        Its `fit` and `partial_fit` go on from there with the faces that they get: it is
        ``FERClassifier(pretrained=source)`` with the fitted attributes of the file.

        Parameters
        ----------
        source : str or path-like, default="fer2013"
            The name of a network that comes with the package (`docs/model-card.md` says
            what "fer2013" is), or a file of `save_pretrained`. Nothing is fetched from
            a network.
        **params
            Parameters of `FERClassifier`. Of `normalize` the pixel range alone is used, until
            `fit`; the rest is the file's.

        Returns
        -------
        classifier : FERClassifier
            Fitted. It takes faces as bytes or numbers in [0, 255]; with
            ``normalize=FaceNormalizer(pixel_range=(0, 1))`` as bytes or numbers in [0, 1].

        Raises
        ------
        FileNotFoundError
            If there is neither such a name nor such a file.
        ValueError
            If the file is damaged, or `params` ask for another network, another method of
            normalisation, or a device that is not there.
        """
        start = read_pretrained(source)
        clf = cls(**{"network": start.network, "pretrained": source, **params})
        clf._validate_params()
        resolve_device(clf.device)
        start.check(clf.network, clf._network_params(), start.image_shape)
        clf._recipe = clf._network_recipe(False, start)
        clf.classes_ = np.array(start.classes)
        clf.image_shape_ = start.image_shape
        clf.n_features_in_ = start.image_shape[0] * start.image_shape[1]
        clf._adopt_normalizer(start)
        if start.class_count is not None:
            clf.class_count_ = np.array(start.class_count)
        if start.class_totals is not None:
            clf._class_totals = np.array(start.class_totals)
        clf.history_, clf.n_iter_, clf.best_validation_score_ = {}, 0, None
        clf._mirrored = start.mirrored
        clf.__setstate__(pack_state(vars(clf), start.weights))
        return clf

    def save_pretrained(self, path, *, note="", temperature=1.0):
        """Write the network as a file for `from_pretrained` and ``pretrained=``.

        Unlike a pickle it holds arrays and JSON only, so it is safe to load from anywhere,
        and it is half as large: filters are stored in half precision.

        Parameters
        ----------
        path : str or path-like
            Best ends in ``.npz``.
        note : str, default=""
            Stored beside: where the weights come from.
        temperature : float, default=1.0
            What logits are divided by in the file (Guo et al., 2017): its classifier predicts the
            same labels with other probabilities. The user guide, "Evaluation and calibration",
            says how to find it.

        Raises
        ------
        TypeError
            If the network was given as a class, not by a name of `fer_sklearn.networks.NETWORKS`.
        ValueError
            If a label is no str, int, float or bool, faces came normalised already, the
            temperature is not above 0, or it is not 1 and the network does not end in a linear
            layer; or if `path` is the name of a network that comes with the package.
        """
        check_is_fitted(self)
        if not temperature > 0:
            raise ValueError(f"temperature has to be a number above 0, got {temperature!r}.")
        known = hasattr(self, "class_count_")
        write_pretrained(
            path,
            Pretrained(
                network=self._recipe["network"],
                network_params=default_params(self._recipe["network"]) | self._recipe["params"],
                classes=self.classes_.tolist(),
                image_shape=self.image_shape_,
                normalization=self._normalization(),
                mirrored=self._mirrored,
                note=note,
                class_count=np.asarray(self.class_count_).tolist() if known else None,
                class_totals=self._known_totals().tolist() if known else None,
                weights=self._weights_at(temperature),
            ),
        )

    def _weights_at(self, temperature):
        weights = _to_arrays(self._model.network.state_dict())
        if temperature == 1:
            return weights
        for name in self._weights_of_last_layer(self._model.network):
            weights[name] = weights[name] / np.float32(temperature)
        return weights

    def _normalization(self):
        if self.normalizer_ is None:
            raise ValueError(
                "save_pretrained stores how faces are normalised, but this classifier was fitted "
                "with normalize='upstream'. Fit one with a FaceNormalizer of its own."
            )
        normalizer = self.normalizer_
        return {
            "method": normalizer.method,
            "mean": normalizer.mean_,
            "scale": normalizer.scale_,
        }

    def __getstate__(self):
        attributes = {key: value for key, value in vars(self).items() if key not in _NOT_STORED}
        weights = None
        if hasattr(self, "_model"):
            weights = _to_arrays(self._model.network.state_dict())
        return pack_state(attributes, weights)

    def __setstate__(self, state):
        attributes, weights = unpack_state(state, _defaults())
        vars(self).update(attributes)
        if weights is None:
            return
        self._recipe = {**self._recipe, "params": _plain_widths(self._recipe["params"])}
        self._model = training.build_aside(lambda: self._assemble(nn.Sequential()))
        self._model.network.load_state_dict(_to_tensors(weights))
        self._device = resolve_device_or_cpu(self.device)
        self._model.to(self._device, memory_format=torch.channels_last).eval()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


@contextmanager
def _unchanged_on_failure(estimator):
    """Give the estimator back its attributes if the block does not get to its end."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _append_epochs(before, new):
    """Join two histories; what one of them has not recorded is NaN in its epochs."""
    n_before, n_new = (len(next(iter(part.values()), [])) for part in (before, new))
    return {
        key: before.get(key, [np.nan] * n_before) + new.get(key, [np.nan] * n_new)
        for key in {**before, **new}
    }


def _plain_widths(params):
    """Return the parameters with widths as a tuple: a list is not equal, JSON knows no arrays."""
    widths = params.get("widths")
    return {**params, "widths": tuple(np.asarray(widths).tolist())} if np.ndim(widths) else params


def _to_arrays(state):
    return {name: tensor.cpu().numpy() for name, tensor in state.items()}


def _to_tensors(weights):
    return {name: torch.tensor(array) for name, array in weights.items()}


def _defaults():
    parameters = inspect.signature(FERClassifier).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}
