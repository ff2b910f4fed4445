"""Faces of FER-2013 in pictures: how many are found, and how much accuracy cropping costs.

    OMP_NUM_THREADS=1 python examples/benchmarks/photos.py data/fer2013.csv --faces 1500

Faces of PublicTest, drawn by a seed, are enlarged to ``--sizes`` pixels and pasted into pictures
that are twice as large, whose borders are the same face, blurred. The largest face of each picture
is searched. For the faces that are found, the script prints the accuracy of the pretrained model on
the originals and on the crops, the share that gets the same label both times, the positions of the
eyes in pixels of 48 x 48, and the CPU time per picture. Then the pictures of the first size are
rotated by 30 degrees, and searched with squares that are rotated with the eyes and with squares
that are not. These pictures show no heads: faces in real photos are found more often.

``--peers`` builds a folder instead: faces of PublicTest, ``--faces`` in all, two a photo, in
pictures of scikit-image, such pictures without faces, a portrait, the portrait as a phone stores it
that is held upright, and a file that is cut off. It is labelled by `analyze`, and by fer and
deepface where they are installed. For each, the script prints the CPU seconds, how many faces were
found and got the label of the data set, boxes that are not faces, and photos that raised an error.

``--video`` writes a video of that many minutes instead, 25 frames a second of ``--shape`` pixels
with one face each. The script prints the CPU time of its analysis at 5 looks a second, and the peak
memory after 1 minute, after half of it, and at its end.

``--speed`` writes as many JPEGs of 1,440 x 1,080 and of 4,320 x 3,240 pixels instead, each with one
face. The script prints the CPU time a photo of `analyze`, and of its parts, each apart: reading the
file, looking for the face, and labelling all faces in one batch. OpenCV and torch have one thread.

``--many`` writes as many photos instead, of 640 x 480 pixels: of 100, 90 with one face, 5 without,
and 5 that are cut off. The script prints the statuses in the table, the CPU time, and the peak
memory after a tenth, half and all of them.
"""

import resource
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import _study as study
import numpy as np
import pandas as pd
from PIL import ExifTags, Image, ImageFilter
from sklearn.base import BaseEstimator

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.photos import FaceFinder, analyze, analyze_video, find_faces
from fer_sklearn.photos._detector import find_boxes, model_file
from fer_sklearn.photos._reading import read_photo

EYES = ("left_eye", "right_eye")
#: Where the face of scikit-image's astronaut is: left, top and side in pixels.
PORTRAIT = (168, 62, 113)


def main():
    args = parse_arguments()
    study.show_machine("numpy", "opencv-python-headless")
    if args.video:
        return show_memory(args.video, *args.shape)
    if args.speed:
        return show_speed(args.speed)
    if args.many:
        return show_many(args.many)
    if args.peers:
        return compare(*draw(args))
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
    lost = 1.0 * (before == y[has]) - (after == y[has])
    eyes = np.column_stack([place(found.frame[has], eye) for eye in EYES]).mean(axis=0)
    print(
        f"; accuracy {(before == y[has]).mean():.4f} before, {(after == y[has]).mean():.4f} after, "
        f"{lost.mean():.4f} lost (standard error {lost.std() / len(lost) ** 0.5:.4f}); "
        f"same label {(before == after).mean():.4f}; eyes at {eyes.round(1).tolist()}",
        flush=True,
    )


def place(faces, eye):
    """Return the position of an eye in the crop, (n, 2); exact if the square is not rotated."""
    corner, at = faces[["x", "y"]].to_numpy(), faces[[f"{eye}_x", f"{eye}_y"]].to_numpy()
    return (at - corner) * 48 / faces[["width"]].to_numpy()


# The same folder through other packages


def compare(X, y):
    """Label one folder with each package that is here."""
    with tempfile.TemporaryDirectory() as folder:
        truth = build(Path(folder), X, y)
        photos = sorted(map(str, Path(folder).iterdir()))
        print(f"{len(photos)} photos, {len(truth)} faces")
        for name, package in (("fer_sklearn", None), ("fer", fer), ("deepface", deepface)):
            if package and find_spec(name) is None:
                print(f"{name}: not installed")
                continue
            try:
                label = package() if package else None
                start = time.process_time()
                boxes, n_errors = one_by_one(label, photos) if label else ours(photos)
                seconds = time.process_time() - start
            except Exception as error:  # weights that cannot be downloaded
                print(f"{name}: {type(error).__name__}: {str(error)[:300]}")
                continue
            print(f"{name}: {seconds:.1f} s of CPU; {judged(boxes, truth)}; {n_errors} errors")


def build(folder, X, y):
    """Write the folder, and return where its faces are: photo, left, top, side, label."""
    import skimage.data as pictures

    rng, truth = np.random.default_rng(0), []
    scenes = [getattr(pictures, name)() for name in ("rocket", "coffee", "coins", "brick", "moon")]
    scenes = [Image.fromarray(scene).convert("RGB").resize((960, 640)) for scene in scenes]
    for at, scene in enumerate(scenes):
        scene.save(folder / f"empty{at}.jpg", quality=92)
    for start in range(0, len(X) - 1, 2):
        scene, path = scenes[start // 2 % len(scenes)].copy(), folder / f"scene{start:04d}.jpg"
        for part in (0, 1):
            size = int(rng.integers(64, 161))
            left = part * 480 + int(rng.integers(0, 480 - 2 * size))
            top = int(rng.integers(0, 640 - 2 * size))
            scene.paste(picture(X[start + part], size), (left, top))
            where = (left + size // 2, top + size // 2, size)
            truth.append((str(path), *where, y[start + part]))
        scene.save(path, quality=92)
    portrait = Image.fromarray(pictures.astronaut())
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = portrait.transpose(Image.Transpose.ROTATE_90)
    portrait.save(folder / "portrait.jpg", quality=92)
    turned.save(folder / "phone.jpg", quality=92, exif=exif)
    content = (folder / "portrait.jpg").read_bytes()
    (folder / "cut_off.jpg").write_bytes(content[:1000])  # before the first pixel
    truth += [(str(folder / name), *PORTRAIT, "happy") for name in ("portrait.jpg", "phone.jpg")]
    return pd.DataFrame(truth, columns=["photo", "x", "y", "side", "label"])


def judged(boxes, truth):
    """Say how many faces have a box at their middle, and its label; boxes: photo, x, y, label."""
    found = right = 0
    for photo, faces in truth.groupby("photo"):
        here = boxes[boxes.photo == photo]
        for face in faces.itertuples():
            middle = face.x + face.side / 2, face.y + face.side / 2
            far = np.hypot(here.x - middle[0], here.y - middle[1])
            if len(far) and far.min() < face.side / 3:
                found += 1
                right += here.label[far.idxmin()] == face.label
    return f"{found} found, {right} of them labelled right; {len(boxes) - found} other boxes"


def ours(photos):
    frame = analyze(photos)
    faces = frame[frame.face.notna()]
    middle = {name: faces[name] + faces.width / 2 for name in "xy"}
    boxes = pd.DataFrame({"photo": faces.photo, **middle, "label": faces.label})
    return boxes, len(photos) - frame.photo.nunique()


def one_by_one(label, photos):
    """Label each photo; one that raises an error has no row."""
    rows, n_errors = [], 0
    for photo in photos:
        try:
            rows += [(photo, x + w / 2, y + h / 2, name) for x, y, w, h, name in label(photo)]
        except Exception:
            n_errors += 1
    return pd.DataFrame(rows, columns=["photo", "x", "y", "label"]), n_errors


def fer():
    """Return what labels a photo with fer; of tensorflow it needs the interpreter only."""
    if find_spec("tensorflow") is None:
        from ai_edge_litert import interpreter

        tensorflow, keras = ModuleType("tensorflow"), ModuleType("tensorflow.keras.models")
        tensorflow.lite, keras.load_model = interpreter, None
        sys.modules |= {"tensorflow": tensorflow, "tensorflow.keras": keras}
        sys.modules["tensorflow.keras.models"] = keras
    from fer.fer import FER

    detector = FER()

    def label(photo):
        for face in detector.detect_emotions(photo):
            yield (*face["box"], max(face["emotions"], key=face["emotions"].get))

    return label


def deepface():
    """Return what labels a photo with deepface; its weights have to be there."""
    from deepface import DeepFace

    DeepFace.build_model(task="facial_attribute", model_name="Emotion")

    def label(photo):
        for face in DeepFace.analyze(photo, actions=["emotion"], silent=True):
            where = face["region"]
            yield where["x"], where["y"], where["w"], where["h"], face["dominant_emotion"]

    return label


# Memory


class Watched(BaseEstimator):
    """The pretrained model; notes the peak memory, in MB, by the number of faces seen."""

    def __init__(self):
        self.classifier = FERClassifier.from_pretrained()
        self.classes_, self.n_faces, self.peaks = self.classifier.classes_, 0, {}

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        probabilities = self.classifier.predict_proba(X)
        self.n_faces += len(X)
        self.peaks[self.n_faces] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return probabilities

    def show_peaks(self, n_faces):
        """Print the peak memory after some numbers of faces."""
        for n in n_faces:
            seen = min((seen for seen in self.peaks if seen >= n), default=self.n_faces)
            print(f"peak memory after {seen} faces: {self.peaks[seen]:.0f} MB")


def show_memory(minutes, height, width):
    """Print time and peak memory of the analysis of a video in which there is always a face."""
    import cv2
    import skimage.data

    part = skimage.data.astronaut()[: 320 * height // width, 80:400, ::-1]
    face = cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "a.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
        for at in range(25 * 60 * minutes):
            writer.write(np.roll(face, at % 40, axis=1))
        writer.release()
        cv2.setNumThreads(1)
        watched = Watched()
        start = time.process_time()
        frame = analyze_video(path, watched, fps=5)
        seconds = time.process_time() - start
    print(
        f"{minutes} minutes: {len(frame)} looks, {frame.face.notna().sum()} faces, {seconds:.1f} s "
        f"of CPU, {60 * minutes / seconds:.1f} times real time"
    )
    watched.show_peaks([300, 150 * minutes, 300 * minutes])


# Speed


def show_speed(n_photos):
    """Print the CPU time of photos of one face, and of the parts of the work."""
    import cv2

    cv2.setNumThreads(1)
    clf = FERClassifier.from_pretrained()
    for side, face in ((1440, 150), (4320, 300), (4320, 60)):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{at}.jpg" for at in range(n_photos)]
            for at, path in enumerate(paths):
                scene(side, face, shift=at).save(path, quality=90)
            analyze(paths[0], clf)
            seconds, frame = cpu(analyze, paths, clf)
            parts = seconds_of_parts(paths, clf)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        whole, *parts = (f"{1000 * taken / n_photos:.0f} ms" for taken in (seconds, *parts))
        print(
            f"{side} pixels wide, face {face}: {frame.face.notna().sum()} of {n_photos} found, "
            f"{whole} a photo; read, look, label: {', '.join(parts)}; peak memory {peak:.0f} MB",
            flush=True,
        )


def seconds_of_parts(paths, clf):
    """Return how long it takes to read all photos, to look for faces, and to label these."""
    model, threshold = model_file(None), FaceFinder().threshold
    reading, photos = cpu(lambda: [read_photo(path) for path in paths])
    looking, _ = cpu(lambda: [find_boxes(photo.pixels, model, threshold) for photo in photos])
    labelling, _ = cpu(clf.predict_proba, find_faces(paths).data)
    return reading, looking, labelling


def cpu(function, *args):
    """Return the processor's time of a call, and what it returns."""
    start = time.process_time()
    result = function(*args)
    return time.process_time() - start, result


def scene(side, face, shift):
    """Return a photo, 4 by 3, in which a face is so many pixels wide."""
    import skimage.data

    rng = np.random.default_rng(shift)
    size = (side, side * 3 // 4)
    photo = Image.fromarray(skimage.data.coffee()).resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 4, (size[1], size[0], 1))  # as of a camera: it makes files large
    photo = Image.fromarray((np.asarray(photo) + grain).clip(0, 255).astype(np.uint8))
    portrait = Image.fromarray(skimage.data.astronaut())
    scale = face / 90
    portrait = portrait.resize([round(n * scale) for n in portrait.size], Image.Resampling.LANCZOS)
    photo.paste(portrait, (side // 3 + shift, side // 5))
    return photo


def show_many(n_photos):
    """Print statuses, time and peak memory of a folder in which a tenth has no face."""
    with tempfile.TemporaryDirectory() as folder:
        for at in range(n_photos):
            path = Path(folder) / f"{at:06}.jpg"
            scene(640, 90 if at % 20 != 10 else 1, shift=at % 50).save(path, quality=90)
            if at % 20 == 19:
                path.write_bytes(path.read_bytes()[:1000])
        watched = Watched()
        seconds, frame = cpu(analyze, folder, watched)
    counts = frame.status.value_counts().to_dict()
    print(f"{frame.photo.nunique()} photos, {seconds:.1f} s of CPU, statuses {counts}")
    watched.show_peaks([watched.n_faces * share // 10 for share in (1, 5, 10)])


def parse_arguments():
    parser = study.make_parser(__doc__, "path")
    parser.add_argument("--faces", type=int, default=1500, help="of PublicTest")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 144], help="in pixels")
    parser.add_argument("--peers", action="store_true", help="compare with fer and deepface")
    parser.add_argument("--video", type=int, metavar="MINUTES", help="analyse a video instead")
    parser.add_argument("--shape", type=int, nargs=2, default=[360, 640], help="of its frames")
    parser.add_argument("--speed", type=int, metavar="N", help="time photos of one face instead")
    parser.add_argument("--many", type=int, metavar="N", help="analyse so many photos instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
