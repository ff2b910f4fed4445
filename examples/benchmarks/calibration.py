"""What views of a face and a temperature gain for a trained classifier; calibrated weights.

    python examples/benchmarks/calibration.py data/fer2013.csv fer2013
    python examples/benchmarks/calibration.py data/fer2013.csv fer2013.joblib --weights fer2013.npz

The classifier, a pretrained model of the package or a file of `examples/train_fer2013.py`, has not
seen PublicTest. It is evaluated there with each set of views. Then each fifth of the faces is
calibrated by a temperature that is fitted on the other four, so that no face influences its own
calibration. ``--weights`` writes the classifier with the temperature of all faces, for a face and
its mirror image.
"""

from pathlib import Path

import _study as study
import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.metrics import evaluation_report, expected_calibration_error
from fer_sklearn.model import VIEWS


class AsTheyAre(ClassifierMixin, BaseEstimator):
    """Takes logits for faces, so that a network need not compute them for every fold."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return X

    def predict(self, X):
        return self.classes_[X.argmax(axis=1)]


def main():
    args = parse_arguments()
    study.show_machine("torch", "scikit-learn")
    X_train, _ = load_fer2013(args.path, usage="Training", return_X_y=True)
    X, y = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    load = joblib.load if args.classifier.endswith(".joblib") else FERClassifier.from_pretrained
    clf = load(args.classifier)
    for views in VIEWS:
        clf.set_params(predict_augment=views)
        scores = evaluation_report(clf, X, y, train=X_train).to_frame()
        print(f"\n{views}\n{scores.to_string(float_format='{:.4f}'.format)}", flush=True)
        logits = clf.decision_function(X)
        calibrated = CalibratedClassifierCV(
            FrozenEstimator(AsTheyAre().fit(logits, y)), method="temperature", ensemble=False
        )
        after = cross_val_predict(calibrated, logits, y, cv=5, method="predict_proba")
        error = expected_calibration_error(y, after)
        print(f"calibrated: calibration error {error:.4f}, log-loss {log_loss(y, after):.4f}")
        [calibrator] = calibrated.fit(logits, y).calibrated_classifiers_[0].calibrators
        print(f"temperature of all faces {1 / calibrator.beta_:.3f}")
        if args.weights and views == "flip":
            clf.save_pretrained(args.weights, note=args.note, temperature=1 / calibrator.beta_)
            print(f"{args.weights}: written with it")


def parse_arguments():
    parser = study.make_parser(__doc__, "path")
    parser.add_argument("classifier", help="'fer2013', or a .joblib or .npz file")
    parser.add_argument("--weights", type=Path, help="file to write with save_pretrained")
    parser.add_argument("--note", default="", help="what the file says of its origin")
    return parser.parse_args()


if __name__ == "__main__":
    main()
