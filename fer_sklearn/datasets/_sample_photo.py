"""A photo of a real face that comes with the package."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from PIL import Image
from sklearn.utils import Bunch

_FOLDER = files("fer_sklearn") / "datasets" / "photo"
#: What `find_faces` finds: x, y, width, height. A test compares the two.
_BOX = (103.78, 64.13, 112.52, 112.52)
_DESCR = """\
NASA's portrait of the astronaut Eileen Collins

The image is the upper middle part, 320 x 320 pixels, of a picture of 512 x 512 pixels, without a
change of scale, as a JPEG. The face was found and cropped by `fer_sklearn.photos.find_faces`.

Source: NASA's Great Images database, https://flic.kr/p/r9qvLn, by way of scikit-image, whose
`skimage.data.astronaut` is the larger picture.
Licence: no known copyright restrictions, released into the public domain. That NASA took the
picture does not mean that NASA or Eileen Collins endorses this package.
"""


def load_sample_photo() -> Bunch:
    """Load a photo of a real face: NASA's portrait of the astronaut Eileen Collins.

    Use it to try things out without a download. It is in the public domain.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        image : ndarray of uint8 of shape (320, 320, 3)
            The photo, RGB.
        face : ndarray of uint8 of shape (48, 48)
            Her face, gray, cropped as in FER-2013. It is stored, so the extra "photos" is not
            needed.
        box : tuple of (float, float, float, float)
            The square that was cropped: x and y of its upper left corner, width and height, in
            pixels of the photo.
        DESCR : str
            Where the photo comes from, and its licence.

    See Also
    --------
    fer_sklearn.photos.find_faces : Found and cropped this face.

    Examples
    --------
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import load_sample_photo
    >>> photo = load_sample_photo()
    >>> photo.image.shape, photo.face.shape
    ((320, 320, 3), (48, 48))
    >>> FERClassifier.from_pretrained("fer2013").predict(photo.face[None])
    array(['happy'], dtype='<U8')
    """
    return Bunch(image=_read("astronaut.jpg"), face=_read("face.png"), box=_BOX, DESCR=_DESCR)


def _read(name: str) -> np.ndarray:
    with (_FOLDER / name).open("rb") as file, Image.open(file) as image:
        return np.array(image)
