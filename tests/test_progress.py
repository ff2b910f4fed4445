"""What a fit shows while it runs."""

from helpers import small_classifier


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
