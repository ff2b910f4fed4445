"""How fast accuracy falls on faces that are darker, brighter, blurred, noisy, rotated or covered.

    python examples/benchmarks/robustness.py data/fer2013.csv --plot runs/robustness.png

Trains two classifiers, with the default augmentation and with none, on Training, and evaluates
both, and the network that comes with the package, on the same faces of PublicTest, damaged in
nine ways at five strengths. All three average a face and its mirror image. Fits are kept in
``runs/``: a stopped run continues.
"""

import io

import _study as study
import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013

#: Name: the unit of the strengths, and the five strengths.
DAMAGES = {
    "darker": ("times the gray levels", (0.8, 0.6, 0.45, 0.3, 0.2)),
    "brighter": ("times the gray levels", (1.25, 1.6, 2, 2.5, 3)),
    "contrast": ("times the distance from the mean", (0.7, 0.5, 0.35, 0.2, 0.1)),
    "blur": ("sigma in pixels", (0.5, 1.0, 1.5, 2.0, 3.0)),
    "noise": ("sigma in gray levels", (5, 10, 20, 30, 45)),
    "jpeg": ("quality", (60, 30, 15, 8, 4)),
    "occlusion": ("side of a black square in pixels", (8, 12, 16, 20, 26)),
    "rotation": ("degrees", (5, 10, 20, 30, 45)),
    "down-sampling": ("pixels a side, of 48", (32, 24, 18, 14, 10)),
}


def main():
    parser = study.make_parser(__doc__, "path --folder --plot", widths=[48, 96, 192], epochs=6)
    parser.add_argument("--faces", type=int, default=1500, help="of PublicTest, at random")
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn")
    X, y = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    some = study.some_of(np.arange(len(X)), args.faces)
    X, y = X[some], y[some]
    rows = []
    for name, clf in classifiers(args).items():
        clean = clf.score(X, y)
        rows.append((name, "none", 0, "", clean))
        for damage, (_, strengths) in DAMAGES.items():
            for step, strength in enumerate(strengths, start=1):
                score = clf.score(damaged(X, damage, strength), y)
                rows.append((name, damage, step, strength, score))
            print(f"{name}: {damage} done", flush=True)
    table = pd.DataFrame(rows, columns=["classifier", "damage", "step", "strength", "accuracy"])
    show(table)
    if args.plot:
        plot(table, args.plot)


def classifiers(args):
    """Return {name: fitted classifier}."""
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    found = {"shipped": FERClassifier.from_pretrained("fer2013")}
    for name, augment in (("augmented", None), ("not augmented", "off")):
        clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
        clf.set_params(augment=augment)
        found[name] = study.fitted(clf, X, y, args.folder, f"robustness-{name}")
    return {name: clf.set_params(predict_augment="flip") for name, clf in found.items()}


def damaged(X, damage, strength):
    """Return the faces, uint8, with one kind of damage."""
    rng = np.random.default_rng(0)
    if damage in ("darker", "brighter"):
        return to_bytes(X * float(strength))  # by an int, bytes would wrap around
    if damage == "contrast":
        means = X.mean(axis=(1, 2), keepdims=True)
        return to_bytes(means + (X - means) * strength)
    if damage == "noise":
        return to_bytes(X + rng.normal(0, strength, X.shape))
    if damage == "occlusion":
        return occluded(X, strength, rng)
    change = {"blur": blurred, "jpeg": compressed, "rotation": rotated, "down-sampling": coarse}
    signs = rng.choice([-1, 1], len(X))
    return np.stack(
        [
            np.asarray(change[damage](Image.fromarray(face), strength, sign))
            for face, sign in zip(X, signs, strict=True)
        ]
    )


def to_bytes(X):
    return X.round().clip(0, 255).astype(np.uint8)


def occluded(X, side, rng):
    X = X.copy()
    for face in X:
        top, left = rng.integers(0, 48 - side + 1, 2)
        face[top : top + side, left : left + side] = 0
    return X


def blurred(image, sigma, sign):
    return image.filter(ImageFilter.GaussianBlur(sigma))


def compressed(image, quality, sign):
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(file).convert("L")


def rotated(image, degrees, sign):
    """Turn to either side; the corners repeat the face's mean."""
    fill = int(np.asarray(image).mean())
    return image.rotate(sign * degrees, Image.Resampling.BILINEAR, fillcolor=fill)


def coarse(image, side, sign):
    small = image.resize((side, side), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BILINEAR)


def show(table):
    clean = table[table["step"] == 0].set_index("classifier")["accuracy"]
    print(clean.to_string(float_format="{:.3f}".format))
    damage = table[table["step"] > 0]
    wide = damage.pivot_table(index=["damage", "strength"], columns="classifier", values="accuracy")
    order = pd.MultiIndex.from_tuples([(d, s) for d, (_, ss) in DAMAGES.items() for s in ss])
    print(wide.loc[order].to_string(float_format="{:.3f}".format))


def plot(table, path):
    """Draw accuracy over strength, a panel for each damage."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(9, 8), sharey=True, layout="constrained")
    for ax, (damage, (unit, strengths)) in zip(axes.flat, DAMAGES.items(), strict=True):
        for (name, rows), marker in zip(table.groupby("classifier"), "os^", strict=False):
            rows = rows[rows["damage"].isin(["none", damage])].sort_values("step")
            ax.plot(rows["step"], rows["accuracy"], marker=marker, label=name)
        ax.set(title=damage, xlabel=unit, xticks=range(6), xticklabels=["none", *strengths])
        ax.grid(alpha=0.3)
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    axes[0, 0].legend()
    study.save_small(figure, path)


if __name__ == "__main__":
    main()
