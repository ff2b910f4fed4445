import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fer_sklearn import FaceAugmenter
from fer_sklearn.augment import AugmentedArray, RandomAffine, RandomErase, sample_inside

OFF = FaceAugmenter.off().get_params()
EFFECTS = {
    "rotation": 20.0,
    "shift": 0.2,
    "scale": 0.2,
    "flip": 0.5,
    "brightness": 0.3,
    "contrast": 0.3,
    "erase": 0.9,
}


@pytest.fixture
def batch():
    return torch.randn(64, 1, 24, 24, generator=torch.Generator().manual_seed(0))


def test_all_off_has_no_layers_and_changes_nothing(batch):
    layers = FaceAugmenter.off().make_layers().train()
    assert len(layers) == 0
    assert torch.equal(layers(batch), batch)


@pytest.mark.parametrize("effect", EFFECTS)
def test_each_effect_alone_changes_training_faces(effect, batch):
    layers = FaceAugmenter(**{**OFF, effect: EFFECTS[effect]}).make_layers().train()
    assert not torch.equal(layers(batch), batch)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_at_zero_is_gone_exactly(effect, batch):
    """Its own layer's share is the identity, whatever the others do."""
    others = {**EFFECTS, effect: 0}
    layers = FaceAugmenter(**others).make_layers()
    if effect == "flip":
        assert "RandomFlip" not in repr(layers)
    if effect == "erase":
        assert "RandomErase" not in repr(layers)
    alone = FaceAugmenter(**{**OFF, effect: 0}).make_layers().train()
    assert torch.equal(alone(batch), batch)


def test_no_effect_in_eval_mode(batch):
    layers = FaceAugmenter(**EFFECTS).make_layers().eval()
    assert torch.equal(layers(batch), batch)


def test_draws_are_fresh_for_every_batch_and_face(batch):
    layers = FaceAugmenter(**EFFECTS).make_layers().train()
    same = batch[:1].expand(64, -1, -1, -1).contiguous()
    first, second = layers(same), layers(same)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_flip_mirrors_whole_faces(batch):
    flipped = FaceAugmenter(**{**OFF, "flip": 0.5}).make_layers().train()(batch)
    mirrored = (flipped == batch.flip(-1)).all(dim=(1, 2, 3))
    kept = (flipped == batch).all(dim=(1, 2, 3))
    assert (mirrored | kept).all()
    assert 16 < mirrored.sum() < 48


def test_brightness_is_a_fraction_of_the_gray_range(batch):
    brighter = FaceAugmenter(**{**OFF, "brightness": 0.25}).make_layers().train()(batch)
    change = (brighter - batch).mean(dim=(1, 2, 3))
    assert change.abs().max() <= 0.25 * 4
    assert change.abs().max() > 0.2 * 4


def test_contrast_keeps_the_mean(batch):
    changed = FaceAugmenter(**{**OFF, "contrast": 0.5}).make_layers().train()(batch)
    torch.testing.assert_close(changed.mean(dim=(2, 3)), batch.mean(dim=(2, 3)))
    factor = changed.std(dim=(2, 3)) / batch.std(dim=(2, 3))
    assert 0.5 <= factor.min() < 0.7
    assert 1.3 < factor.max() <= 1.5


def test_erase_blanks_at_most_the_stated_area():
    x = torch.arange(24 * 24.0).view(1, 1, 24, 24).repeat(200, 1, 1, 1)
    erased = RandomErase(1.0, 0.2).train()(x) != x
    share = erased.float().mean(dim=(1, 2, 3))
    assert share.min() > 0
    assert share.max() <= 0.2 * 1.35  # whole pixels


@pytest.mark.parametrize(("height", "width"), [(24, 24), (16, 32)])
def test_rotation_turns_by_the_angle(height, width):
    """A bright spot right of the middle moves along a circle, also in oblong images."""
    x = torch.zeros(1, 1, height, width)
    x[..., height // 2, width // 2 + 6] = 1
    layer = RandomAffine(rotation=90, scale=0, shift=0).train()
    layer.uniform = lambda x, low, high: torch.full((1, 1, 1, 1), high)
    turned = layer(x)[0, 0]
    row, column = divmod(int(turned.argmax()), width)
    assert abs(column - width / 2) <= 1
    assert abs(abs(row - height / 2) - 6) <= 1.5


def test_shift_is_a_fraction_of_the_side():
    x = torch.zeros(1, 1, 20, 20)
    x[..., 10, 10] = 1
    layer = RandomAffine(rotation=0, scale=0, shift=0.25).train()
    layer.uniform = lambda x, low, high: torch.full((1, 1, 1, 1), high)
    assert divmod(int(layer(x).argmax()), 20) == (5, 5)


def test_a_generator_makes_draws_repeatable(batch):
    layers = FaceAugmenter(**EFFECTS).make_layers().train()

    def draw():
        generator = torch.Generator().manual_seed(3)
        for layer in layers:
            layer.generator = generator
        return layers(batch)

    assert torch.equal(draw(), draw())


def test_transform_is_the_identity_with_settings_attached(faces):
    augmenter = FaceAugmenter(rotation=5)
    handed_on = augmenter.fit_transform(faces.data)
    assert isinstance(handed_on, AugmentedArray)
    assert handed_on.augmenter is augmenter
    assert handed_on.dtype == np.uint8
    np.testing.assert_array_equal(handed_on, faces.data)
    assert handed_on[:5].augmenter is augmenter
    assert not hasattr(np.asarray(handed_on), "augmenter")


def test_draw_shows_augmented_faces(faces):
    normalized = faces.data[:4].astype(np.float32) / 64 - 2
    augmenter = FaceAugmenter()
    drawn = augmenter.draw(normalized, random_state=0)
    assert drawn.shape == normalized.shape
    assert not np.allclose(drawn, normalized)
    np.testing.assert_array_equal(drawn, augmenter.draw(normalized, random_state=0))
    assert not np.allclose(drawn, augmenter.draw(normalized, random_state=1))


def test_faces_are_drawn_however_their_numbers_lie_in_memory(faces):
    normalized = faces.data[:4].astype(np.float32) / 64 - 2
    expected = FaceAugmenter().draw(normalized, random_state=0)
    backwards = np.ascontiguousarray(normalized[::-1])[::-1]
    for form in (normalized.astype(">f4"), backwards, np.asfortranarray(normalized)):
        np.testing.assert_array_equal(FaceAugmenter().draw(form, random_state=0), expected)


@pytest.mark.parametrize("bad", [{"rotation": -1}, {"flip": 1.5}, {"scale": 1.0}, {"erase": "a"}])
def test_settings_out_of_range_are_refused(bad, faces):
    with pytest.raises(ValueError, match=f"The '{next(iter(bad))}' parameter of FaceAugmenter"):
        FaceAugmenter(**bad).fit(faces.data)


def test_sampling_inside_is_border_padding():
    """Apple's GPUs have the one, every other device the other."""
    x = torch.rand(3, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    grid = torch.rand(3, 5, 8, 2, generator=torch.Generator().manual_seed(1)) * 4 - 2
    border = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(sample_inside(x, grid), border)
