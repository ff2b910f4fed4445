"""Files that are damaged, made up or cut short: an error in words at little cost, or the truth."""

import io
import json
import re
import struct
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_sklearn import FERClassifier
from fer_sklearn._pretrained import _checksum, read_pretrained, write_pretrained
from fer_sklearn.networks import NETWORKS, ResNet
from fer_sklearn.training import Checkpoint

#: The same examples in every run.
FEW = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def good(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "good.npz"
    fitted.save_pretrained(path, note="ours")
    return path


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A file name for hypothesis, whose examples share the fixtures of one test."""
    return tmp_path_factory.mktemp("scratch") / "bad.npz"


def rewrite(good, path, about=(), arrays=(), *, without=(), save=np.savez, stated=()):
    """Write a file of other parts and arrays whose checksum is right."""
    with np.load(good) as archive:
        content = {name: archive[name] for name in archive.files}
    said = json.loads(content.pop("about").tobytes())
    said = {key: said[key] for key in said.keys() - {"sha256", "format"}} | dict(about)
    said = {key: value for key, value in said.items() if key not in without}
    content = {key: value for key, value in content.items() if key not in without} | dict(arrays)
    said |= {"sha256": _checksum(said, content), "format": 3} | dict(stated)
    save(path, about=np.frombuffer(json.dumps(said).encode(), np.uint8), **content)
    return path


def read_or_refuse(path):
    """Return what a file holds; None if it is refused by an error that names the file."""
    try:
        return read_pretrained(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise
        return None


LAST = "head.3.bias"
FILTERS = "features.1.0.weight"
VARIANCE = "features.1.1.running_var"
CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]

#: Part: the values that it may not have.
WRONG_PARTS = {
    "network": [None, 3, ["resnet"], "", "no such network", {}],
    "network_params": [
        *(None, [], {"depth": 10**9}, {"widths": [10**9]}, {"widths": [10**6, 10**6]}),
        *({"widths": [8] * 100_000}, {"widths": [0]}, {"widths": "ab"}, {"widths": [-1]}),
        *({"depth": "a"}, {"depth": -1}, {"depth": 1.5}, {"dropout": 1}, {"dropout": "a"}),
        *({"activation": ["gelu"]}, {"nonsense": 1}, {"n_classes": 2}, {"dropout": float("nan")}),
        {"widths": [8, 17]},
    ],
    "classes": [
        *(None, 7, "abc", [], ["happy"], CLASSES[::-1], CLASSES[:6], [*CLASSES, "x"]),
        *(["angry"] * 7, [1, *CLASSES[1:]], [[1], [2]], [0.0, float("nan")], [float("inf"), 1]),
        *(["a", "a\0"], [1, 10**30], ["a", 2000 * "b"], list(range(2000)), [None, None]),
    ],
    "image_shape": [
        *(None, 24, [24], [24, 24, 1], [24.0, 24.0], [0, 24], [-24, 24], [6000, 6000]),
        *([10**9, 10**9], ["24", "24"], [True, 24], {"0": 24}),
    ],
    "normalization": [
        *(None, [], {}, {"method": "dataset"}, {"method": "x", "mean": 0.5, "scale": 0.2}),
        *({"method": "dataset", "mean": 0.5, "scale": scale} for scale in (0, -1, None, "1")),
        *({"method": "dataset", "mean": mean, "scale": 0.2} for mean in (1e30, float("nan"), [])),
        {"method": ["dataset"], "mean": 0.5, "scale": 0.2},
        {"method": "dataset", "mean": 0.5, "scale": float("inf")},
        {"method": "dataset", "mean": 0.5, "scale": 0.2, "more": 1},
    ],
    "mirrored": [None, 1, "true", []],
    "note": [None, 1, []],
    "class_count": [3, [], [1] * 6, [-1] * 7, ["1"] * 7, [float("nan")] * 7, {"a": 1}, [0] * 7],
    "class_totals": [3, [], [1] * 8, [-0.5] * 7, [None] * 7, [10**400] * 7, [0.0] * 7],
    "weights": [{}],
    "unheard of": [1],
}


@pytest.mark.parametrize(("part", "values"), WRONG_PARTS.items())
def test_what_a_part_may_not_be_is_an_error_that_names_it(part, values, good, tmp_path):
    named = {"network": "network|name", "network_params": "network", "classes": "classes|head"}
    for number, value in enumerate(values):
        path = rewrite(good, tmp_path / f"{number}.npz", {part: value})
        with pytest.raises(ValueError, match=named.get(part, part)) as caught:
            FERClassifier.from_pretrained(path)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("part", ["network", "network_params", "classes", "mirrored"])
def test_a_part_that_is_missing_is_named(part, good, tmp_path):
    path = rewrite(good, tmp_path / "bad.npz", without=[part])
    with pytest.raises(ValueError, match=f"'about' lacks {part}"):
        read_pretrained(path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({LAST: np.full(7, np.nan, np.float32)}, f"'{LAST}' has values that are NaN"),
        ({LAST: np.full(7, np.inf, np.float32)}, f"'{LAST}' has values that are NaN or infinite"),
        ({VARIANCE: np.full(8, -1, np.float32)}, f"'{VARIANCE}' has values below 0"),
        ({LAST: np.zeros(8, np.float32)}, rf"'{LAST}' is float32 of shape \(8,\)"),
        ({LAST: np.zeros((7, 1), np.float32)}, rf"'{LAST}' is float32 of shape \(7, 1\)"),
        ({LAST: np.zeros(7, np.int64)}, f"'{LAST}' is int64"),
        ({LAST: np.zeros(7, bool)}, f"'{LAST}' is bool"),
        ({LAST: np.zeros(7, complex)}, f"'{LAST}' is complex128"),
        ({LAST: np.zeros(7, "U9")}, f"'{LAST}' has dtype <U9"),
        ({"x": np.zeros(3, np.float16)}, r"has unknown arrays of 'resnet': \['x'\]"),
        ({"about ": np.zeros(3, np.float16)}, "has unknown arrays"),
    ],
)
def test_an_array_that_the_network_cannot_have_is_named(arrays, words, good, tmp_path):
    path = rewrite(good, tmp_path / "bad.npz", arrays=arrays)
    with pytest.raises(ValueError, match=words):
        FERClassifier.from_pretrained(path)


def test_an_array_that_is_missing_is_named(good, tmp_path):
    path = rewrite(good, tmp_path / "bad.npz", without=[LAST])
    with pytest.raises(ValueError, match=rf"lacks arrays of 'resnet': \['{LAST}'\]"):
        read_pretrained(path)


def test_a_format_that_is_none_is_an_error(good, tmp_path):
    for wrong in ("3", None, 0, -1, 1.5, True, [3]):
        path = rewrite(good, tmp_path / "bad.npz", stated={"format": wrong})
        with pytest.raises(ValueError, match="expected a whole number"):
            read_pretrained(path)


def members(good, path, *changes, **options):
    """Write the members of an archive once more, then others."""
    with zipfile.ZipFile(good) as content, zipfile.ZipFile(path, "w", **options) as archive:
        for name in content.namelist():
            archive.writestr(name, content.read(name))
        for name, data in changes:
            archive.writestr(name, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_numpy_does_not_write_is_refused(good, tmp_path):
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    plain = r"is not what numpy\.savez writes"
    for changes, options, words in (
        ([("about.npy", b"")], {}, "two of its arrays have one name"),
        ([("readme.txt", b"")], {}, plain),
        ([], {"compression": zipfile.ZIP_BZIP2}, plain),
        ([("x.npy", pickled.getvalue())], {}, "'x' has dtype object, expected numbers"),
        ([("x.npy", b"x")], {}, "damaged"),
    ):
        path = members(good, tmp_path / "bad.npz", *changes, **options)
        with pytest.raises(ValueError, match=words):
            read_pretrained(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(ValueError, match="has no entry 'about'"):
        read_pretrained(path)


def test_a_compressed_file_is_read_as_well(good, tmp_path):
    path = rewrite(good, tmp_path / "small.npz", save=np.savez_compressed)
    again, start = read_pretrained(path), read_pretrained(good)
    assert again.classes == start.classes
    np.testing.assert_array_equal(again.weights[FILTERS], start.weights[FILTERS])


def make_large_files(good, folder):
    """Write small files that ask for much, and one as large as a file may be."""
    zeros = np.zeros(40_000_000, np.float16)
    rewrite(good, folder / "zeros.npz", arrays={"x": zeros}, save=np.savez_compressed)
    rewrite(good, folder / "many.npz", arrays={f"x{n}": np.zeros(1) for n in range(6000)})
    rewrite(good, folder / "note.npz", {"note": 50_000_000 * "n"}, save=np.savez_compressed)
    for number, params in enumerate(WRONG_PARTS["network_params"][2:6]):
        rewrite(good, folder / f"params{number}.npz", {"network_params": params})
    rewrite(good, folder / "shape.npz", {"image_shape": [6000, 6000]})
    width = 1250
    state = ResNet(7, (24, 24), widths=(width,)).state_dict()
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    arrays = {k: v.astype(np.float16) if v.ndim > 1 else v for k, v in arrays.items()}
    arrays["head.3.bias"] += np.nan
    params = {"network_params": {"widths": [width]}}
    rewrite(good, folder / "largest.npz", params, arrays, without=read_pretrained(good).weights)
    stated = struct.pack("<4s4HLLH", b"PK\5\6", 0, 0, 1, 1, 2**31, 0, 0)
    (folder / "directory.npz").write_bytes(good.read_bytes()[:-22] + stated)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory taken")
def test_no_file_takes_more_than_300_mb_and_two_seconds(good, tmp_path):
    make_large_files(good, tmp_path)
    script = textwrap.dedent(f"""
        import re, time
        from pathlib import Path
        from fer_sklearn import FERClassifier

        def peak():  # of this process alone: what getrusage says includes that of its parent
            status = Path("/proc/self/status").read_text()
            return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 2**10

        FERClassifier.from_pretrained({str(good)!r})
        before = peak()
        for path in sorted(Path({str(tmp_path)!r}).iterdir()):
            start = time.process_time()
            try:
                FERClassifier.from_pretrained(path)
            except ValueError:
                print(path.stem, time.process_time() - start, peak() - before)
    """)
    report = subprocess.check_output([sys.executable, "-c", script], text=True).splitlines()
    assert len(report) == len(list(tmp_path.iterdir()))
    for line in report:
        _, seconds, megabytes = line.split()
        assert float(seconds) < 2, report
        assert float(megabytes) < 300, report


def same(one, other):
    if one.weights.keys() != other.weights.keys():
        return False
    arrays = all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    return arrays and {**vars(one), "weights": 0} == {**vars(other), "weights": 0}


def test_a_bit_that_has_changed_is_noticed_or_changes_nothing(good, tmp_path):
    content, start = good.read_bytes(), read_pretrained(good)
    path, noticed = tmp_path / "bad.npz", 0
    rng = np.random.default_rng(0)
    anywhere = rng.integers(len(content), size=60)
    directory = len(content) - rng.integers(4000, size=30)  # names, sizes and places
    for place in (*anywhere, *directory):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        read = read_or_refuse(path)
        assert read is None or same(read, start)
        noticed += read is None
    assert noticed > 60


def test_a_file_that_is_cut_off_anywhere_is_an_error(good, tmp_path):
    content, path = good.read_bytes(), tmp_path / "bad.npz"
    for length in (*range(0, len(content), len(content) // 40), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read_pretrained(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@FEW
@given(part=st.sampled_from(sorted(WRONG_PARTS)), value=JSON)
def test_any_part_is_read_or_refused_in_words(part, value, good, scratch):
    start = read_or_refuse(rewrite(good, scratch, {part: value}))
    assert start is None or json.dumps(getattr(start, part)) == json.dumps(value)


@FEW
@given(
    name=st.sampled_from([LAST, FILTERS, VARIANCE, "new"]),
    dtype=st.sampled_from(["<f2", "<f4", ">f4", "<f8", "<i8", "|b1", "|S3", "<c8"]),
    shape=st.lists(st.integers(0, 9), max_size=5),
    value=st.sampled_from([0, 1, -1]),
)
def test_any_array_is_read_or_refused_in_words(name, dtype, shape, value, good, scratch):
    array = np.full(shape, value, np.int8).astype(dtype)
    start = read_or_refuse(rewrite(good, scratch, arrays={name: array}))
    if start is not None:
        assert start.weights[name].dtype == (np.float64 if dtype == "<f8" else np.float32)
        np.testing.assert_array_equal(start.weights[name], array)


def edits(content, changes):
    content = bytearray(content)
    for place, inserted, removed in changes:
        start = place % (len(content) + 1)
        content[start : start + removed] = inserted
    return bytes(content)


CHANGES = st.lists(
    st.tuples(st.integers(0, 2**20), st.binary(max_size=6), st.integers(0, 6)), max_size=4
)


@FEW
@given(changes=CHANGES)
def test_any_damage_to_weights_is_noticed_or_changes_nothing(changes, good, scratch):
    scratch.write_bytes(edits(good.read_bytes(), changes))
    read = read_or_refuse(scratch)
    assert read is None or same(read, read_pretrained(good))


@pytest.fixture(scope="module")
def checkpoint(faces, tmp_path_factory):
    """What a killed fit has left, and a Checkpoint of that fit in another place."""
    path = tmp_path_factory.mktemp("checkpoint") / "fit.checkpoint"
    kept = []

    class Keep(Checkpoint):
        def remove(self):
            kept.append((self.path.read_bytes(), self.fingerprint))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fer_sklearn.training._checkpoint.Checkpoint", Keep)
        FERClassifier(widths=(8,), max_epochs=1, random_state=0, checkpoint=path).fit(
            faces.data, faces.target
        )
    content, fingerprint = kept[0]
    return content, Checkpoint(path, fingerprint)


@FEW
@given(changes=CHANGES)
def test_any_damage_to_a_checkpoint_is_noticed(changes, checkpoint):
    content, reader = checkpoint
    damaged = edits(content, changes)
    reader.path.write_bytes(damaged)
    if damaged == content:
        assert reader.load()["fingerprint"] == reader.fingerprint
        return
    with pytest.raises(ValueError, match=re.escape(str(reader.path))):
        reader.load()


def test_a_full_disk_is_an_error_with_the_path_and_loses_nothing(faces, good, tmp_path):
    """The limit on the size of a file acts as a full disk does: a write fails half-way."""
    weights, checkpoint, out = (tmp_path / name for name in ("w.npz", "fit.checkpoint", "f.npy"))
    weights.write_bytes(good.read_bytes())
    for number in range(4):
        file = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.data[number]).save(file)
    script = textwrap.dedent(f"""
        import resource
        from fer_sklearn import FERClassifier
        from fer_sklearn.datasets import load_image_folder, make_faces

        X, y = make_faces(70, image_size=16, random_state=0, return_X_y=True)
        clf = FERClassifier(widths=(8,), max_epochs=1, random_state=0).fit(X, y)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        for write in (
            lambda: clf.save_pretrained({str(weights)!r}),
            lambda: clf.set_params(checkpoint={str(checkpoint)!r}).fit(X, y),
            lambda: load_image_folder({str(tmp_path / "images")!r}, out={str(out)!r}),
        ):
            try:
                write()
            except OSError as error:
                print(error.filename)
    """)
    named = subprocess.check_output([sys.executable, "-c", script], text=True).splitlines()
    assert named[:2] == [str(weights), str(checkpoint)]
    assert len(named) == 3
    assert weights.read_bytes() == good.read_bytes()
    assert not checkpoint.exists()
    assert not out.exists()
    assert not list(tmp_path.glob("*.*.????????????????.part"))


@pytest.mark.parametrize("content", [b"a letter", b"PK\5\6" + 18 * b"\0"])
def test_a_foreign_file_is_not_replaced(content, fitted, tmp_path):
    path = tmp_path / "letter.npz"
    path.write_bytes(content)
    with pytest.raises(FileExistsError, match=r"not written by save_pretrained .* left as it is"):
        fitted.save_pretrained(path)
    assert path.read_bytes() == content
    np.savez(path, about=np.arange(3))
    with pytest.raises(FileExistsError, match=re.escape(str(path))):
        fitted.save_pretrained(path)


def test_own_and_empty_files_are_replaced(fitted, good, tmp_path):
    path = tmp_path / "w.npz"
    for content in (b"", good.read_bytes()):
        path.write_bytes(content)
        fitted.save_pretrained(path, note="new")
        assert read_pretrained(path).note == "new"


def test_weights_beyond_half_precision_are_kept_and_nan_is_refused(good, tmp_path):
    start, path = read_pretrained(good), tmp_path / "w.npz"
    start.weights[FILTERS][0] = 1e6
    write_pretrained(path, start)
    np.testing.assert_array_equal(read_pretrained(path).weights[FILTERS], start.weights[FILTERS])
    start.weights[FILTERS][0] = np.nan
    with pytest.raises(ValueError, match=f"'{FILTERS}' has values that are NaN"):
        write_pretrained(path, start)


@pytest.mark.parametrize("setting", ["dtype", "device"])
def test_torchs_defaults_do_not_matter(setting, good):
    start, before = read_pretrained(good), torch.get_default_dtype()
    try:
        if setting == "dtype":
            torch.set_default_dtype(torch.float64)
        with torch.device("meta" if setting == "device" else "cpu"):
            assert same(read_pretrained(good), start)
    finally:
        torch.set_default_dtype(before)


def test_a_network_whose_building_looks_at_values_can_be_checked(monkeypatch, faces, tmp_path):
    """On torch's meta device there are none."""

    def network(n_classes, image_shape):
        shares = [share.item() for share in torch.linspace(0.1, 0.2, 2)]
        return ResNet(n_classes, image_shape, widths=(8,), dropout=shares[0])

    monkeypatch.setitem(NETWORKS, "by value", network)
    clf = FERClassifier("by value", max_epochs=1, random_state=0).fit(faces.data, faces.target)
    clf.save_pretrained(tmp_path / "w.npz")
    before = torch.get_rng_state()
    FERClassifier.from_pretrained(tmp_path / "w.npz")
    assert torch.equal(torch.get_rng_state(), before)
