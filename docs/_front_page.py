"""Draw the picture of the home page and the README: ``python docs/_front_page.py``.

Needs the extra "plot".
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_sample_photo
from fer_sklearn.explain import saliency_map

FILE = Path(__file__).parent / "_static" / "front_page.png"
BLUE, GRAY = "#1f5fa8", "#8c8c8c"


def main():
    photo = load_sample_photo()
    clf = FERClassifier.from_pretrained("fer2013")
    faces = photo.face[None]
    probabilities = dict(zip(clf.classes_, clf.predict_proba(faces)[0], strict=True))
    figure, axes = plt.subplot_mosaic(
        [["photo", "heat"], ["photo", "bars"]],
        figsize=(6.4, 3.75),
        width_ratios=[1.6, 1],
        height_ratios=[1, 1.1],
        layout="constrained",
    )
    label = max(probabilities, key=probabilities.get)
    draw_photo(axes["photo"], photo, f"{label} {probabilities[label]:.0%}")
    draw_heat(axes["heat"], photo.face, saliency_map(clf, faces)[0], label)
    draw_bars(axes["bars"], probabilities)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    # 256 colours make the file a third as large.
    Image.fromarray(pixels).quantize(256).save(FILE, optimize=True)
    print(f"{FILE}: {FILE.stat().st_size / 1000:.0f} kB, {pixels.shape[1]} x {pixels.shape[0]}")


def draw_photo(ax, photo, words):
    x, y, width, height = photo.box
    ax.imshow(photo.image)
    ax.add_patch(plt.Rectangle((x, y), width, height, fill=False, color=BLUE, lw=3))
    sign = {"color": "white", "size": 15, "weight": "bold", "bbox": {"color": BLUE, "pad": 3}}
    ax.text(x, y - 12, words, **sign)
    ax.set_axis_off()


def draw_heat(ax, face, heat, label):
    ax.imshow(face, cmap="gray")
    ax.imshow(heat, cmap="inferno", alpha=0.5)
    ax.set_title(f"what speaks for {label}", size=13)
    ax.set_axis_off()


def draw_bars(ax, probabilities):
    names = sorted(probabilities, key=probabilities.get)
    shares = [probabilities[name] for name in names]
    ax.barh(names, shares, color=[GRAY] * (len(names) - 1) + [BLUE])
    ax.set(xlim=(0, 1), xticks=[])
    ax.tick_params("y", length=0, labelsize=13)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_title("probabilities", size=13)


if __name__ == "__main__":
    plt.rcParams["figure.dpi"] = 150
    main()
