"""
Resume a training from a checkpoint
===================================

With ``checkpoint="fit.checkpoint"``, `fit` writes a file after every epoch. If the process is
killed, start the same fit again: it continues after the last epoch, and ends with the same network
as if nothing had happened.
"""

# %%
# A fit that dies
# ---------------
# This callback simulates a power cut in the sixth epoch.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from skorch.callbacks import Callback

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces


class PowerCut(Callback):
    """Stop the fit with an error at the end of an epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 6:
            raise RuntimeError("power cut")


X, y = make_faces(400, image_size=24, noise=0.2, random_state=0, return_X_y=True)
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "fit.checkpoint"
params = {"widths": (8, 16), "max_epochs": 12, "random_state": 0}
try:
    FERClassifier(**params, checkpoint=file, callbacks=[PowerCut()]).fit(X, y)
except RuntimeError as error:
    print(f"{error}; left: {file.name}")

# %%
# The same fit again
# ------------------

resumed = FERClassifier(**params, checkpoint=file).fit(X, y)
print(f"{resumed.n_iter_} epochs; the checkpoint is there: {file.exists()}")
folder.cleanup()

# %%
# A fit that was never stopped ends with the same bits:

straight = FERClassifier(**params).fit(X, y)
print((straight.predict_proba(X) == resumed.predict_proba(X)).all())

# %%
# The history has all epochs, including those before the power cut.

# sphinx_gallery_alt = "Training accuracy by epoch; the curve continues where the first fit died"
accuracy = resumed.history_["train_accuracy"]
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(range(1, 6), accuracy[:5], marker="o", label="first fit")
ax.plot(range(6, 13), accuracy[5:], marker="o", label="second fit")
ax.axvline(5.5, color="gray", linestyle=":", label="power cut")
ax.set(xlabel="epoch", ylabel="training accuracy", ylim=(0, 1))
ax.legend()
