"""What a fit shows while it runs."""

import pytest
from helpers import small_classifier
from skorch.callbacks import Callback

from fer_sklearn.training._progress import Progress


def test_verbose_shows_loss_accuracy_and_time_left(faces, capsys):
    clf = small_classifier(verbose=2, early_stopping=True).fit(faces.data, faces.target)
    shown = "".join(capsys.readouterr())
    assert "epoch 3/3" in shown
    assert "loss" in shown
    last = {name: values[-1] for name, values in clf.history_.items()}
    assert f"accuracy {last['train_accuracy']:.3f}, " in shown  # the unit of `score`
    assert f"validation {last['valid_accuracy']:.3f}, " in shown
    assert "<" in shown  # tqdm's time left
    small_classifier(max_epochs=1).fit(faces.data, faces.target)
    assert not "".join(capsys.readouterr())


def test_a_fit_that_cannot_begin_closes_its_bar(faces):
    """tqdm would put the next bar a line below one that is open."""

    class Refuse(Callback):
        def on_train_begin(self, net, **kwargs):
            self.bars = [part.bar_ for _, part in net.callbacks_ if isinstance(part, Progress)]
            raise RuntimeError("refused")

    refuse = Refuse()
    with pytest.raises(RuntimeError, match="refused"):
        small_classifier(verbose=1, callbacks=[refuse]).fit(faces.data, faces.target)
    assert [bar.disable for bar in refuse.bars] == [True]
