"""Classifiers that teach: knowledge distillation by `fit(..., teacher=...)`."""

import numpy as np
import pytest
import torch
from helpers import model_of, network_of, small_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.model import Blend, Targets
from fer_sklearn.training import FaceLoss
from fer_sklearn.training._teachers import Teachers, renormalizer


def student(**params):
    return small_classifier(**{"max_epochs": 1, "batch_size": 128, **params})


@pytest.fixture(scope="module")
def teacher(faces):
    clf = small_classifier(widths=(8, 24), normalize=FaceNormalizer("image"), max_epochs=4)
    return clf.fit(faces.data, faces.target)


def weights_of(clf):
    return torch.cat([part.flatten() for part in network_of(clf).state_dict().values()])


def test_a_student_of_its_teacher_alone_comes_to_answer_like_it(faces, fitted):
    wrong = np.roll(faces.target, 1)  # labels that nothing is to be learned from
    taught = student(max_epochs=5, batch_size=32, teacher_weight=1.0, augment="off")
    taught.fit(faces.data, wrong, teacher=fitted)
    agreed = np.mean(taught.predict(faces.data) == fitted.predict(faces.data))
    assert agreed > 0.6 > 0.3 > np.mean(taught.predict(faces.data) == wrong)


def test_a_teacher_sees_the_very_view_of_the_student(faces, teacher, monkeypatch):
    seen = {"student": [], "teacher": []}
    answers = type(model_of(teacher)).answers

    def spy(model, view, low):
        seen["teacher" if model is model_of(teacher) else "student"].append(view)
        return answers(model, view, low)

    monkeypatch.setattr(type(model_of(teacher)), "answers", spy)
    clf = student(normalize=FaceNormalizer("image"), mixup=0.5).fit(
        faces.data, faces.target, teacher=teacher
    )
    steps = -(-len(faces.data) // clf.batch_size)
    assert len(seen["teacher"]) == steps
    for own, shown in zip(seen["student"], seen["teacher"], strict=False):
        assert torch.equal(own, shown)


def test_no_weight_for_the_teacher_is_no_teacher(faces, teacher):
    plain = student().fit(faces.data, faces.target)
    ignored = student(teacher_weight=0.0).fit(faces.data, faces.target, teacher=teacher)
    assert torch.equal(weights_of(plain), weights_of(ignored))


def test_teachers_are_left_as_they_are(faces, teacher):
    before, answers = weights_of(teacher), teacher.predict_proba(faces.data[:4])
    student().fit(faces.data, faces.target, teacher=teacher)
    assert torch.equal(weights_of(teacher), before)
    assert not model_of(teacher).training
    np.testing.assert_array_equal(teacher.predict_proba(faces.data[:4]), answers)


def test_one_of_several_teachers_answers_in_a_step(faces, teacher, fitted):
    asked = []

    class Spy(Teachers):
        def log_probabilities(self, view, low):
            state = self._rng.bit_generator.state
            asked.append(self._rng.integers(len(self._asked)))
            self._rng.bit_generator.state = state
            return super().log_probabilities(view, low)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fer_sklearn.training._run.Teachers", Spy)
        taught = student(batch_size=16).fit(faces.data, faces.target, teacher=[teacher, fitted])
    assert set(asked) == {0, 1}
    again = student(batch_size=16).fit(faces.data, faces.target, teacher=[teacher, fitted])
    assert torch.equal(weights_of(taught), weights_of(again))


@pytest.mark.parametrize("method", ["scale", "dataset", "image", "equalize"])
@pytest.mark.parametrize("own", ["scale", "dataset"])
def test_a_view_reaches_the_teacher_in_its_own_units(own, method, faces):
    X = faces.data[:5]
    own, other = (FaceNormalizer(way).fit(X) for way in (own, method))
    view = torch.tensor(own.transform(X))
    np.testing.assert_allclose(renormalizer(own, other)(view), other.transform(X), atol=1e-4)


@pytest.mark.parametrize("method", ["image", "equalize"])
def test_a_view_that_cannot_be_undone_is_refused_before_training(method, faces, fitted):
    with pytest.raises(ValueError, match=r"cannot predict.*normalize=None"):
        student(normalize=FaceNormalizer(method)).fit(faces.data, faces.target, teacher=fitted)


def test_weights_of_faces_hold_for_what_teachers_say_too(fitted):
    class Half:
        def log_probabilities(self, view, low):
            return torch.full((2, 2), 0.5).log()

    logits = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    codes, weights = torch.tensor([0, 1]), torch.tensor([0.5, 1.5])
    loss = FaceLoss(teachers=Half(), teacher_weight=1.0)
    each = [float((0.5 * (0.5 / row.softmax(0)).log()).sum()) for row in logits]
    view = torch.zeros(2, 1, 2, 2)
    expected = (0.5 * each[0] + 1.5 * each[1]) / 2
    assert loss(logits, Targets(codes, weights), None, view).item() == pytest.approx(expected)
    blended = (0.7 * (0.5 * each[0] + 1.5 * each[1]) + 0.3 * (1.5 * each[0] + 0.5 * each[1])) / 2
    found = loss(logits, Targets(codes, weights), Blend(0.7), view).item()
    assert found == pytest.approx(blended)


def test_validation_knows_no_teacher(faces, teacher):
    data = faces.data, faces.target
    loss = {
        taught is None: student(teacher_weight=1.0, learning_rate=1e-12, weight_decay=0.0)
        .fit(*data, X_val=faces.data[:32], y_val=faces.target[:32], teacher=taught)
        .history_["valid_loss"]
        for taught in (None, teacher)
    }
    assert loss[True] == pytest.approx(loss[False], rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda clf: [], ValueError, r"teacher=\[\] names no teacher"),
        (lambda clf: small_classifier(), NotFittedError, "not fitted"),
        (lambda clf: make_pipeline(FaceAugmenter(), clf), TypeError, "FERClassifier, got a Pipe"),
        (lambda clf: "fer2013", TypeError, "FERClassifier, got a str"),
        (lambda clf: [clf, None], TypeError, "FERClassifier, got a NoneType"),
        (lambda clf: FERClassifier.from_pretrained("fer2013"), ValueError, r"\(48, 48\) pixels"),
    ],
)
def test_wrong_teachers_are_refused(wrong, error, words, faces, fitted):
    with pytest.raises(error, match=words):
        student().fit(faces.data, faces.target, teacher=wrong(fitted))


def test_a_teacher_of_other_labels_is_refused(faces, fitted):
    few = faces.target != "happy"
    with pytest.raises(ValueError, match=r"has the labels.*'happy'.*y has"):
        student().fit(faces.data[few], faces.target[few], teacher=fitted)
    codes = np.unique(faces.target, return_inverse=True)[1]
    with pytest.warns(UserWarning, match="the teacher"):
        student().fit(faces.data, codes, teacher=fitted)


def test_a_checkpoint_belongs_to_its_teacher(faces, teacher, fitted, tmp_path):
    path = tmp_path / "fit.ckpt"

    class AfterOne(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) > 1:
                raise MemoryError

    params = {"max_epochs": 2, "checkpoint": str(path)}
    data = faces.data, faces.target
    with pytest.raises(MemoryError):
        student(**params, callbacks=[AfterOne()]).fit(*data, teacher=[teacher, fitted])
    with pytest.raises(ValueError, match="another fit"):
        student(**params).fit(*data, teacher=[fitted, teacher])
    resumed = student(**params).fit(*data, teacher=[teacher, fitted])
    whole = student(max_epochs=2).fit(*data, teacher=[teacher, fitted])
    assert torch.equal(weights_of(resumed), weights_of(whole))
