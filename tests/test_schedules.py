"""Optimisers, learning rates, and what ends a training."""

import numpy as np
import pytest
import torch
from helpers import small_classifier

from fer_sklearn.datasets import make_faces
from fer_sklearn.training import OPTIMIZERS, SCHEDULES, needs_validation
from fer_sklearn.training._epochs import PlainEnd
from fer_sklearn.training._optimizers import usual_learning_rate


@pytest.mark.parametrize("optimizer", ["muon", "adam", "adamw", "sgd"])
def test_every_optimizer_trains(optimizer, faces):
    clf = small_classifier(optimizer=optimizer, max_epochs=5).fit(faces.data, faces.target)
    losses = clf.history_["train_loss"]
    assert losses[-1] < losses[0]


def test_schedules_move_the_learning_rate(faces):
    def rates(schedule):
        clf = small_classifier(schedule=schedule, max_epochs=6, learning_rate=1e-3)
        return np.array(clf.fit(faces.data, faces.target).history_["learning_rate"])

    assert (rates(None) == 1e-3).all()
    assert rates("step").tolist() == pytest.approx([1e-3] * 2 + [1e-4] * 2 + [1e-5] * 2)
    assert (np.diff(rates("cosine")) < 0).all()
    one_cycle = rates("one-cycle")
    assert one_cycle.argmax() in (1, 2)
    assert one_cycle[-1] < 1e-4
    assert len(rates("plateau")) == 6


def test_plateau_follows_validation_accuracy(faces):
    """With labels that cannot be learned the rate has to fall."""
    y = np.random.default_rng(0).permutation(faces.target)
    clf = small_classifier(schedule="plateau", max_epochs=14, learning_rate=1e-3)
    clf.fit(faces.data, y)
    assert len(clf.history_["valid_accuracy"]) == 14
    assert clf.history_["learning_rate"][-1] < 1e-3


def test_early_stopping_restores_the_best_weights(faces):
    X, y = faces.data, faces.target
    X_val, y_val = make_faces(100, image_size=24, random_state=3, return_X_y=True)
    clf = small_classifier(
        early_stopping=True, n_iter_no_change=2, max_epochs=60, schedule=None, learning_rate=0.02,
        predict_augment=None,
    )  # fmt: skip
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    assert clf.n_iter_ < 60
    assert clf.history_["valid_accuracy"].index(clf.best_validation_score_) == clf.n_iter_ - 3
    assert clf.score(X_val, y_val) == clf.best_validation_score_


def test_a_short_training_has_a_plain_end_too():
    assert [PlainEnd(epochs, 0.1).start for epochs in (1, 4, 5, 20)] == [0, 3, 4, 18]


def test_validation_is_needed_where_it_decides_how_a_training_runs():
    assert [name for name in SCHEDULES if needs_validation(name, early_stopping=False)] == [
        "plateau"
    ]
    assert needs_validation(None, early_stopping=True)
    assert not needs_validation(None, early_stopping=False)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_may_be_asked_after_every_batch_of_the_training(name):
    """The last batch too: torch's one-cycle raises when it is asked once more than it knows of."""
    epochs, steps = 3, 5
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    policy, options, _ = SCHEDULES[name]
    options = options(0.1, epochs, epochs * steps + 1)
    by_batch = options.pop("step_every", "epoch") == "batch"
    options.pop("monitor", None)
    scheduler = policy(optimizer, **options)
    for _ in range(epochs * steps if by_batch else epochs):
        optimizer.step()
        scheduler.step(*([0.5] if name == "plateau" else []))
        assert 0 <= optimizer.param_groups[0]["lr"] <= 0.1


def test_fine_tuning_takes_a_fifth_of_the_usual_learning_rate():
    for name in OPTIMIZERS:
        usual, fine = (usual_learning_rate(name, fine_tuning=tuning) for tuning in (False, True))
        assert fine == pytest.approx(usual / 5)
