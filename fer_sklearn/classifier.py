"""`FERClassifier`: scikit-learn's interface to a network and its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from . import training
from ._answers import LogitsClassifierMixin
from ._callbacks import CallbackSupportMixin, epoch_tasks, fit_task, with_callbacks
from ._device import resolve_device, resolve_device_or_cpu
from ._forms import ARGUMENTS_OF_FIT_ELSEWHERE, PARAMETERS_ELSEWHERE, Interval, other_names
from ._globals import global_state_preserved
from ._images import rows_to_predict
from ._intake import TrainingFaces, split, take_in, take_in_batch
from ._labels import ClassTotals
from ._parts import check_params, with_parts
from ._pretrained import read_pretrained, write_pretrained
from ._start import FileStart, Start, choose_start, to_file
from ._state import defaults_of, pack_state, unchanged_on_failure, unpack_state
from ._teachers import take_teachers
from .augment import FaceAugmenter
from .model import VIEWS, FacePredictor, Faces, Recipe
from .networks import carried_networks
from .normalize import FaceNormalizer


class FERClassifier(LogitsClassifierMixin, CallbackSupportMixin, BaseEstimator):
    """Convolutional network that classifies faces by their expression.

    Faces are normalised, augmented (during training only, differently in every batch) and
    classified by a network on the device. The user guide says how the parts work together. The
    classifier works with any labels and any image size, not only seven emotions and 48 x 48 pixels.

    The parameters come in five groups:

    - Network: `network`, `widths`, `depth`, `dropout`, `network_params`, `pretrained`, `freeze`.
    - Data: `image_shape`, `normalize`, `augment`, `class_balance`, `class_weight`.
    - Training: `optimizer`, `learning_rate`, `weight_decay`, `schedule`, `label_smoothing`,
      `teacher_weight`, `mixup`, `plain_fraction`, `batch_size`, `max_epochs`, `warm_start`,
      `early_stopping`, `validation_fraction`, `n_iter_no_change`.
    - Prediction: `predict_augment`, `logit_adjustment`.
    - Running: `precision`, `device`, `random_state`, `checkpoint`, `callbacks`, `verbose`.

    Parameters
    ----------
    network : {"resnet", "cnn", "hybrid", "vit"}, nn.Module class or callable, default="resnet"
        A name from `fer_sklearn.networks.NETWORKS` ("hybrid" and "vit" are transformers, with and
        without convolutions before them), or a class or function. It is called as
        ``network(n_classes=..., image_shape=..., **network_params)`` and returns a module
        that maps (B, 1, H, W) to logits.
    widths : sequence of int or None, default=None
        Channels of each stage of the network. For `widths`, `depth` and `dropout`, None means the
        default of the network.
    depth : int or None, default=None
        Convolutions ("cnn") or residual units ("resnet") per stage; total number of transformer
        layers ("hybrid", "vit").
    dropout : float or None, default=None
        Share of features dropped before the fully connected layers.
    network_params : dict or None, default=None
        Further arguments of the network, such as ``{"activation": "relu"}`` for "resnet". One of
        them is set, and searched, as ``network_params__activation``.
    pretrained : str, path-like or None, default=None
        Start from trained weights instead of random ones (fine-tuning): a file of
        `save_pretrained`, or the name of a pretrained model of the package. The file then decides
        the network, and how faces are normalised if `normalize` is None. Labels that the file does
        not have get fresh weights in the last layer; a UserWarning says so if it has none of them.
        If the labels are the numbers 0 to K-1, and the file has K other labels, they are codes:
        positions in its sorted labels, as `VotingClassifier` and similar estimators pass them on. A
        UserWarning says which label each code stands for.
    freeze : int, default=0
        Number of stages, from the first, whose weights are not trained. A network of your own needs
        an attribute `stages`, a list of modules, for that.
    image_shape : tuple of (int, int) or None, default=None
        Height and width of the faces, for flat rows that are not square.
    normalize : FaceNormalizer, "upstream" or None, default=None
        None is ``FaceNormalizer()``. "upstream": X is normalised already, and its values are
        used unchanged.
    augment : FaceAugmenter, "upstream", "off" or None, default=None
        None uses the settings of the `FaceAugmenter` that X has passed through, or
        ``FaceAugmenter()`` if it has passed through none. "upstream": as None, but X must have
        passed through one. "off": no augmentation. Rows of fewer than 64 values
        are not faces and are never augmented.
    class_balance : {"oversample"} or None, default=None
        "oversample" repeats the faces of smaller classes in every epoch until each
        class is as large as the largest. Every repetition is augmented differently.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn. If y has codes of a file's labels
        (see `pretrained`), the keys are the codes or the labels.
    optimizer : {"muon", "adam", "adamw", "sgd"}, default="muon"
        "muon" orthogonalises the steps of convolutions and of matrices within a transformer, and
        trains the rest with Adam (Jordan et al., 2024); "sgd" has Nesterov momentum .9. "muon"
        keeps filters at unit norm, for which batch norm compensates. If your own network has no
        batch norm and was trained with another optimiser, continue with that one.
    learning_rate : float or None, default=None
        The highest learning rate, if a schedule changes it. None is the optimiser's own: .03 for
        "muon", 2e-3 for "adam" and "adamw", .05 for "sgd"; a fifth of that with `pretrained`.
    weight_decay : float, default=1e-4
        Added to the gradient ("adam", "sgd") or decoupled from it ("adamw"; with "muon", of the
        linear layers alone: filters have unit norm; .05 suits transformers).
    schedule : {"one-cycle", "cosine", "plateau", "step"} or None, default="one-cycle"
        - "one-cycle": up to the peak in the first 30 %, then down to zero.
        - "cosine": from the peak down to zero.
        - "plateau": times .3 when validation accuracy has not risen for more than 3 epochs.
        - "step": times .1 after each third of the epochs.
        - None: constant.
    label_smoothing : float, default=0.1
        Share of each target that is spread over all classes, in [0, 1).
    teacher_weight : float, default=0.5
        Share of the loss, in [0, 1], that is the divergence from the predictions of the teachers
        passed to `fit`; the rest is the loss on the labels. It has no effect without teachers.
    mixup : float, default=0.0
        Strength of mixup, alpha (Zhang et al., 2018): each training face is blended with another
        one, and so are their labels; .2 to 1 suits long trainings. 0 disables it.
    plain_fraction : float, default=0.0
        Share of `max_epochs`, in [0, 1], that is trained without mixup and erasing, at the end. If
        it is above 0, at least one epoch.
    batch_size : int or "auto", default="auto"
        Largest number of faces per step. An epoch is split evenly, and never into steps of one
        face (an odd number split into twos has one step of three). "auto" is 128. For fewer than
        2560 faces it is less, so that an epoch has 20 steps, but at least 16.
    max_epochs : int, default=16
        Passes over the training data.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last `fit`.
    early_stopping : bool, default=False
        Whether to stop when the accuracy on validation faces has not risen for
        `n_iter_no_change` epochs; the best weights are restored.
    validation_fraction : float, default=0.1
        Share of X set aside, stratified, if `early_stopping` or "plateau" need it
        and `fit` is given no `X_val`.
    n_iter_no_change : int, default=10
        Patience of `early_stopping` in epochs.
    predict_augment : {"auto", "flip", "blur", "scale", "affine", "ten-crop"} or None, \
            default="auto"
        Views of a face whose log-probabilities are averaged (test-time augmentation); may be
        changed after `fit`. A set of n views takes n times the time of one.

        - None: the face itself.
        - "flip": the face and its mirror image, 2 views.
        - "blur": the same two, softened by a Gaussian of half a pixel (of 48): 2 views. Faces
          that are warped in training are as soft; it helps networks that were trained for long.
        - "scale": the face, and both 7 % smaller and 7 % larger, each mirrored: 6 views.
        - "affine": "scale", and the face rotated by 6 degrees either way: 10 views.
        - "ten-crop": the face, and shifted by a 24th of the side towards each corner (2 pixels of
          48), each mirrored: 10 views.
        - "auto": what the file of `pretrained` says ("blur" for "fer2013"). Else "flip" if
          training mirrored faces too, None if it did not.
    logit_adjustment : float, default=0.0
        At prediction, this times the logarithm of each class's share of the training is subtracted
        from its logit (Menon et al., "Long-tail learning via logit adjustment", 2021), so that rare
        classes are predicted more often. 1 predicts as if all classes were equally frequent; 0
        changes nothing. May be changed after `fit`. Weights and oversampling change the shares:
        after ``class_balance="oversample"`` they are equal, and this has no effect.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number format of the convolutions. "auto" trains in bfloat16 if that is faster on this
        machine, and predicts in float32, so that a stored classifier gives the same answers on
        every machine. "bfloat16" predicts in it too, except the features of `FaceEmbedder`. May be
        changed after `fit`.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" is a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order, the augmentation and the faces set aside. The
        same int on the same machine gives the same classifier, bit for bit.
    checkpoint : str, path-like or None, default=None
        File that `fit` writes after every epoch and deletes at its end. A fit that was
        killed, and is started again with the same data and parameters, continues from it and ends
        with the same result. Needs an int as `random_state`, and no `warm_start`. Only one fit at a
        time can use a path: leave it None in searches. (`FERSearchCV` uses it for the last fit.)
    callbacks : list of skorch callbacks or None, default=None
        Called for every epoch and batch. "train_loss", "train_acc", "valid_loss", "valid_acc",
        whether each is the best so far ("valid_loss_best"), and "lr" are in the net's history.
    verbose : int, default=0
        1 shows a progress bar with loss, accuracy and time left; 2 adds one line
        per epoch. Predictions that take longer than three seconds have a bar too.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    class_count_ : ndarray of shape (n_classes,)
        Number of training faces of each class.
    n_features_in_ : int
        Pixels per face.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.
    image_shape_ : tuple of (int, int)
        Height and width of the faces.
    n_iter_ : int
        Epochs run.
    history_ : dict of {str: list}
        One entry per epoch: "train_loss", "train_accuracy" (of augmented faces),
        "learning_rate", "seconds" and, with validation faces, "valid_loss" and
        "valid_accuracy", NaN in epochs of a fit without any. Numbers and texts that callbacks
        record are kept under their own names.
        ``pd.DataFrame(clf.history_)`` is a table of it.
    best_validation_score_ : float or None
        Highest validation accuracy of an epoch; None without validation faces.
    normalizer_ : FaceNormalizer or None
        Fitted; None if `normalize` is "upstream".

    See Also
    --------
    make_fer_pipeline : The same as three steps of a scikit-learn Pipeline.
    preset : Values of these parameters that were chosen together.
    fer_sklearn.tuning.FERSearchCV : Searches for better ones.
    fer_sklearn.embedding.FaceEmbedder : The features of a fitted classifier.

    Notes
    -----
    `sample_weight` and `class_weight` are scaled to mean 1 over the training data and
    multiply each face's loss; a face of weight 0 is left out. If Ctrl-C or an error stops
    a fit, the classifier is the same as before.

    References
    ----------
    K. He et al., "Deep residual learning for image recognition", CVPR 2016: "resnet".

    Z. Dai et al., "CoAtNet: marrying convolution and attention for all data sizes", NeurIPS 2021:
    "hybrid".

    A. Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition at
    scale", ICLR 2021: "vit".

    K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015: "cnn".

    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.

    H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.

    A. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

    L. Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR
    2022: `teacher` of `fit`.

    E. Barsoum et al., "Training deep networks for facial expression recognition with
    crowd-sourced label distribution", ICMI 2016: `label_distribution` of `fit`.

    Examples
    --------
    Train on faces and labels of any kind:

    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> faces = make_faces(70, random_state=0)
    >>> clf = FERClassifier(widths=(16, 32), max_epochs=2, random_state=0)
    >>> clf = clf.fit(faces.data, faces.target)
    >>> clf.predict_proba(faces.data[:2]).shape
    (2, 7)

    Use the pretrained model, or train its last stages further on labels of your own:

    >>> FERClassifier.from_pretrained("fer2013").classes_.tolist()
    ['angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise']
    >>> clf = FERClassifier(pretrained="fer2013", freeze=2, max_epochs=3, random_state=0)

    Name the parameters of its parts with two underscores, as in every scikit-learn estimator:

    >>> from fer_sklearn import FaceAugmenter
    >>> clf = FERClassifier(augment=FaceAugmenter()).set_params(augment__rotation=20.0)
    """

    # Fitted attributes, for type checkers: they are set through `vars`.
    n_features_in_: int
    image_shape_: tuple[int, int]
    n_iter_: int
    history_: dict[str, list]
    best_validation_score_: float | None
    normalizer_: FaceNormalizer | None
    class_count_: np.ndarray

    _parameter_constraints = {
        "network": [str, callable],
        "widths": ["array-like", None],
        "depth": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), None],
        "network_params": [dict, None],
        "pretrained": [str, PathLike, None],
        "freeze": [Interval(Integral, 0, None, closed="left")],
        "image_shape": [tuple, list, None],
        "normalize": [FaceNormalizer, StrOptions({"upstream"}), None],
        "augment": [FaceAugmenter, StrOptions({"upstream", "off"}), None],
        "class_balance": [StrOptions({"oversample"}), None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "optimizer": [StrOptions(set(training.OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions(set(training.SCHEDULES)), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "teacher_weight": [Interval(Real, 0, 1, closed="both")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "plain_fraction": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "predict_augment": [StrOptions({"auto", *filter(None, VIEWS)}), None],
        "logit_adjustment": [Interval(Real, 0, None, closed="left")],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str],
        "random_state": ["random_state"],
        "checkpoint": [str, PathLike, None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    #: The trained network and all that its predictions need; None before `fit`.
    _predictor: FacePredictor = None  # type: ignore[assignment]
    #: The network and the state of its optimiser, with which `partial_fit` continues.
    _trainer: training.Trainer | None = None

    @other_names(PARAMETERS_ELSEWHERE)
    def __init__(
        self,
        network: str | Callable[..., Any] = "resnet",
        *,
        widths: Sequence[int] | None = None,
        depth: int | None = None,
        dropout: float | None = None,
        network_params: dict[str, Any] | None = None,
        pretrained: str | PathLike[str] | None = None,
        freeze: int = 0,
        image_shape: Sequence[int] | None = None,
        normalize: FaceNormalizer | str | None = None,
        augment: FaceAugmenter | str | None = None,
        class_balance: str | None = None,
        class_weight: dict[Any, Any] | str | None = None,
        optimizer: str = "muon",
        learning_rate: float | None = None,
        weight_decay: float = 1e-4,
        schedule: str | None = "one-cycle",
        label_smoothing: float = 0.1,
        teacher_weight: float = 0.5,
        mixup: float = 0.0,
        plain_fraction: float = 0.0,
        batch_size: int | str = "auto",
        max_epochs: int = 16,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        predict_augment: str | None = "auto",
        logit_adjustment: float = 0.0,
        precision: str = "auto",
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        checkpoint: str | PathLike[str] | None = None,
        callbacks: Sequence[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.widths = widths
        self.depth = depth
        self.dropout = dropout
        self.network_params = network_params
        self.pretrained = pretrained
        self.freeze = freeze
        self.image_shape = image_shape
        self.normalize = normalize
        self.augment = augment
        self.class_balance = class_balance
        self.class_weight = class_weight
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.teacher_weight = teacher_weight
        self.mixup = mixup
        self.plain_fraction = plain_fraction
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.predict_augment = predict_augment
        self.logit_adjustment = logit_adjustment
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.verbose = verbose

    @other_names(ARGUMENTS_OF_FIT_ELSEWHERE)
    @with_callbacks
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        label_distribution: ArrayLike | None = None,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        teacher: FERClassifier | Sequence[FERClassifier] | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
            Faces; RGB is converted to gray. uint8 or numbers in [0, 255], or floats in
            [0, 1]; `FaceNormalizer(pixel_range=...)` states another range. A list of Pillow
            images of one size works too.
        y : array-like of shape (n_samples,)
            Labels: texts or numbers, all of one kind. With `pretrained`, the labels 0 to K-1 may be
            codes: see there.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Factors of each face's loss.
        label_distribution : array-like of shape (n_samples, n_classes) or None, default=None
            How much of each class a face shows, as votes or shares, in the order of the sorted
            labels; a table whose columns are called as the labels may have them in any order. The
            network learns these shares instead of `y` (Barsoum et al., 2016). `y` still says which
            class counts as right.
        X_val, y_val : array-like or None, default=None
            Validation faces and labels, shaped as X and y. No faces are then set aside from X.
        teacher : FERClassifier, list of them or None, default=None
            Fitted, with the same labels and image shape (knowledge distillation). In every step
            one of them predicts the same batch that the network sees, augmented and blended
            (Beyer et al., 2022). The network learns these probabilities in addition to the labels;
            `teacher_weight` says how much. Teachers may have any network and are not changed. A
            teacher as large as this network makes an epoch a quarter to a third longer.

        Returns
        -------
        self : FERClassifier

        Raises
        ------
        NotFittedError
            If a teacher is not fitted.
        ValueError
            If X, y or a parameter cannot be used (before any training), or if the loss is no longer
            finite (during training).
        TypeError
            If the network does not take a parameter, an argument has another name here (the error
            names it), or a checkpoint cannot store the state of a callback.
        FileNotFoundError
            If `pretrained` names neither a file nor a pretrained model of the package.
        OSError
            Before any training, if `checkpoint` cannot be written.
        """
        with fit_task(self, X, y, max_subtasks=self.max_epochs) as task, unchanged_on_failure(self):
            check_params(self)
            # The start decides what is fixed before any face is read.
            fitted = self._predictor if self.warm_start else None
            start = choose_start(self, self._params(), fitted)
            data = take_in(self, X, y, sample_weight, label_distribution, start)
            # One draw per fit, whatever happens next: so a RandomState stays in step.
            seed = _draw_seed(self.random_state)
            train, valid = split(self, data, X_val, y_val, seed)
            teachers = take_teachers(teacher, predictor_of, data)
            given = X, data, (X_val, y_val), start.file, teachers
            checkpoint = training.checkpoint_of(self, *given)
            settings = self._settings(start, train, seed, checkpoint=checkpoint)
            # One block builds and trains, because a network's own dropout draws after its weights.
            with global_state_preserved(settings.device):
                predictor = start.predictor(train, settings.device, settings.seed)
                trainer = training.Trainer(predictor, settings, train, teachers=teachers)
                learned = partial(self._learned, start, train, trainer)
                told = [
                    training.TellEpochs(*pair) for pair in epoch_tasks(task, self, X, y, learned)
                ]
                trainer.train(train, valid, told)
            self.__dict__.update(learned(), _trainer=None)
        return self

    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on a batch of faces, at a constant learning rate.

        The optimiser's state is kept from call to call, until `fit` or a pickle. It is reset if a
        parameter of the training, other than `batch_size`, has changed since the last call.

        Parameters
        ----------
        X, y : as in `fit`
            The pixel range and the mean of the normaliser are those of the first call.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that any call will have; required in the first call.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Factors of each face's loss. Unlike those of `fit` they are not scaled to a mean of
            1, so that they mean the same in every batch.

        Returns
        -------
        self : FERClassifier

        Raises
        ------
        ValueError
            If X, y or a parameter cannot be used, `classes` lacks a label, or the parameters
            describe another network than the fitted one.
        """
        with unchanged_on_failure(self):
            check_params(self)
            start = choose_start(self, self._params(), self._predictor)
            data = take_in_batch(self, X, y, classes, sample_weight, start)
            if not len(data):  # all faces have weight 0
                return self
            settings = self._settings(start, data, _draw_seed(self.random_state)).for_one_epoch()
            with global_state_preserved(settings.device):
                # The last call's optimiser continues, unless a parameter of the training changed.
                trainer = self._trainer and self._trainer.continued(settings, data)
                if trainer is None:
                    trainer = training.Trainer(
                        start.predictor(data, settings.device, settings.seed), settings, data
                    )
                trainer.train(data)
            learned = self._learned(start, data, trainer, before=_totals_of(self))
            self.__dict__.update(learned, _trainer=trainer)
        return self

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of `augment`, `normalize` and the network.

        .. versionchanged:: 0.2
           Parameters of `augment` and `normalize` can be set if these are None, and single
           `network_params`.

        Parameters
        ----------
        **params
            As in scikit-learn: ``augment__rotation=5`` sets a parameter of `augment`. If `augment`
            is None, it becomes a `FaceAugmenter` first. If `normalize` is None, it becomes a
            `FaceNormalizer`, with the method of the pretrained network if there is one.
            ``network_params__heads=4`` sets one of `network_params`, in a new dict.

        Returns
        -------
        self : FERClassifier

        Raises
        ------
        ValueError
            If there is no such parameter, `augment` or `normalize` is a name, which has no
            parameters, or the network has no such argument.
        FileNotFoundError
            If a parameter of `normalize` is set and `pretrained` names no file.
        """
        return super().set_params(**with_parts(self, params))

    @classmethod
    def from_pretrained(cls, source: str | PathLike[str] = "fer2013", **params: Any) -> Self:
        """Return a pretrained classifier, which is fitted already.

        Its `fit` and `partial_fit` continue from its weights: it is
        ``FERClassifier(pretrained=source)`` with the fitted attributes of the file.

        Parameters
        ----------
        source : str or path-like, default="fer2013"
            The name of a pretrained model of the package (`docs/model-card.md` describes
            "fer2013" and "fer2013-small"), or a file of `save_pretrained`. Nothing is downloaded.
        **params
            Parameters of `FERClassifier`. Until `fit`, only the pixel range of `normalize` is used;
            the file decides the rest.

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
        file = read_pretrained(source)
        nested = {name: params.pop(name) for name in [*params] if "__" in name}
        clf = cls(**{"network": file.network, "pretrained": source, **params}).set_params(**nested)
        check_params(clf)
        start = FileStart(clf._params(), file)
        predictor = start.as_stored(resolve_device(clf.device))
        known = {"class_count_": file.class_count, "_class_totals": file.class_totals}
        clf.__dict__.update(
            {name: np.array(value) for name, value in known.items() if value is not None},
            _predictor=predictor,
            classes_=np.array(file.classes),
            image_shape_=file.image_shape,
            n_features_in_=file.image_shape[0] * file.image_shape[1],
            normalizer_=predictor.normalizer,
            history_={},
            n_iter_=0,
            best_validation_score_=None,
        )
        return clf

    def save_pretrained(
        self, path: str | PathLike[str], *, note: str = "", temperature: float = 1.0
    ) -> None:
        """Write the network as a file for `from_pretrained` and ``pretrained=``.

        Unlike a pickle, the file holds only arrays and JSON, so it is safe to load from anywhere.
        It is half as large, because filters are stored in half precision.

        Parameters
        ----------
        path : str or path-like
            Should end in ``.npz``.
        note : str, default=""
            Stored in the file, for example where the weights come from.
        temperature : float, default=1.0
            The logits of the file are divided by it (Guo et al., 2017): its classifier predicts the
            same labels with other probabilities. The user guide, "Evaluation and calibration",
            says how to find it.

        Raises
        ------
        TypeError
            If the network was given as a class, not by a name of `fer_sklearn.networks.NETWORKS`.
        ValueError
            If a label is not a str, int, float or bool, if the faces were normalised upstream, if
            the temperature is not above 0, if it is not 1 and the network does not end in a linear
            layer, if note and labels have more than a megabyte, or if `path` is the name of a
            pretrained model of the package.
        FileExistsError
            If `path` is a file that `save_pretrained` did not write.
        OSError
            If `path` cannot be written.
        """
        check_is_fitted(self)
        limits = np.finfo(np.float32)  # in which the weights are divided
        if not isinstance(temperature, Real) or not limits.tiny <= temperature <= limits.max:
            raise ValueError(f"temperature has to be a number above 0, got {temperature!r}.")
        _check_for_prediction(self)
        asked = self._predictor.asked(
            views=self.predict_augment, precision=self.precision, adjustment=0.0
        )
        file = to_file(asked, self.classes_, _totals_of(self), note=note, temperature=temperature)
        write_pretrained(path, file)

    def _params(self) -> dict:
        """Return all parameters; a subclass may fix some, which its `get_params` then lacks."""
        return {name: getattr(self, name) for name in defaults_of(FERClassifier)}

    def _settings(
        self, start: Start, data: TrainingFaces, seed: int, **others: Any
    ) -> training.Settings:
        return training.Settings.from_params(
            self._params(),
            n_faces=len(data),
            device=resolve_device(self.device),
            seed=start.seed(seed),
            **others,
        )

    def _learned(
        self,
        start: Start,
        data: TrainingFaces,
        trainer: training.Trainer,
        before: ClassTotals | None = None,
    ) -> dict[str, Any]:
        """Return the fitted attributes of a training so far."""
        epochs = start.join(trainer.epochs())
        scores = [score for score in epochs.get("valid_accuracy", []) if not np.isnan(score)]
        totals = data.totals(oversample=self.class_balance == "oversample")
        totals = totals if before is None else before + totals
        predictor = trainer.ready()
        return {
            "_predictor": predictor,
            "classes_": data.classes,
            "image_shape_": data.image_shape,
            "normalizer_": predictor.normalizer,
            "class_count_": totals.counts,
            "_class_totals": totals.amounts,
            "history_": epochs,
            "n_iter_": len(epochs["train_loss"]),
            "best_validation_score_": max(scores, default=None),
        }

    def _logits(self, X: Any) -> np.ndarray:
        """Logits in float64, (n_samples, n_classes)."""
        predictor, faces = asked_about(self, X)
        return predictor.logits(faces, self.verbose)

    def __getstate__(self) -> dict[str, Any]:
        attributes = dict(vars(self))
        attributes.pop("_trainer", None)
        predictor = attributes.pop("_predictor", None)
        if predictor is None:
            return pack_state(attributes, None, carried_networks(self.network))
        recipe = {"network": predictor.recipe.network, "params": predictor.recipe.params}
        attributes.update(
            _recipe=recipe, _mirrored=predictor.mirrored, _usual_views=predictor.usual_views
        )
        carried = carried_networks(self.network, predictor.recipe.network)
        return pack_state(attributes, predictor.weights(), carried)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A subclass may have defaults of its own, and fix other parameters.
        defaults = {**defaults_of(FERClassifier), **defaults_of(type(self))}
        attributes, weights = unpack_state(state, defaults)
        self.__dict__.update(attributes)
        if weights is None:
            return
        # Three attributes of the pickle are parts of the predictor; older pickles lack the last
        # one.
        recipe, mirrored = self.__dict__.pop("_recipe"), self.__dict__.pop("_mirrored")
        usual_views = self.__dict__.pop("_usual_views", "auto")
        self._predictor = FacePredictor.from_weights(
            Recipe(**recipe, n_classes=len(self.classes_), image_shape=self.image_shape_),
            self.normalizer_,
            weights,
            device=resolve_device_or_cpu(self.device),
            mirrored=mirrored,
            usual_views=usual_views,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def predictor_of(classifier: FERClassifier) -> FacePredictor:
    """Return the trained network with the present parameters of the classifier.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ValueError
        If a parameter of the prediction has been set to what `fit` would refuse.
    """
    if not isinstance(classifier, FERClassifier):
        raise TypeError(f"Expected a fitted FERClassifier, got a {type(classifier).__name__}.")
    check_is_fitted(classifier)
    _check_for_prediction(classifier)
    return classifier._predictor.asked(
        views=classifier.predict_augment,
        precision=classifier.precision,
        adjustment=_adjustment(classifier),
    )


def asked_about(classifier: FERClassifier, X: Any) -> tuple[FacePredictor, Faces]:
    """Return the trained network, and X in the form that it takes.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ValueError
        If the faces have another size, or values beyond the pixel range.
    """
    predictor = predictor_of(classifier)
    return predictor, predictor.faces(rows_to_predict(classifier, X))


def _check_for_prediction(classifier: FERClassifier) -> None:
    """Raise if one of the parameters that may be changed after `fit` cannot be used."""
    names = ("predict_augment", "logit_adjustment", "precision")
    validate_parameter_constraints(
        {name: FERClassifier._parameter_constraints[name] for name in names},
        {name: getattr(classifier, name) for name in names},
        caller_name="FERClassifier",
    )


def _adjustment(classifier: FERClassifier) -> np.ndarray | float:
    """Return what `logit_adjustment` subtracts from the logits, (n_classes,), or 0."""
    if not classifier.logit_adjustment:
        return 0.0
    totals = _totals_of(classifier)
    if totals is None:
        raise ValueError(
            f"logit_adjustment={classifier.logit_adjustment} needs to know how many faces of each "
            "class were trained on, which this file of an older version does not say. Set "
            "`class_count_`, or logit_adjustment=0."
        )
    return classifier.logit_adjustment * totals.log_shares()


def _totals_of(classifier: Any) -> ClassTotals | None:
    """Return what the classifier has been trained on so far, if known."""
    if not hasattr(classifier, "class_count_"):
        return None
    counts = classifier.class_count_
    # If `class_count_` was set by hand, or is from an older file, no weights are known.
    return ClassTotals(counts, getattr(classifier, "_class_totals", counts))


def _draw_seed(random_state: int | np.random.RandomState | None) -> int:
    return int(check_random_state(random_state).randint(2**31 - 1))
