"""Reports, calibration and comparisons, against scikit-learn and by hand."""

import re
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score, log_loss

from fer_sklearn import FaceNormalizer
from fer_sklearn.datasets._duplicates import groups_and_copies
from fer_sklearn.metrics import (
    compare_classifiers,
    evaluation_report,
    expected_calibration_error,
)


@pytest.fixture(scope="module")
def guesses():
    """Probabilities that are right as often as they say, and labels."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(5), 20_000)
    y = (proba.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    return y, proba


def test_honest_probabilities_have_no_calibration_error_and_boasting_ones_have(guesses):
    y, proba = guesses
    assert expected_calibration_error(y, proba) < 0.012
    sure = np.full_like(proba, 0.01)
    sure[np.arange(len(y)), proba.argmax(axis=1)] = 0.96
    accuracy = (proba.argmax(axis=1) == y).mean()
    np.testing.assert_allclose(expected_calibration_error(y, sure), 0.96 - accuracy, atol=1e-9)


def test_probabilities_that_do_not_fit_are_errors(guesses):
    y, proba = guesses
    with pytest.raises(ValueError, match=r"shape \(20000, 5\).*got \(20000, 4\)"):
        expected_calibration_error(y, proba[:, :4])
    with pytest.raises(ValueError, match=r"y has the labels \[4\]"):
        expected_calibration_error(y, proba[:, :4], labels=range(4))
    few = y < 3
    with pytest.raises(ValueError, match=r"got \(\d+, 5\)\. Pass labels=classifier\.classes_"):
        expected_calibration_error(y[few], proba[few])
    with pytest.raises(ValueError, match="each label once"):
        expected_calibration_error(y[few], proba[few], labels=[0, 1, 2, 2, 3])


class Fixed:
    """Answers with what it was given."""

    def __init__(self, proba, classes):
        self.proba, self.classes_ = proba, np.asarray(classes)

    def predict_proba(self, X):
        return self.proba


def test_a_report_agrees_with_scikit_learn(guesses):
    y, proba = guesses
    labels = np.array(list("abcde"))
    report = evaluation_report(Fixed(proba, labels), np.zeros((len(y), 1)), labels[y])
    predicted = proba.argmax(axis=1)
    assert report.accuracy == (predicted == y).mean()
    assert report.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, predicted))
    assert report.macro_f1 == pytest.approx(f1_score(y, predicted, average="macro"))
    assert report.log_loss == pytest.approx(log_loss(y, proba))
    assert report.brier_score == pytest.approx(brier_score_loss(y, proba, scale_by_half=False))
    top2 = (np.argsort(proba, axis=1)[:, -2:] == y[:, None]).any(axis=1).mean()
    assert report.top2_accuracy == pytest.approx(top2)
    low, high = report.accuracy_interval
    assert low < report.accuracy < high
    assert 0.01 < high - low < 0.02  # four standard errors of n = 20,000
    assert report.confusion.to_numpy().sum() == 20_000
    assert report.confusion.index.tolist() == list("abcde")
    assert report.leak_free is None


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_classes_of_a_classifier_may_be_in_any_order(n_classes, guesses):
    y, proba = (part[:400] for part in guesses)
    labels = np.array(list("abcde"))[:n_classes]
    y, proba = labels[y % n_classes], proba[:, :n_classes]
    proba = proba / proba.sum(axis=1, keepdims=True)
    order = [3, 1, 4, 0, 2] if n_classes == 5 else [1, 0]
    X = np.zeros((400, 1))
    report = evaluation_report(Fixed(proba[:, order], labels[order]), X, y)
    expected = evaluation_report(Fixed(proba, labels), X, y)
    assert str(report) == str(expected)
    pd.testing.assert_frame_equal(report.confusion, expected.confusion)


def test_a_report_leaves_out_what_was_trained_on(faces):
    X, y = faces.data.reshape(280, -1) / 255, faces.target
    clf = LogisticRegression(max_iter=500).fit(X[:200, ::7], y[:200])

    class Thinned(Fixed):
        def predict_proba(self, X):
            return clf.predict_proba(X[:, ::7])

    report = evaluation_report(Thinned(None, clf.classes_), X[150:], y[150:], train=X[:200])
    assert (report.n_samples, report.leak_free.n_samples) == (130, 80)
    assert report.leak_free.accuracy == clf.score(X[200:, ::7], y[200:])
    assert report.accuracy > report.leak_free.accuracy + 0.1
    assert report.to_frame().shape == (8, 2)
    text = str(report)
    assert "130 all, 80 leak-free" in text
    assert "calibration error" in text
    assert "surprise" in text
    scores = report._repr_html_().partition("</table>")[0]
    cells = re.findall(r"<td>(.*)</td>", scores)
    assert cells[:4] == ["130", "80", f"{report.accuracy:.4f}", f"{report.leak_free.accuracy:.4f}"]


def report_on(X, train, **options):
    y = np.arange(len(X)) % 3
    return evaluation_report(Fixed(np.eye(3)[y], range(3)), X, y, train=train, **options)


def test_a_report_says_that_every_face_was_trained_on(faces):
    report = report_on(faces.data[:30], faces.data)
    assert (report.leak_free, report.n_leak_free) == (None, 0)
    assert "30 all, 0 leak-free" in str(report)
    for text in (str(report), report._repr_html_()):
        assert "no face is leak-free: each has an exact copy in the training data" in text
    column = report.to_frame()["leak-free"]
    assert column["faces"] == 0
    assert column.drop("faces").isna().all()
    known = report_on(faces.data[:30], faces.data[20:])
    assert known.n_leak_free == known.leak_free.n_samples == 20
    assert "no face" not in str(known)
    assert report_on(faces.data[:30], None).n_leak_free is None


@pytest.mark.parametrize("form", ["rows", "channel", "RGB", "wide integers", "frame"])
def test_training_faces_may_have_another_form(form, faces):
    train = {
        "rows": lambda X: X.reshape(len(X), -1),
        "channel": lambda X: X[..., None],
        "RGB": lambda X: np.repeat(X[..., None], 3, axis=3),
        "wide integers": lambda X: X.astype(np.int64),
        "frame": lambda X: pd.DataFrame(X.reshape(len(X), -1)),
    }[form](faces.data[20:])
    assert report_on(faces.data[:30], train).n_leak_free == 20
    assert report_on(train[:30], faces.data[40:]).n_leak_free == 20


@pytest.mark.parametrize("shape", [(9, 48, 48), (9, 2304), (9, 18, 32), (9, 24, 24, 4)])
def test_training_faces_of_another_size_are_an_error(shape, faces):
    with pytest.raises(ValueError, match=r"\(30, 24, 24\)|shape \(1, 24, 24, 4\)") as error:
        report_on(faces.data[:30], np.zeros(shape, np.uint8))
    assert ", ".join(map(str, shape[1:])) in str(error.value)


def test_training_faces_in_a_file_are_read_in_parts(tmp_path):
    train = np.lib.format.open_memmap(tmp_path / "train.npy", "w+", np.uint8, (50_000, 48, 48))
    train[-5:] = X = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    tracemalloc.start()
    report = report_on(X, train)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.n_leak_free == 0
    assert peak < train.nbytes / 4


def test_a_sample_keeps_the_classes_in_proportion():
    X, y = np.arange(1000)[:, None], np.repeat(["a", "b", "c"], [700, 299, 1])

    class Knows:
        classes_ = np.array(["a", "b", "c"])

        def predict_proba(self, X):
            self.seen = X[:, 0]
            return np.eye(3)[np.searchsorted(self.classes_, y[self.seen])]

    def evaluate(**options):
        clf = Knows()
        return evaluation_report(clf, X, y, **options), np.sort(clf.seen)

    report, seen = evaluate(sample=100)
    assert report.accuracy == 1
    assert report.by_class["faces"].tolist()[:2] == pytest.approx([70, 30], abs=1)
    assert len(set(seen)) == report.n_samples == 100
    np.testing.assert_array_equal(evaluate(sample=0.1)[1], seen)
    assert not np.array_equal(evaluate(sample=100, random_state=1)[1], seen)
    for everything in (1000, 1.0):
        assert evaluate(sample=everything)[0].n_samples == 1000
    for sample in (0, 1001, 0.0, 1.5, -3):
        with pytest.raises(ValueError, match=f"from 1 to the 1000 of X.*got {sample}"):
            evaluate(sample=sample)


def test_a_sample_is_compared_with_the_training_faces(fitted, faces):
    report = evaluation_report(fitted, faces.data, faces.target, train=faces.data[140:], sample=90)
    assert report.n_samples == 90
    assert 20 < report.n_leak_free == report.leak_free.n_samples < 70


def test_a_class_without_faces_counts_in_no_mean():
    proba = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    report = evaluation_report(Fixed(proba, [0, 1, 2]), np.zeros((4, 1)), [0, 1, 1, 1])
    assert report.balanced_accuracy == pytest.approx((1 + 2 / 3) / 2)
    assert report.by_class.loc[2, "faces"] == 0


def test_a_report_draws_its_confusion_matrix(guesses):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    y, proba = guesses
    report = evaluation_report(Fixed(proba, range(5)), np.zeros((len(y), 1)), y)
    display = report.plot()
    np.testing.assert_allclose(display.confusion_matrix.sum(axis=1), 1)
    assert display.ax_.get_title() == f"accuracy {report.accuracy:.3f}, 20000 faces"
    counts = report.plot(ax=plt.subplots()[1], normalize=False)
    assert counts.confusion_matrix.sum() == 20_000
    plt.close("all")


@pytest.mark.parametrize(
    "names",
    [[r"$\frac{1}$", "a $ b $ c_{"], ["a" * 60, "b" * 60], [f"{i}" * 60 for i in range(30)]],
)
def test_a_confusion_matrix_shows_any_names(names):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    names = sorted(names)
    proba = np.full((len(names), len(names)), 1 / len(names))
    report = evaluation_report(Fixed(proba, names), np.zeros((len(names), 1)), names)
    display = report.plot()
    display.figure_.draw_without_rendering()
    shown = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert all(
        name.startswith(text.removesuffix("…")) for name, text in zip(names, shown, strict=True)
    )
    plt.close("all")


def test_two_classifiers_are_compared_face_by_face():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2000)
    a = np.where(rng.random(2000) < 0.7, y, (y + 1) % 3)
    b = np.where(rng.random(2000) < 0.1, y, a)  # right where a is, and sometimes where not
    result = compare_classifiers(y, a, b)
    assert result.only_a == 0
    assert result.difference == pytest.approx(result.only_b / 2000)
    assert result.interval[0] > 0
    assert result.p_value < 1e-10
    same = compare_classifiers(y, a, a)
    assert (same.difference, same.p_value, same.interval) == (0.0, 1.0, (0.0, 0.0))
    with pytest.raises(ValueError, match="2000 labels and 2000 and 5 predictions"):
        compare_classifiers(y, a, b[:5])


@pytest.mark.parametrize(
    "scaled",
    [
        lambda X: X / 255.0,
        lambda X: X.astype(np.float32) / np.float32(255),
        lambda X: X.astype(np.float64),
        lambda X: np.repeat(X[..., None] / 255.0, 3, axis=3),
    ],
)
def test_training_faces_on_another_scale_are_copies_too(scaled, faces):
    assert report_on(faces.data[:30], scaled(faces.data[20:])).n_leak_free == 20
    twice = [scaled(faces.data[:30]), faces.data[20:] / 255.0]
    assert groups_and_copies(*twice)[1].tolist() == [False] * 20 + [True] * 10


def test_normalised_training_faces_are_refused(faces):
    with pytest.raises(ValueError, match="as they were before a normaliser"):
        report_on(faces.data[:30], FaceNormalizer().fit_transform(faces.data))


def test_labels_may_be_a_column(fitted, faces):
    X, y = faces.data[:30], faces.target[:30]
    for column in (y[:, None], pd.DataFrame({"label": y})):
        report = evaluation_report(fitted, X, column)
        assert report.accuracy == evaluation_report(fitted, X, y).accuracy


@pytest.mark.parametrize("wrong", [0, 1.5, "many", None, True])
def test_an_interval_needs_samples(wrong, faces):
    y = faces.target
    with pytest.raises(ValueError, match="n_bootstrap as a whole number of at least 1, got"):
        compare_classifiers(y, y, y, n_bootstrap=wrong)


@pytest.mark.parametrize(
    "not_probabilities", [[[2.0, -1.0]], [[0.5, 0.4]], [[3.0, 1.0]], [[np.nan, 1.0]]]
)
def test_what_are_no_probabilities_is_an_error(not_probabilities):
    with pytest.raises(ValueError, match="what predict_proba returns, not logits"):
        expected_calibration_error(["b"], not_probabilities, labels=["a", "b"])


@pytest.mark.filterwarnings("error")
def test_probabilities_in_float32_need_not_sum_to_one_exactly(learned, faces):
    class InFloat32(DummyClassifier):
        def predict_proba(self, X):
            return learned.predict_proba(X).astype(np.float32)

    rough = InFloat32().fit(faces.data, faces.target)
    got = evaluation_report(rough, faces.data, faces.target)
    assert got.log_loss == pytest.approx(
        evaluation_report(learned, faces.data, faces.target).log_loss, rel=1e-5
    )


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_counted(missing, learned, faces):
    y = pd.Series(faces.target).mask(np.arange(280) == 7, missing)
    said = "y_true contains NaN or None: 1 of 280"
    with pytest.raises(ValueError, match=said):
        evaluation_report(learned, faces.data, y)
    with pytest.raises(ValueError, match=said):
        compare_classifiers(y, faces.target, faces.target)
    with pytest.raises(ValueError, match="y_pred_b contains NaN or None: 1 of 280"):
        compare_classifiers(faces.target, faces.target, y)


def test_codes_are_not_compared_with_names(faces):
    codes = np.unique(faces.target, return_inverse=True)[1]
    with pytest.raises(ValueError, match=r"of one type, got '\w+' as a label and \[\d, \d\]"):
        compare_classifiers(faces.target, codes, codes)


def test_nothing_cannot_be_evaluated():
    with pytest.raises(ValueError, match="y_true has no labels"):
        expected_calibration_error([], np.empty((0, 2)), labels=[0, 1])
    with pytest.raises(ValueError, match="y_true has no labels"):
        compare_classifiers([], [], [])


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "many", None, True])
def test_bins_are_a_whole_number(wrong):
    with pytest.raises(ValueError, match="n_bins as a whole number of at least 1, got"):
        expected_calibration_error([0, 1], [[0.5, 0.5]] * 2, n_bins=wrong)


@pytest.mark.parametrize("wrong", [np.nan, "half", 1.5, True])
def test_a_sample_is_a_number_or_a_share(wrong, learned, faces):
    with pytest.raises(ValueError, match="a share of them in"):
        evaluation_report(learned, faces.data, faces.target, sample=wrong)


@pytest.mark.parametrize("labels", [None, ["a", "b", "c"], ["c", "a", "b"]])
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_of_probabilities_are_found_by_their_names(frame, labels):
    rng = np.random.default_rng(0)
    y, proba = np.repeat(["a", "b", "c"], 20), rng.dirichlet([1, 1, 1], 60)
    table = frame({name: proba[:, "abc".index(name)] for name in "cab"})
    expected = expected_calibration_error(y, proba, labels=["a", "b", "c"])
    assert expected_calibration_error(y, table, labels=labels) == expected
    assert expected_calibration_error(y, frame(proba), labels=["a", "b", "c"]) == expected


def test_long_names_on_the_page_may_be_broken_into_lines():
    names = ["<" + "a" * 40, "two words that are long"]
    report = evaluation_report(Fixed(np.eye(2), names), np.zeros((2, 1)), names)
    page = report.to_html()
    assert "&lt;" + "a" * 15 + "<wbr>" + "a" * 16 + "<wbr>" + "a" * 9 + "</th>" in page
    assert ">two words that are long</th>" in page
