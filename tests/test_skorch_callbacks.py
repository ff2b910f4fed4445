"""skorch's own callbacks: what they need is there, and what they record is kept."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_classifier
from sklearn.metrics import balanced_accuracy_score, log_loss
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    MlflowLogger,
    TensorBoard,
)

BALANCED = {"scoring": "balanced_accuracy", "lower_is_better": False, "name": "balanced"}


def fit(faces, *callbacks, valid=True, clf=None, **params):
    clf = small_classifier(max_epochs=3, predict_augment=None) if clf is None else clf
    clf.set_params(callbacks=list(callbacks), **params)
    given = {"X_val": faces.data[:70], "y_val": faces.target[:70]} if valid else {}
    return clf.fit(faces.data, faces.target, **given)


class Quits(Callback):
    """Ends a fit as Ctrl-C in an epoch does."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


# -- scores -------------------------------------------------------------------------


def test_scores_are_those_of_the_classifier_after_the_epoch(faces):
    clf = fit(faces, EpochScoring(**BALANCED), EpochScoring("neg_log_loss", name="nll"))
    X, y = faces.data[:70], faces.target[:70]
    assert clf.history_["balanced"][-1] == pytest.approx(balanced_accuracy_score(y, clf.predict(X)))
    nll = -log_loss(y, clf.predict_proba(X), labels=clf.classes_)
    assert clf.history_["nll"][-1] == pytest.approx(nll, abs=1e-2)
    table = pd.DataFrame(clf.history_)
    assert table["balanced"].tolist() == clf.history_["balanced"]
    assert {type(score) for score in clf.history_["balanced"]} == {float}
    assert clf.history_["balanced_best"][0] is True


def test_scores_of_batches_are_weighted_by_their_faces(faces):
    clf = fit(faces, BatchScoring("accuracy", name="in_batches"))
    assert clf.history_["in_batches"] == pytest.approx(clf.history_["valid_accuracy"])


def test_scores_last_over_warm_starts_and_are_nan_where_there_were_none(faces):
    clf = fit(faces, EpochScoring(**BALANCED), warm_start=True, max_epochs=2)
    first = clf.history_["balanced"]
    fit(faces, clf=clf)
    fit(faces, EpochScoring(**BALANCED), clf=clf)
    assert clf.history_["balanced"][:2] == first
    assert np.isnan(clf.history_["balanced"]).tolist() == [False] * 2 + [True] * 2 + [False] * 2
    assert {len(column) for column in clf.history_.values()} == {6}


def test_scores_of_partial_fit_are_kept(faces):
    on_train = EpochScoring("accuracy", on_train=True, name="on_train")
    clf = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    clf.set_params(callbacks=[on_train])
    for _ in range(2):
        clf.partial_fit(faces.data, faces.target)
    assert np.isnan(clf.history_["on_train"]).tolist() == [True, False, False]


def test_a_fit_that_was_killed_ends_with_the_scores_of_one_that_was_not(faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    whole = fit(faces, EpochScoring(**BALANCED), max_epochs=4)
    for epoch in (2, 4):
        with pytest.raises(KeyboardInterrupt):
            fit(faces, EpochScoring(**BALANCED), Quits(epoch), checkpoint=path, max_epochs=4)
    resumed = fit(faces, EpochScoring(**BALANCED), checkpoint=path, max_epochs=4)
    for column in ("balanced", "balanced_best", "valid_loss"):
        assert resumed.history_[column] == whole.history_[column]


def test_what_callbacks_record_does_not_replace_the_columns_of_the_package(faces):
    class Records(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("train_accuracy", -1.0)
            net.history.record("array", np.zeros(3))
            net.history.record("note", "late" if len(net.history) > 1 else None)

    history = fit(faces, Records()).history_
    assert min(history["train_accuracy"]) >= 0
    assert "array" not in history
    assert np.isnan(history["note"][0])
    assert history["note"][1:] == ["late", "late"]


# -- the best epoch -----------------------------------------------------------------


def test_the_best_epochs_are_marked_as_checkpoint_expects(faces, tmp_path):
    for monitor, column, sign in (
        ("valid_loss_best", "valid_loss", -1),
        ("valid_acc_best", "valid_accuracy", 1),
        ("train_loss_best", "train_loss", -1),
    ):
        clf = fit(faces, Checkpoint(monitor, dirname=tmp_path / monitor), max_epochs=5)
        scores = sign * np.array(clf.history_[column])
        best = [i == 0 or score > scores[:i].max() for i, score in enumerate(scores)]
        assert clf.history_["event_cp"] == best


class Forgets(Callback):
    """Loses what was learned, before the last of six epochs, whose steps are tiny."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 6:
            with torch.no_grad():
                for weights in net.module_.parameters():
                    weights.zero_()


def test_the_best_weights_are_loaded_and_all_epochs_stay_in_the_history(faces, tmp_path):
    keep = Checkpoint("valid_acc_best", dirname=tmp_path, load_best=True)
    clf = fit(faces, Forgets(), keep, learning_rate=0.2, max_epochs=6)
    assert clf.n_iter_ == len(clf.history_["train_loss"]) == 6
    best = max(clf.history_["valid_accuracy"])
    assert clf.history_["valid_accuracy"][-1] < best  # or the test shows nothing
    assert clf.score(faces.data[:70], faces.target[:70]) == best


# -- no validation faces ------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        EarlyStopping,
        lambda: EarlyStopping,
        lambda: ("named", EarlyStopping("valid_acc", lower_is_better=False)),
        Checkpoint,
        lambda: LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
    ],
    ids=["stopping", "class", "named", "checkpoint", "plateau"],
)
def test_a_score_of_faces_that_are_not_there_is_refused_before_training(make, faces):
    class NeverReached(Callback):
        def on_epoch_begin(self, net, **kwargs):
            raise AssertionError("training has started")

    said = r"monitors 'valid_\w+'.* fit\(X, y, X_val=\.\.\., y_val=\.\.\.\).*early_stopping=True"
    with pytest.raises(ValueError, match=said):
        fit(faces, NeverReached(), make(), valid=False)
    clf = small_classifier(callbacks=[make()])
    with pytest.raises(ValueError, match=said):
        clf.partial_fit(faces.data, faces.target, faces.target_names)


def test_with_early_stopping_of_the_package_there_are_faces_to_follow(faces):
    clf = fit(faces, EarlyStopping(patience=9), valid=False, early_stopping=True)
    assert clf.n_iter_ == 3


def test_a_score_that_nobody_records_is_named(faces):
    said = "EarlyStopping monitors 'balanced', .* they have .*valid_acc.* come before"
    with pytest.raises(ValueError, match=said):
        fit(faces, EarlyStopping("balanced"))
    with pytest.raises(ValueError, match=said):
        fit(faces, EarlyStopping("balanced"), EpochScoring(**BALANCED))
    fit(faces, EpochScoring(**BALANCED), EarlyStopping("balanced"))


def test_a_key_error_of_a_callbacks_own_stays_one(faces):
    class Broken(Callback):
        monitor = "train_loss"

        def on_epoch_end(self, net, **kwargs):
            {}["mine"]

    with pytest.raises(KeyError, match="mine"):
        fit(faces, Broken())


# -- loggers ------------------------------------------------------------------------


class Writer:
    """Takes what torch.utils.tensorboard.SummaryWriter takes."""

    def __init__(self):
        self.scalars, self.closed = {}, False

    def add_scalar(self, tag, scalar_value, global_step):
        self.scalars.setdefault(tag, []).append((global_step, scalar_value))

    def close(self):
        self.closed = True


def test_tensorboard_is_told_of_every_epoch(faces):
    writer = Writer()
    clf = fit(faces, EpochScoring(**BALANCED), TensorBoard(writer))
    for tag, column in (
        ("Loss/train_loss", "train_loss"),
        ("Loss/valid_acc", "valid_accuracy"),
        ("lr", "learning_rate"),
        ("balanced", "balanced"),
    ):
        assert writer.scalars[tag] == list(enumerate(clf.history_[column], 1))
    assert writer.closed


class Client:
    """Takes what mlflow.tracking.MlflowClient takes."""

    def __init__(self):
        self.metrics, self.artifacts, self.ended = {}, [], []

    def log_metric(self, run_id, key, value, step):
        self.metrics.setdefault((run_id, key), []).append((step, value))

    def log_artifact(self, run_id, path):
        self.artifacts.append((run_id, path.name, path.stat().st_size))

    def set_terminated(self, run_id):
        self.ended.append(run_id)


class Run:
    class info:  # noqa: N801, as mlflow calls it
        run_id = "seventh"


def test_mlflow_is_told_of_every_epoch_and_given_the_weights(faces):
    client = Client()
    clf = fit(faces, MlflowLogger(Run(), client))
    for key, column in (("train_loss", "train_loss"), ("valid_acc", "valid_accuracy")):
        assert client.metrics["seventh", key] == list(enumerate(clf.history_[column], 1))
    assert {name for _, name, size in client.artifacts if size} >= {"params.pth", "history.json"}
    assert client.ended == ["seventh"]
