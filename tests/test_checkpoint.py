"""A fit that is killed goes on to the result it would have had."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from helpers import small_classifier
from skorch.callbacks import Callback
from torch import nn

from fer_sklearn import FaceAugmenter
from fer_sklearn.training import FaceNet, TellEpochs
from fer_sklearn.training._net import StopTraining


class KillInEpoch(Callback):
    """Stops in the middle of an epoch, as Ctrl-C would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch:
            raise KeyboardInterrupt


SETTINGS = {
    "muon": {},
    "adam": {"optimizer": "adam", "schedule": "cosine"},
    "sgd": {"optimizer": "sgd", "schedule": "step", "precision": "float32"},
    "constant": {"schedule": None, "class_balance": "oversample"},
    "cnn": {"network": "cnn", "augment": FaceAugmenter(erase=0.5)},
    "mixup": {"mixup": 0.4, "plain_fraction": 0.3, "augment": FaceAugmenter(erase=0.5)},
    "plateau": {"schedule": "plateau", "early_stopping": True, "n_iter_no_change": 3},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_killed_fit_goes_on_to_the_same_result(name, faces, tmp_path):
    params = {"max_epochs": 6, **SETTINGS[name]}
    whole = small_classifier(**params).fit(faces.data, faces.target)
    path = tmp_path / "runs" / "fit.checkpoint"
    for epoch in (3, 5):
        clf = small_classifier(**params, checkpoint=path, callbacks=[KillInEpoch(epoch)])
        if whole.n_iter_ >= epoch:
            with pytest.raises(KeyboardInterrupt):
                clf.fit(faces.data, faces.target)
            assert path.exists()
    resumed = small_classifier(**params, checkpoint=path).fit(faces.data, faces.target)
    np.testing.assert_array_equal(
        resumed.decision_function(faces.data), whole.decision_function(faces.data)
    )
    for key in set(whole.history_) - {"seconds"}:
        assert resumed.history_[key] == whole.history_[key]
    assert not path.exists()


def test_it_survives_kill_9(faces, tmp_path):
    path, data = tmp_path / "fit.checkpoint", tmp_path / "X.npz"
    np.savez(data, X=faces.data, y=faces.target)
    script = textwrap.dedent(f"""
        import os, sys, numpy as np
        from skorch.callbacks import Callback
        from fer_sklearn import FERClassifier

        class Kill(Callback):
            def on_batch_end(self, net, training=False, **kwargs):
                if training and len(net.history) == 3:
                    os.kill(os.getpid(), {int(signal.SIGKILL)})

        data = np.load({str(data)!r})
        FERClassifier(
            widths=(8, 16), max_epochs=4, batch_size=64, random_state=0,
            checkpoint={str(path)!r}, callbacks=[Kill()],
        ).fit(data["X"], data["y"])
    """)
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.exists()
    resumed = small_classifier(max_epochs=4, checkpoint=path).fit(faces.data, faces.target)
    whole = small_classifier(max_epochs=4).fit(faces.data, faces.target)
    np.testing.assert_array_equal(
        resumed.decision_function(faces.data), whole.decision_function(faces.data)
    )


def test_another_fits_checkpoint_is_refused(faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        small_classifier(checkpoint=path, callbacks=[KillInEpoch(2)]).fit(faces.data, faces.target)
    for clf, X in (
        (small_classifier(checkpoint=path, learning_rate=0.01), faces.data),
        (small_classifier(checkpoint=path), 255 - faces.data),
    ):
        with pytest.raises(ValueError, match=r"checkpoint of another fit: .* Delete it"):
            clf.fit(X, faces.target)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is no checkpoint that can be read"):
        small_classifier(checkpoint=path).fit(faces.data, faces.target)


def test_ctrl_c_while_it_is_written_is_no_wish_to_stop_early(faces, tmp_path, monkeypatch):
    """The fit ended as if it were complete, and deleted its checkpoint."""
    path = tmp_path / "fit.checkpoint"
    save, saved = torch.save, []

    def interrupted(state, part):
        save(state, part)
        saved.append(part)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    clf = small_classifier(max_epochs=4, early_stopping=True, checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(faces.data, faces.target)
    assert not hasattr(clf, "classes_")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    resumed = clf.fit(faces.data, faces.target)
    whole = small_classifier(max_epochs=4, early_stopping=True).fit(faces.data, faces.target)
    assert len(saved) == 5  # the first epoch was not repeated
    assert resumed.history_["train_loss"] == whole.history_["train_loss"]


def test_ctrl_c_while_scikit_learns_callbacks_are_told_is_no_wish_to_stop_early():
    def interrupted(net):
        raise KeyboardInterrupt

    net = FaceNet(nn.Identity(), criterion=nn.CrossEntropyLoss)
    for callback, stop in (
        (TellEpochs(None, interrupted), KeyboardInterrupt),
        (TellEpochs(None, lambda net: True), StopTraining),
    ):
        net.callbacks_ = [("ours", callback)]
        with pytest.raises(stop):
            net.notify("on_epoch_end")


def test_the_end_of_a_fit_leaves_nothing_of_a_kill_in_mid_write(faces, tmp_path):
    (tmp_path / f"fit.checkpoint.{16 * 'a'}.part").write_bytes(b"half")
    (tmp_path / "fit.checkpoint.part").write_bytes(b"another's")
    stop = TellEpochs(None, lambda net: True)  # comes before a checkpoint would be written
    clf = small_classifier(checkpoint=tmp_path / "fit.checkpoint", callbacks=[stop])
    assert clf.fit(faces.data, faces.target).n_iter_ == 1
    assert [file.name for file in tmp_path.iterdir()] == ["fit.checkpoint.part"]


def test_other_augmentation_or_start_weights_are_another_fit(faces, tmp_path):
    path, start = tmp_path / "fit.checkpoint", tmp_path / "start.npz"
    small_classifier(max_epochs=1).fit(faces.data, faces.target).save_pretrained(start)
    params = {"pretrained": start, "checkpoint": path, "augment": "upstream"}

    def kill(X):
        with pytest.raises(KeyboardInterrupt):
            small_classifier(**params, callbacks=[KillInEpoch(2)]).fit(X, faces.target)

    same, other = (FaceAugmenter(flip=flip).fit_transform(faces.data) for flip in (0.5, 0.0))
    kill(same)
    with pytest.raises(ValueError, match="checkpoint of another fit"):
        small_classifier(**params).fit(other, faces.target)
    kill(same)
    small_classifier(max_epochs=2).fit(faces.data, faces.target).save_pretrained(start)
    with pytest.raises(ValueError, match="checkpoint of another fit"):
        small_classifier(**params).fit(same, faces.target)


def test_a_fit_that_cannot_be_repeated_takes_no_checkpoint(faces, tmp_path):
    for params in ({"random_state": None}, {"warm_start": True}):
        clf = small_classifier(checkpoint=tmp_path / "c", **params)
        with pytest.raises(ValueError, match="random_state to be an int and warm_start=False"):
            clf.fit(faces.data, faces.target)
