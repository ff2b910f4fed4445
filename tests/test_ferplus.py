"""FER+: its rules on known votes, and training on what they leave."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import probabilities, small_classifier
from PIL import Image
from sklearn import config_context
from sklearn.model_selection import cross_validate

from fer_sklearn.datasets import load_ferplus, make_faces
from fer_sklearn.datasets._ferplus import _by_distribution

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
#: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
VOTES = {
    "clear": (0, 10, 0, 0, 0, 0, 0, 0, 0, 0),
    "with slips": (1, 8, 0, 1, 0, 0, 0, 0, 0, 0),
    "two ways": (5, 0, 0, 5, 0, 0, 0, 0, 0, 0),
    "three ways": (4, 0, 0, 3, 3, 0, 0, 0, 0, 0),
    "tied behind": (6, 0, 0, 2, 0, 0, 2, 0, 0, 0),
    "four ways": (3, 0, 0, 3, 2, 0, 2, 0, 0, 0),
    "unknown": (2, 0, 0, 2, 0, 0, 0, 0, 6, 0),
    "no face": (0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
    "as much unknown": (3, 0, 0, 4, 0, 0, 0, 0, 3, 0),
    "contempt": (2, 0, 0, 0, 0, 0, 0, 8, 0, 0),
    "only slips": (1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
}
NAMES = list(VOTES)


def write(folder, votes):
    """Write faces and their votes; return the paths of both files."""
    faces = make_faces(len(votes), random_state=0).data
    lines = [f"0,{' '.join(map(str, face.ravel().tolist()))},Training" for face in faces]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    rows = [f"Training,fer{i}.png,{','.join(map(str, v))}" for i, v in enumerate(votes)]
    (folder / "votes.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder / "fer2013.csv", folder / "votes.csv"


@pytest.fixture
def paths(tmp_path):
    return write(tmp_path, list(VOTES.values()))


def kept(bunch):
    return [NAMES[row] for row in bunch.rows]


def test_a_majority_is_more_than_half_of_what_is_no_slip(paths):
    bunch = load_ferplus(*paths)
    assert kept(bunch) == ["clear", "with slips", "tied behind", "contempt"]
    assert bunch.target.tolist() == ["happy", "happy", "neutral", "contempt"]
    assert bunch.target_names == sorted(bunch.target_names)
    happy = bunch.target_names.index("happy")
    assert bunch.distribution[:2, happy].tolist() == [1.0, 1.0]
    assert bunch.data.shape == (4, 48, 48)
    assert len(bunch.votes) == len(bunch.usage) == 4


def test_a_distribution_has_up_to_three_emotions(paths):
    bunch = load_ferplus(*paths, target="distribution")
    stay = ["clear", "with slips", "two ways", "three ways", "tied behind", "contempt"]
    assert kept(bunch) == [*stay[:-1], "as much unknown", "contempt"]
    shares = {name: by_name(bunch, row) for row, name in enumerate(kept(bunch))}
    assert shares["three ways"] == {"neutral": 0.4, "sad": 0.3, "angry": 0.3}
    assert shares["tied behind"] == {"neutral": 0.6, "sad": 0.2, "fear": 0.2}
    assert shares["as much unknown"] == {"sad": 4 / 7, "neutral": 3 / 7}


def by_name(bunch, row):
    """The shares of a row that are not 0."""
    shares = zip(bunch.target_names, bunch.distribution[row].tolist(), strict=True)
    return {name: share for name, share in shares if share}


def authors_shares(votes):
    """Probability mode of `_process_data` in microsoft/FERPlus, step by step; None: left out."""
    votes = [count if count > 1 else 0 for count in votes]
    total, taken, so_far, n_taken, valid = sum(votes), [0] * 10, 0, 0, True
    while so_far < 0.75 * total and n_taken < 3 and valid:
        most = max(votes)
        for column in range(10):
            if votes[column] != most:
                continue
            taken[column], votes[column] = most, 0
            so_far += most
            n_taken += 1
            if column >= 8:
                valid = False
                if sum(taken) > most:
                    taken[column] = 0
                    n_taken -= 1
                break
    if sum(taken) <= 0.5 * total or n_taken > 3 or np.argmax(taken) >= 8:
        return None
    return [count / sum(taken[:8]) for count in taken[:8]]


def test_distributions_are_those_of_the_authors_loop():
    rng = np.random.default_rng(0)
    votes = rng.multinomial(10, rng.dirichlet(np.full(10, 0.4), 3000)).astype(float)
    chosen, shares = _by_distribution(votes, 8)
    expected = [authors_shares(row) for row in votes.tolist()]
    assert chosen.tolist() == [row is not None for row in expected]
    assert 1000 < chosen.sum() < 2900
    np.testing.assert_allclose(shares[chosen][:, :8], [row for row in expected if row is not None])


def test_votes_stay_as_they_are(paths):
    bunch = load_ferplus(*paths, target="votes")
    assert kept(bunch) == [name for name in NAMES if name != "no face"]
    assert bunch.distribution[-1].tolist() == [0.125] * 8
    assert by_name(bunch, 1)["neutral"] == 0.1


def test_seven_classes_have_no_contempt(paths):
    bunch = load_ferplus(*paths, classes=7)
    assert kept(bunch) == ["clear", "with slips", "tied behind"]
    assert "contempt" not in bunch.target_names
    assert bunch.distribution.shape == (3, 7)


@pytest.mark.parametrize("target", ["majority", "distribution"])
def test_seven_classes_need_a_majority_of_what_is_no_contempt(target, tmp_path):
    split, scorned = (4, 0, 0, 0, 0, 0, 2, 4, 0, 0), (2, 0, 0, 0, 0, 0, 0, 8, 0, 0)
    files = write(tmp_path, [split, scorned])
    assert load_ferplus(*files, target=target, classes=7).rows.tolist() == [0]
    expected = {"majority": [1], "distribution": [0, 1]}[target]
    assert load_ferplus(*files, target=target, classes=8).rows.tolist() == expected


def test_files_that_do_not_belong_together_are_an_error(paths, tmp_path):
    votes = paths[1].read_text().splitlines()
    short = tmp_path / "short.csv"
    short.write_text("\n".join(votes[:-1]) + "\n")
    with pytest.raises(ValueError, match="has 10 rows of these splits, the images are 11"):
        load_ferplus(paths[0], short)
    with pytest.raises(ValueError, match=r"lacks the columns .*is it fer2013new"):
        load_ferplus(paths[0], paths[0])
    with pytest.raises(FileNotFoundError, match=r"fer2013new\.csv"):
        load_ferplus(paths[0], tmp_path / "none.csv")
    with pytest.raises(ValueError, match="target must be"):
        load_ferplus(*paths, target="best")
    with pytest.raises(ValueError, match="classes must be"):
        load_ferplus(*paths, classes=6)


def test_the_real_votes_belong_to_the_real_images(fer2013):
    votes = fer2013.with_name("fer2013new.csv")
    if not votes.exists():
        pytest.skip("needs fer2013new.csv of FER+ beside fer2013.csv")
    bunch = load_ferplus(fer2013, votes, usage="PublicTest")
    train = load_ferplus(fer2013, votes, target="distribution")
    assert len(train.data) == 27_956  # by the authors' own code
    assert 3150 < len(bunch.data) < 3250  # the authors tested on about 3,190
    assert (bunch.target == "happy").mean() > 0.25


# -- training on distributions ----------------------------------------------------


def two_faced():
    """Black and white faces; of the white ones seven in ten votes say "b"."""
    X = np.repeat(np.array([0, 255], dtype=np.uint8), 40)[:, None].repeat(64, axis=1)
    y = np.repeat(["a", "b"], 40)
    return X, y, np.repeat([[10.0, 0.0], [3.0, 7.0]], 40, axis=0)


def test_the_network_learns_the_shares():
    X, y, votes = two_faced()
    params = {"max_epochs": 40, "batch_size": 16, "label_smoothing": 0.0, "optimizer": "adam"}
    hard = small_classifier(**params).fit(X, y).predict_proba(X[-1:])[0, 1]
    soft = small_classifier(**params).fit(X, y, label_distribution=votes)
    assert hard > 0.95
    assert 0.6 < soft.predict_proba(X[-1:])[0, 1] < 0.8
    assert soft.predict_proba(X[:1])[0, 0] > 0.95


def test_certain_shares_are_labels_and_mix_with_weights_and_mixup(faces):
    one_hot = (faces.target[:, None] == np.unique(faces.target)).astype(int)
    params = {"mixup": 0.2, "optimizer": "adam", "precision": "float32"}
    weights = np.random.default_rng(0).uniform(0.5, 2, 280)
    fits = [
        small_classifier(**params).fit(faces.data, faces.target, weights, **extra)
        for extra in ({}, {"label_distribution": one_hot})
    ]
    expected, found = (clf.predict_proba(faces.data) for clf in fits)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_distributions_travel_by_metadata_routing():
    X, y, votes = two_faced()
    with config_context(enable_metadata_routing=True):
        clf = small_classifier(max_epochs=1).set_fit_request(label_distribution=True)
        result = cross_validate(clf, X, y, cv=2, params={"label_distribution": votes})
    assert len(result["test_score"]) == 2


@pytest.mark.parametrize("form", [pd.DataFrame, pl.DataFrame])
def test_columns_of_a_table_of_shares_are_found_by_their_names(form, faces):
    labels = np.unique(faces.target)
    shares = np.random.default_rng(0).random((280, 7))
    names = [*labels[::-1]]
    expected = small_classifier(max_epochs=1).fit(
        faces.data, faces.target, label_distribution=shares
    )
    table = form(dict(zip(names, shares[:, ::-1].T, strict=True)))
    unnamed = form({f"column_{at}": column for at, column in enumerate(shares.T)})
    for given in (table, unnamed):
        clf = small_classifier(max_epochs=1).fit(faces.data, faces.target, label_distribution=given)
        np.testing.assert_array_equal(probabilities(clf, faces), probabilities(expected, faces))


def test_numbers_as_names_of_shares_are_labels_if_these_are_numbers(faces):
    codes = np.unique(faces.target, return_inverse=True)[1]
    shares = np.eye(7)[codes]
    expected = small_classifier(max_epochs=1).fit(faces.data, codes, label_distribution=shares)
    table = pd.DataFrame(shares)[[*range(6, -1, -1)]]
    clf = small_classifier(max_epochs=1).fit(faces.data, codes, label_distribution=table)
    np.testing.assert_array_equal(probabilities(clf, faces), probabilities(expected, faces))


def test_a_table_of_shares_with_other_names_is_an_error(faces):
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    votes = pd.DataFrame(np.ones((280, 7)), columns=names)
    with pytest.raises(ValueError, match=r"columns \['neutral', 'happiness'.*labels are \['angry'"):
        small_classifier().fit(faces.data, faces.target, label_distribution=votes)


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (np.ones((80, 3)), r"shape \(80, 2\)"),
        (np.ones((79, 2)), r"shape \(80, 2\)"),
        (np.repeat([[1.0, 0.0], [0.0, 0.0]], [70, 10], axis=0), "row 70 is not"),
        (np.repeat([[1.0, 0.0], [2.0, -1.0]], [5, 75], axis=0), "row 5 is not"),
        (np.full((80, 2), np.nan), "NaN"),
    ],
)
def test_a_distribution_that_is_none_is_an_error(distribution, message):
    X, y, _ = two_faced()
    with pytest.raises(ValueError, match=message):
        small_classifier().fit(X, y, label_distribution=distribution)


def test_votes_are_not_given_to_images_in_folders(paths, tmp_path):
    """Folders order faces by class: as many images as votes, but not the same ones."""
    images = tmp_path / "images" / "train" / "happy"
    images.mkdir(parents=True)
    for i, face in enumerate(make_faces(len(VOTES), random_state=0).data):
        Image.fromarray(face).save(images / f"{i}.png")
    with pytest.raises(ValueError, match="in another order than the votes"):
        load_ferplus(tmp_path / "images", paths[1])


@pytest.mark.parametrize("ending", [".csv", ".gz", ".zip"])
def test_votes_may_be_packed_and_damage_to_them_is_named(ending, paths, tmp_path):
    packed, content = tmp_path / f"packed{ending}", paths[1].read_bytes()
    if ending == ".zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(paths[1], "fer2013new.csv")
    else:
        packed.write_bytes(gzip.compress(content) if ending == ".gz" else content)
    expected = load_ferplus(*paths).distribution
    np.testing.assert_array_equal(load_ferplus(paths[0], packed).distribution, expected)
    whole = packed.read_bytes()
    for damaged in (whole[:-40], whole[:30] + b"\xff" * 9 + whole[39:], b""):
        packed.write_bytes(damaged)
        with pytest.raises(ValueError, match=str(packed)):
            load_ferplus(paths[0], packed)


@pytest.mark.parametrize("vote", ["x", "", "-1", "inf"])
def test_votes_that_are_none_are_named_by_their_row(vote, paths):
    lines = paths[1].read_text().split("\n")
    lines[4] = lines[4].replace(",0", f",{vote}", 1)
    paths[1].write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"face 3 of these splits has votes that are not numbers"):
        load_ferplus(*paths)
