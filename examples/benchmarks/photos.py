"""Faces of FER-2013 in pictures: how many are found, and how much accuracy cropping costs.

    OMP_NUM_THREADS=1 python examples/benchmarks/photos.py data/fer2013.csv --faces 1500

Faces of PublicTest, drawn by a seed, are enlarged to ``--sizes`` pixels and pasted into pictures
that are twice as large, whose borders are the same face, blurred. The largest face of each picture
is searched. For the faces that are found, the script prints the accuracy of the pretrained model on
the originals and on the crops, the share that gets the same label both times, the positions of the
eyes in pixels of 48 x 48, and the CPU time per picture. Then the pictures of the first size are
rotated by 30 degrees, and searched with squares that are rotated with the eyes and with squares
that are not. These pictures show no heads: faces in real photos are found more often.
"""

import time

import _study as study
import numpy as np
from PIL import Image, ImageFilter

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.photos import FaceFinder, find_faces

EYES = ("left_eye", "right_eye")


def main():
    args = parse_arguments()
    study.show_machine("numpy", "opencv-python-headless")
    X, y = draw(args)
    clf = FERClassifier.from_pretrained()
    upright, never = FaceFinder(max_faces=1), FaceFinder(max_faces=1, level=90)
    for size in args.sizes:
        show(f"{size} px", [picture(face, size) for face in X], X, y, clf, upright)
    turned = [picture(face, args.sizes[0]).rotate(30, Image.Resampling.BICUBIC) for face in X]
    show("turned by 30 degrees, levelled", turned, X, y, clf, upright)
    show("turned by 30 degrees, as it is", turned, X, y, clf, never)


def draw(args):
    """Return some faces of PublicTest and their labels."""
    X, y = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    index = np.random.default_rng(0).permutation(len(X))[: args.faces]
    return X[index], y[index]


def picture(face, size):
    """Return a face of `size` pixels in the middle of itself, twice as large and blurred."""
    image = Image.fromarray(face)
    border = image.resize((2 * size, 2 * size), Image.Resampling.BICUBIC)
    border = border.filter(ImageFilter.GaussianBlur(size / 6))
    border.paste(image.resize((size, size), Image.Resampling.BICUBIC), (size // 2, size // 2))
    return border


def show(name, pictures, X, y, clf, finder):
    """Print how many faces were found, and how they were labelled."""
    start = time.process_time()
    found = find_faces(pictures, finder=finder)
    seconds = time.process_time() - start
    has = found.frame.face.notna().to_numpy()
    print(f"{name}: {has.sum()} of {len(X)} found, {1000 * seconds / len(X):.0f} ms", end="")
    if not has.any():
        print(flush=True)
        return
    before, after = clf.predict(X[has]), clf.predict(found.data)
    eyes = np.column_stack([place(found.frame[has], eye) for eye in EYES]).mean(axis=0)
    print(
        f"; accuracy {(before == y[has]).mean():.4f} before, {(after == y[has]).mean():.4f} after; "
        f"same label {(before == after).mean():.4f}; eyes at {eyes.round(1).tolist()}",
        flush=True,
    )


def place(faces, eye):
    """Return the position of an eye in the crop, (n, 2); exact if the square is not rotated."""
    corner, at = faces[["x", "y"]].to_numpy(), faces[[f"{eye}_x", f"{eye}_y"]].to_numpy()
    return (at - corner) * 48 / faces[["width"]].to_numpy()


def parse_arguments():
    parser = study.make_parser(__doc__, "path")
    parser.add_argument("--faces", type=int, default=1500, help="of PublicTest")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 144], help="in pixels")
    return parser.parse_args()


if __name__ == "__main__":
    main()
