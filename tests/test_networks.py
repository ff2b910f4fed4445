import pickle
import threading

import pytest
import torch
from torch import nn

from fer_sklearn import networks
from fer_sklearn.networks import CNN, NETWORKS, ResNet, _layers, build_network, register_network
from fer_sklearn.networks._layers import Dropout, Logits, MeanPool, SpaceToDepth
from fer_sklearn.networks._low_precision import in_low_precision


@pytest.mark.parametrize("network", ["cnn", "hybrid", "resnet", "vit"])
@pytest.mark.parametrize("shape", [(48, 48), (24, 36), (7, 5), (1, 10), (1, 1)])
def test_networks_take_any_shape(network, shape):
    module = build_network(network, n_classes=3, image_shape=shape)
    assert module(torch.zeros(4, 1, *shape)).shape == (4, 3)


def count(module, kind):
    return sum(isinstance(layer, kind) for layer in module.modules())


def test_cnn_is_made_of_the_reports_blocks():
    cnn = CNN(7, (48, 48), widths=(8, 16), depth=3, hidden_units=(32, 16), dropout=0.5)
    assert count(cnn, nn.Conv2d) == count(cnn, nn.BatchNorm2d) == 6
    assert count(cnn, nn.MaxPool2d) == 2
    assert count(cnn, nn.Linear) == count(cnn, Dropout) == 3
    assert cnn.head[2].in_features == 16 * 12 * 12
    assert {layer.p for layer in cnn.modules() if isinstance(layer, Dropout)} == {0.5}


def test_resnet_parameters_reach_the_layers():
    resnet = ResNet(7, (48, 48), widths=(8, 16), depth=2, dropout=0.1)
    assert count(resnet, nn.Conv2d) == 2 + 2 * 2 * 2
    assert resnet.head[-1].in_features == 16


@pytest.mark.parametrize(
    ("name", "layer"), [("gelu", nn.GELU), ("silu", nn.SiLU), ("relu", nn.ReLU)]
)
def test_resnet_takes_an_activation(name, layer):
    resnet = ResNet(7, (48, 48), activation=name)
    assert count(resnet, layer) == 9  # three a stage
    assert count(resnet, (nn.GELU, nn.SiLU, nn.ReLU)) == 9


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="Unknown activation 'swish'"):
        ResNet(7, (48, 48), activation="swish")


def test_space_to_depth_loses_nothing():
    x = torch.arange(2 * 5 * 6.0).view(2, 1, 5, 6)
    folded = SpaceToDepth()(x)
    assert folded.shape == (2, 4, 3, 3)
    assert set(folded.flatten().tolist()) == set(x.flatten().tolist())


def test_the_mean_of_a_channel_is_torchs_to_the_bit():
    x = torch.randn(4, 16, 6, 5).to(memory_format=torch.channels_last)
    assert torch.equal(MeanPool()(x), nn.AdaptiveAvgPool2d(1)(x))


def test_gradients_are_stored_like_the_maps():
    """Otherwise the last batch norm and GELU take thirty times as long on a CPU."""
    resnet = ResNet(7, (24, 24), widths=(8, 16)).to(memory_format=torch.channels_last)
    like_maps = []

    def note(module, args, output):
        output.register_hook(
            lambda grad: like_maps.append(grad.is_contiguous(memory_format=torch.channels_last))
        )

    for layer in resnet.features.modules():
        if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d, nn.GELU)):
            layer.register_forward_hook(note)
    x = torch.randn(4, 1, 24, 24).to(memory_format=torch.channels_last)
    resnet(x).square().sum().backward()
    assert len(like_maps) == 18  # three layers for each of six convolutions
    assert all(like_maps)


@pytest.mark.parametrize("shape", [(16, 3, 6, 6), (13, 3, 4, 7), (1, 2, 1, 1)])
def test_the_gradient_of_weights_is_the_same_side_by_side(shape):
    x = torch.randn(shape, requires_grad=True)
    weight = torch.randn(5, shape[1], 3, 3, requires_grad=True)
    gradients = []
    for convolution in (
        lambda: nn.functional.conv2d(x, weight, padding=1),
        lambda: _layers._Convolution.apply(x, weight),
    ):
        out = convolution()
        gradients.append(
            torch.autograd.grad(
                (out * torch.arange(len(out[0]) * 1.0)[:, None, None]).square().sum(), (x, weight)
            )
        )
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("amx", "training"), [(True, True), (True, False), (False, True)])
def test_maps_lie_side_by_side_only_where_that_is_faster(amx, training, monkeypatch):
    laid = []

    def note(maps):
        laid.append(tuple(maps.shape[1:]))
        return side_by_side(maps)

    side_by_side = _layers.side_by_side
    monkeypatch.setattr(_layers, "side_by_side", note)
    monkeypatch.setattr(_layers, "has_amx", lambda device: amx)
    resnet = ResNet(7, (32, 32), widths=(8, 128)).train(training)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = resnet(torch.randn(4, 1, 32, 32)).sum()
    loss.backward()
    # A gradient and a map for each of the two convolutions on 8 x 8 places.
    assert laid == ([(128, 8, 8)] * 4 if amx and training else [])


def test_dropout_drops_the_stated_share_and_keeps_the_mean():
    x = torch.ones(100, 100)
    out = Dropout(0.3).train()(x)
    assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert out.mean().item() == pytest.approx(1, abs=0.03)
    assert Dropout(0.3).eval()(x) is x


def test_registered_networks_are_known_by_name(monkeypatch):
    monkeypatch.setattr("fer_sklearn.networks.NETWORKS", dict(NETWORKS))

    def wide(n_classes, image_shape, **params):
        return CNN(n_classes, image_shape, widths=(64,), **params)

    register_network("wide", wide)
    register_network("wide", wide)
    assert build_network("wide", n_classes=2, image_shape=(8, 8)).head[-1].out_features == 2
    with pytest.raises(ValueError, match="'cnn' is taken"):
        register_network("cnn", wide)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("n_features", [32, 64, 80])
def test_logits_do_not_depend_on_the_place_in_the_batch(n_classes, n_features):
    layer, x = Logits(n_features, n_classes).eval(), torch.randn(4, n_features)
    with torch.inference_mode():
        expected = layer(x)
        assert torch.allclose(
            expected, nn.functional.linear(x, layer.weight, layer.bias), atol=1e-6
        )
        for places in range(1, 4):
            assert torch.equal(layer(x.roll(places, 0)), expected.roll(places, 0))


@pytest.mark.parametrize("n_classes", [2, 7, 20])
def test_logits_do_not_depend_on_the_number_of_rows(n_classes):
    layer, x = Logits(256, n_classes).eval(), torch.randn(128, 256)
    with torch.inference_mode():
        expected = layer(x)
        for rows in (1, 2, 3, 8, 16, 64):
            assert torch.equal(torch.cat([layer(part) for part in x.split(rows)]), expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_in_low_precision_answers_as_autocast_does(name):
    torch.manual_seed(0)
    network, x = build_network(name, n_classes=7, image_shape=(24, 24)), torch.randn(16, 1, 24, 24)
    for _ in range(3):
        network(x)  # so batch norm has something to do
    before = {key: value.clone() for key, value in network.eval().state_dict().items()}
    low = in_low_precision(network, torch.bfloat16)
    with torch.inference_mode():
        exact = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            usual, answers = network(x), low(x)
    spread = exact.std()
    assert (usual - exact).abs().max() < 0.1 * spread
    assert (answers - exact).abs().max() < 0.1 * spread
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_a_copy_in_low_precision_has_less_to_do():
    network = build_network("resnet", n_classes=7, image_shape=(24, 24)).eval()
    layers = [*in_low_precision(network, torch.bfloat16).modules()]
    assert {layer.weight.dtype for layer in layers if isinstance(layer, nn.Conv2d)} == {
        torch.bfloat16
    }
    # After max-pooling it stays: what is largest may be another one once it is scaled.
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in layers) == 2
    own = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    assert [type(layer) for layer in in_low_precision(own, torch.bfloat16)] == [*map(type, own)]


class Flat(nn.Sequential):
    """A linear classifier of faces of 4 x 4 pixels."""

    def __init__(self, n_classes, image_shape=(4, 4)):
        super().__init__(nn.Flatten(), nn.Linear(16, n_classes))


def known_elsewhere(monkeypatch):
    """Pretend to be a process that knows the shipped networks only."""
    monkeypatch.setattr(networks, "NETWORKS", {"cnn": networks.CNN, "resnet": networks.ResNet})
    monkeypatch.setattr(networks, "_LOST", {})


@pytest.mark.parametrize("pickler", ["cloudpickle", "joblib.externals.cloudpickle"])
def test_a_registered_network_is_carried_to_where_its_name_is_unknown(pickler, monkeypatch):
    found = pytest.importorskip(
        pickler, reason="joblib 1.6 needs the first, older ones bring the second"
    )
    monkeypatch.setattr(networks, "cloudpickle", found)
    known_elsewhere(monkeypatch)
    networks.register_network("carried", lambda n_classes, image_shape: Flat(n_classes))
    stored = pickle.dumps(networks.carried_networks())
    assert networks.carried_networks("cnn", None) == []
    known_elsewhere(monkeypatch)
    (carried,) = pickle.loads(stored)
    assert carried.name == "carried"
    network = build_network("carried", n_classes=3, image_shape=(4, 4))
    assert type(network).__name__ == "Flat"


def test_a_name_that_is_known_keeps_its_network(monkeypatch):
    known_elsewhere(monkeypatch)
    networks.register_network("carried", Flat)
    stored = pickle.dumps(networks.carried_networks("carried"))
    known_elsewhere(monkeypatch)
    networks.register_network("carried", networks.CNN)
    pickle.loads(stored)
    assert networks.NETWORKS["carried"] is networks.CNN


def test_a_network_that_cannot_be_carried_is_told_when_it_is_asked_for(monkeypatch):
    known_elsewhere(monkeypatch)
    lock = threading.Lock()  # cannot be pickled
    networks.register_network("carried", lambda n_classes, image_shape: lock)
    stored = pickle.dumps(networks.carried_networks())
    known_elsewhere(monkeypatch)
    pickle.loads(stored)
    with pytest.raises(ValueError, match=r"Unknown network 'carried'.*not be loaded here.*lock"):
        build_network("carried", n_classes=3, image_shape=(4, 4))
