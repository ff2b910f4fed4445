"""Files like FER-2013's and FER+'s, with a few drawn faces: ten of each emotion in Training,
eight in PublicTest, so that tenths and fifths of them have every emotion."""

import numpy as np
import pandas as pd

from fer_sklearn.datasets import convert_emotions, make_faces

VOTED = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
OTHERS = ["contempt", "unknown", "NF"]


def write_fer2013(path, n_training=112, n_public=70):
    """Write a ``fer2013.csv`` and return the names of the faces' emotions."""
    faces = make_faces(n_training + n_public, noise=0.2, random_state=0)
    frame = pd.DataFrame(
        {
            "emotion": convert_emotions(faces.target, target="fer2013"),
            "pixels": [" ".join(map(str, face.ravel())) for face in faces.data],
            "Usage": usage(n_training, n_public),
        }
    )
    frame.to_csv(path, index=False)
    return faces.target


def write_votes(path, target, n_training=112, n_public=70):
    """Write a ``fer2013new.csv`` in which the ten taggers mostly agree with `target`."""
    chosen = convert_emotions(target, target="ferplus")
    votes = 6 * (chosen[:, None] == np.array(VOTED))
    votes[:, 0] += 4
    frame = pd.DataFrame(votes, columns=VOTED).assign(**dict.fromkeys(OTHERS, 0))
    frame.insert(0, "Usage", usage(n_training, n_public))
    frame.to_csv(path, index=False)


def usage(n_training, n_public):
    return ["Training"] * n_training + ["PublicTest"] * n_public
