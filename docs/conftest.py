"""What pytest does with these pages: it runs their examples, and leaves the rest to sphinx."""

import pandas as pd
import pytest

from fer_sklearn.datasets import convert_emotions, make_faces

collect_ignore = ["conf.py", "_build", "auto_examples", "api"]


@pytest.fixture(autouse=True)
def small_fer2013(request, tmp_path, monkeypatch):
    """Run the pages of `coming_from` where a small ``fer2013.csv`` lies."""
    if request.path.parent.name != "coming_from":
        return
    faces = make_faces(105, noise=0.2, random_state=0)
    frame = pd.DataFrame(
        {
            "emotion": convert_emotions(faces.target, target="fer2013"),
            "pixels": [" ".join(map(str, face.ravel())) for face in faces.data],
            "Usage": ["Training"] * 70 + ["PublicTest"] * 35,
        }
    )
    frame.to_csv(tmp_path / "fer2013.csv", index=False)
    monkeypatch.chdir(tmp_path)
