"""Label a real face with the pretrained model; then train, evaluate, store and load a small one.

    python examples/quickstart.py

The face is NASA's portrait of an astronaut, which is included. The faces to train on are drawn by
`make_faces`. Nothing is downloaded, and the files stay in the folder ``--out``.
"""

import argparse
import os
from pathlib import Path

# The other imports are in the functions, so that the first lines are printed at once. This has to
# be set before torch is imported: the network is so small that a second thread only waits, for a
# long time on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

BEGIN = """\
This script labels a real face with the pretrained model. Then it trains a small classifier on drawn
faces, evaluates it, stores it and loads it again. That takes about a quarter of a minute, and about
a minute on a busy machine. Nothing is downloaded. The files will be in {out}{sep}
"""
END = """
What to do next
  Look at the photo:         {photo}
  Label faces in photos:     pip install -e ".[photos]"
                             fer-sklearn photos {photo} --out {table}
                             With a folder of your own photos it works in the same way.
  Use the classifier:        clf = joblib.load({stored!r}); clf.predict(faces)
                             It knows drawn faces only.
  Train on your own images:  docs/user_guide/train_your_own.md
  Know what a label means:   docs/user_guide/limits.md"""


def main():
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    photo, stored = args.out / "astronaut.png", args.out / "drawn_faces.joblib"
    print(BEGIN.format(out=args.out, sep=os.sep), flush=True)
    label_a_real_face(photo)
    X_test, y_test = train(args.faces, args.epochs, stored)
    use(stored, X_test[0], y_test[0])
    print(END.format(photo=photo, table=args.out / "table.csv", stored=stored.as_posix()))


def label_a_real_face(file):
    from PIL import Image

    from fer_sklearn import FERClassifier
    from fer_sklearn.datasets import load_sample_photo

    print("1. A real face and the pretrained model\n")
    photo = load_sample_photo()
    Image.fromarray(photo.image).save(file)
    clf = FERClassifier.from_pretrained("fer2013")
    faces = photo.face[None]  # one gray face, uint8, (1, 48, 48)
    show(clf.classes_, clf.predict_proba(faces)[0])
    print("\nThe label is what people would probably say who see the face, not what she feels.\n")


def train(n_faces, epochs, file):
    import joblib
    from sklearn.metrics import classification_report
    from sklearn.model_selection import train_test_split

    from fer_sklearn import FERClassifier
    from fer_sklearn.datasets import make_faces

    print("2. A classifier of your own: train it on drawn faces\n", flush=True)
    X, y = make_faces(n_faces, random_state=0, return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    clf = FERClassifier(widths=(16, 32, 64), max_epochs=epochs, random_state=0, verbose=1)
    clf.fit(X_train, y_train)

    print(f"\n3. Evaluate it on {len(X_test)} other drawn faces\n")
    print(classification_report(y_test, clf.predict(X_test), zero_division=0))
    joblib.dump(clf, file)
    return X_test, y_test


def use(file, face, drawn_as):
    import joblib

    print(f"4. Load it from {file} ({file.stat().st_size / 1e6:.1f} MB)")
    print(f"   and label one face, which was drawn as {drawn_as}\n")
    loaded = joblib.load(file)
    show(loaded.classes_, loaded.predict_proba(face[None])[0])


def show(classes, probabilities):
    """Print the probabilities as bars, the largest first."""
    for i in probabilities.argsort()[::-1]:
        share = probabilities[i]
        print(f"  {classes[i]:<8}  {share:>4.0%}  {'#' * round(50 * share)}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=2000, help="how many to draw (default: 2000)")
    parser.add_argument("--epochs", type=int, default=6, help="passes over them (default: 6)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs", "quickstart"),
        help="folder for the files (default: runs/quickstart)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
