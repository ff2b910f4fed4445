"""The networks with attention: "hybrid" and "vit"."""

import numpy as np
import pytest
import torch
from helpers import network_of, small_classifier
from skorch.callbacks import Callback
from torch.nn import functional as F

from fer_sklearn import FERClassifier
from fer_sklearn.explain import saliency_map
from fer_sklearn.networks import Hidden, Hybrid, ViT, build_network
from fer_sklearn.networks._attention import Attention, DropPath, attend
from fer_sklearn.training._muon import Muon
from fer_sklearn.training._optimizers import hidden_matrices

SMALL = {
    "hybrid": {"widths": (8, 16), "depth": 2, "network_params": {"heads": 2}},
    "vit": {"widths": (16,), "depth": 2, "network_params": {"heads": 2, "patch_size": 4}},
}


def small(network, **params):
    return small_classifier(network=network, **{**SMALL[network], **params})


@pytest.fixture(scope="module", params=SMALL)
def trained(request, faces):
    clf = small(request.param, max_epochs=10, batch_size=32, dropout=0.0)
    return clf.fit(faces.data, faces.target)


def test_they_learn(trained, faces):
    losses = trained.history_["train_loss"]
    quick = trained.network == "hybrid"  # without convolutions it takes far longer
    assert losses[-1] < losses[0] - (0.15 if quick else 0.01)


def test_an_answer_does_not_depend_on_the_neighbours(trained, faces):
    whole = trained.decision_function(faces.data[:67])
    for part in (slice(0, 1), slice(5, 8), slice(60, 67)):
        np.testing.assert_array_equal(trained.decision_function(faces.data[:67][part]), whole[part])


def test_they_are_stored_and_fine_tuned(trained, faces, tmp_path):
    trained.save_pretrained(tmp_path / "small.npz")
    loaded = FERClassifier.from_pretrained(tmp_path / "small.npz")
    answers = (clf.decision_function(faces.data[:9]) for clf in (loaded, trained))
    np.testing.assert_allclose(*answers, atol=0.05)  # half precision
    before = {name: part.clone() for name, part in network_of(loaded).state_dict().items()}
    start = {"network": trained.network, "pretrained": tmp_path / "small.npz"}
    tuned = FERClassifier(**start, freeze=1, max_epochs=1)
    after = network_of(tuned.fit(faces.data, faces.target)).state_dict()
    frozen = {id(part) for part in network_of(tuned).stages[0].parameters()}
    kept = [name for name, part in network_of(tuned).named_parameters() if id(part) in frozen]
    assert kept
    assert all(torch.equal(after[name], before[name]) for name in kept)
    assert not torch.equal(after["head.2.weight"], before["head.2.weight"])


def test_every_transformer_layer_is_a_stage_that_can_be_frozen(faces):
    for network, n_stages in (("hybrid", 4), ("vit", 3)):
        with pytest.raises(ValueError, match=f"has {n_stages} stages"):
            small(network, freeze=n_stages + 1).fit(faces.data, faces.target)


def test_grad_cam_sees_the_maps_behind_the_attention(trained, faces):
    maps = saliency_map(trained, faces.data[:2])
    assert maps.shape == (2, 24, 24)
    assert maps.std(axis=(1, 2)).min() > 0


@pytest.mark.parametrize("network", [Hybrid, ViT])
def test_parameters_reach_the_layers(network):
    made = network(7, (48, 48), widths=(24,), depth=3, heads=4, dropout=0.4, drop_path=0.3)
    assert [layer.heads for layer in made.modules() if isinstance(layer, Attention)] == [4] * 3
    rates = [layer.p for layer in made.modules() if isinstance(layer, DropPath)]
    assert rates == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
    with pytest.raises(ValueError, match="multiple of heads, got 24 and 5"):
        network(7, (48, 48), widths=(24,), heads=5)


def test_the_plain_one_has_one_width():
    with pytest.raises(ValueError, match="one width"):
        ViT(7, (48, 48), widths=(32, 64))


def test_tokens_are_as_many_as_stated():
    maps = {
        name: build_network(name, n_classes=7, image_shape=(48, 40)).features(
            torch.zeros(1, 1, 48, 40)
        )
        for name in SMALL
    }
    assert maps["hybrid"].shape == (1, 256, 6, 5)
    assert maps["vit"].shape == (1, 256, 8, 7)


def test_a_fresh_layer_passes_its_input_on():
    layer = build_network("hybrid", n_classes=7, image_shape=(48, 48)).features[-1]
    maps = torch.randn(2, 256, 6, 6)
    torch.testing.assert_close(layer(maps), maps)


def test_plain_attention_is_torchs():
    query, key, value = torch.randn(3, 2, 4, 9, 16).unbind()
    torch.testing.assert_close(
        attend(query, key, value), F.scaled_dot_product_attention(query, key, value)
    )


def test_a_skipped_face_skips_the_whole_branch_and_the_mean_stays():
    out = DropPath(0.25).train()(torch.ones(2000, 3, 5))
    assert set(out.flatten(1).std(1).tolist()) == {0.0}
    assert out.mean().item() == pytest.approx(1, abs=0.1)


def test_muon_orthogonalises_hidden_matrices_and_leaves_the_rest_to_adam():
    network = build_network("hybrid", n_classes=7, image_shape=(48, 48), depth=1)
    names = [pattern for pattern, _ in hidden_matrices(network)]
    assert len(names) == 4
    assert not any("head" in name or "embed" in name for name in names)
    torch.manual_seed(0)
    hidden, other = Hidden(12, 24), Hidden(12, 24)
    before = hidden.weight.detach().clone()
    for layer in (hidden, other):
        layer.weight.grad = torch.randn(24, 12) * torch.logspace(0, -2, 12)
    groups = [{"params": [hidden.weight], "hidden": True}, {"params": [other.weight]}]
    Muon(groups, lr=0.1, weight_decay=0.5).step()
    moved = hidden.weight.detach() - before * (1 - 0.1 * 0.5)
    values = torch.linalg.svdvals(moved / 0.1 / 2**0.5)
    assert values.min() > 0.05
    assert values.max() < 1.3
    state = Muon(groups).state_dict()["param_groups"]
    assert [group["hidden"] for group in state] == [True, False]


@pytest.mark.parametrize("name", ["heads", "patch_size"])
@pytest.mark.parametrize("wrong", [0, -2, 2.0, "4", True])
def test_numbers_of_heads_and_pixels_are_whole_and_above_0(name, wrong, faces):
    clf = FERClassifier("vit", widths=(8,), network_params={name: wrong})
    with pytest.raises(ValueError, match=f"{name} as a whole number of at least 1, got"):
        clf.fit(faces.data, faces.target)


def test_a_killed_fit_with_attention_continues_to_the_same_bits(faces, tmp_path):

    class Kill(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) > 1:
                raise MemoryError

    params = {"max_epochs": 2, "batch_size": 128, "checkpoint": str(tmp_path / "fit.checkpoint")}
    with pytest.raises(MemoryError):
        small("hybrid", callbacks=[Kill()], **params).fit(faces.data, faces.target)
    resumed = small("hybrid", **params).fit(faces.data, faces.target)
    whole = small("hybrid", **{**params, "checkpoint": None}).fit(faces.data, faces.target)
    for part, other in zip(_weights(resumed), _weights(whole), strict=True):
        assert torch.equal(part, other)


def _weights(clf):
    return list(network_of(clf).state_dict().values())
