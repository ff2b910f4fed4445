"""A fit that is killed goes on to the result it would have had."""

import hashlib
import io
import pickle
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import numpy as np
import pytest
import torch
from helpers import small_classifier
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from fer_sklearn import FaceAugmenter
from fer_sklearn.training import Checkpoint, FaceNet, TellEpochs
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
    "plateau": {"schedule": "plateau", "early_stopping": True, "n_iter_no_change": 2},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_killed_fit_goes_on_to_the_same_result(name, faces, tmp_path):
    params = {"widths": (8,), "max_epochs": 4, **SETTINGS[name]}
    whole = small_classifier(**params).fit(faces.data, faces.target)
    path = tmp_path / "runs" / "fit.checkpoint"
    for epoch in (2, 4):
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
        from skorch.callbacks import Callback, EarlyStopping
        from fer_sklearn import FERClassifier

        class Kill(Callback):
            def on_batch_end(self, net, training=False, **kwargs):
                if training and len(net.history) == 3:
                    os.kill(os.getpid(), {int(signal.SIGKILL)})

        data = np.load({str(data)!r})
        FERClassifier(
            widths=(8, 16), max_epochs=4, batch_size=140, random_state=0,
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


def kill_in_second_epoch(path, faces, *callbacks, **params):
    callbacks = [*callbacks, KillInEpoch(2)]
    with pytest.raises(KeyboardInterrupt):
        small_classifier(checkpoint=path, callbacks=callbacks, **params).fit(
            faces.data, faces.target
        )


@pytest.fixture(scope="module")
def killed(faces, tmp_path_factory):
    """The bytes that a killed fit has left."""
    path = tmp_path_factory.mktemp("killed") / "fit.checkpoint"
    kill_in_second_epoch(path, faces)
    return path.read_bytes()


def repacked(content, **changes):
    """Return a checkpoint whose checksum is right."""
    title, _, state = content.split(b"\n", 2)
    state = torch.load(io.BytesIO(state), weights_only=True) | changes
    state = {key: value for key, value in state.items() if value is not None}
    file = io.BytesIO()
    torch.save(state, file)
    digest = hashlib.sha256(file.getvalue()).hexdigest().encode()
    return b"\n".join([title, digest, file.getvalue()])


@pytest.mark.parametrize("place", range(40))
def test_a_bit_that_has_changed_is_noticed(place, killed, faces, tmp_path):
    """77 of 200 such files led to another result without a word."""
    content, path = bytearray(killed), tmp_path / "fit.checkpoint"
    content[place * 3 if place < 20 else place * len(content) // 40] ^= 1 << place % 8
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged|is not a checkpoint|has format"):
        Checkpoint(path, "any").load()
    assert path.read_bytes() == content


class Stranger:
    """Says so in a file where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "x")


def test_a_checkpoint_runs_no_code(killed, tmp_path):
    path, traces = tmp_path / "fit.checkpoint", tmp_path / "ran"
    file = io.BytesIO()
    torch.save(Stranger(str(traces)), file)
    pickled = pickle.dumps(Stranger(str(traces)))
    for content in (file.getvalue(), pickled, repacked(killed, history=Stranger(str(traces)))):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Delete it to start from the first epoch"):
            Checkpoint(path, "any").load()
    assert not traces.exists()


def test_what_is_no_checkpoint_is_said_to_be_none(killed, tmp_path):
    path = tmp_path / "fit.checkpoint"
    for content, words in (
        (b"", "not a checkpoint that can be read"),
        (b"no checkpoint", "not a checkpoint that can be read"),
        (b"PK\3\4 what torch.save wrote", "has format 1 or 2, of an older fer_sklearn"),
        (killed.replace(b"format 3", b"format 4", 1), "has format 4; this .* reads format 3"),
        (killed[:-1], "damaged: its checksum does not match"),
        (killed[:50], "damaged: its checksum does not match"),
        (killed[:-1] + bytes([killed[-1] ^ 1]), "damaged: its checksum does not match"),
        (repacked(killed, order=None, draws=None), "lacks draws, order"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            Checkpoint(path, "any").load()
        assert str(path) in str(caught.value)
        assert path.read_bytes() == content


def test_a_state_that_does_not_fit_the_network_is_an_error_with_the_path(killed, faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    for changes in ({"module": {}}, {"optimizer": {}}, {"draws": 3}, {"global_draws": []}):
        path.write_bytes(repacked(killed, **changes))
        with pytest.raises(ValueError, match=r"(?s)not a checkpoint that can be read .* Delete it"):
            small_classifier(checkpoint=path).fit(faces.data, faces.target)


def unwritable(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file" / "fit.checkpoint"


@pytest.mark.parametrize("place", [unwritable, lambda tmp_path: tmp_path])
def test_a_place_that_cannot_be_written_is_named_before_any_training(place, faces, tmp_path):
    path, epochs = place(tmp_path), []
    told = TellEpochs(epochs.append, lambda net: None)
    with pytest.raises(OSError, match=re.escape(str(path))):
        small_classifier(checkpoint=path, callbacks=[told]).fit(faces.data, faces.target)
    assert not epochs


class Patient(EarlyStopping):
    """A user's callback with a state of its own."""

    def __init__(self, state):
        super().__init__(monitor="train_loss", patience=5)
        self.state = state

    def on_epoch_end(self, net, **kwargs):
        super().on_epoch_end(net, **kwargs)
        net.history.record("seen", np.float32(len(net.history)))
        self.own_ = self.state


def test_state_of_a_users_callback_is_kept_or_refused_when_it_is_written(faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    kept = {"a": [np.float64(1.5), (2, None)], "b": {"c"}, 3: torch.ones(2)}
    kill_in_second_epoch(path, faces, Patient(kept))
    patient = Patient({})
    small_classifier(checkpoint=path, callbacks=[patient]).fit(faces.data, faces.target)
    for state, kind in ((lambda: 0, "function"), (np.ones(2), "ndarray"), ({1: [Patient]}, "type")):
        clf = small_classifier(checkpoint=path, callbacks=[Patient(state)])
        with pytest.raises(TypeError, match=rf"cannot hold a {kind} \(Patient, 'own_'"):
            clf.fit(faces.data, faces.target)
        assert not path.exists()


def test_other_callbacks_that_decide_are_an_error_that_names_both(faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    kill_in_second_epoch(path, faces, Patient(0))
    clf = small_classifier(checkpoint=path)

    match = r"\['MoveRate', 'Patient'\] .* this fit has \['MoveRate'\]"
    with pytest.raises(ValueError, match=match):
        clf.fit(faces.data, faces.target)


def test_tensors_are_the_same_data_in_every_run(faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    X_val, params = [torch.tensor(face) for face in faces.data[:9]], {"widths": (8,)}
    for callbacks in ([KillInEpoch(2)], None):
        clf = small_classifier(**params, checkpoint=path, callbacks=callbacks)
        # A pickle of a tensor has its address in it.
        given = {"X_val": [face.clone() for face in X_val], "y_val": faces.target[:9]}
        with suppress(KeyboardInterrupt):
            clf.fit(torch.tensor(faces.data), faces.target, **given)
    assert clf.n_iter_ == 3
    assert not path.exists()


def test_another_fits_checkpoint_is_refused(faces, tmp_path):
    path = tmp_path / "fit.checkpoint"
    kill_in_second_epoch(path, faces)
    for clf, X in (
        (small_classifier(checkpoint=path, learning_rate=0.01), faces.data),
        (small_classifier(checkpoint=path), 255 - faces.data),
    ):
        with pytest.raises(ValueError, match=r"checkpoint of another fit: .* Delete it"):
            clf.fit(X, faces.target)


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
