"""Muon's step, taken apart."""

import pytest
import torch

from fer_sklearn.networks._attention import Positions
from fer_sklearn.training._muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    out = orthogonalize([matrix], steps=5)[0]
    values = torch.linalg.svdvals(out)
    assert values.max() < 1.4
    assert values.min() > 0.3
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.dist(out, u @ vh) < 0.4 * torch.linalg.norm(u @ vh)


@pytest.mark.parametrize("shape", [(64, 576), (64, 36)])
def test_three_steps_never_overshoot_and_raise_what_is_weak(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    matrix *= torch.logspace(0, -2, shape[0])[:, None]
    before = torch.linalg.svdvals(matrix / matrix.norm())
    after = torch.linalg.svdvals(orthogonalize([matrix])[0])
    assert after.max() < 1.25
    assert after.median() > 0.6
    assert after.min() > 10 * before.min()


def test_matrices_of_all_sizes_are_orthogonalised_together_as_alone():
    torch.manual_seed(0)
    matrices = [torch.randn(shape) for shape in [(8, 40), (16, 16), (8, 12), (40, 8), (16, 90)]]
    for matrix, out in zip(matrices, orthogonalize(matrices), strict=True):
        torch.testing.assert_close(out, orthogonalize([matrix])[0], rtol=1e-4, atol=1e-5)
    assert orthogonalize([]) == []


def test_the_layout_of_filters_in_memory_changes_no_step():
    torch.manual_seed(0)
    filters, gradient = torch.randn(8, 4, 3, 3), torch.randn(8, 4, 3, 3)
    moved = []
    for layout in (torch.contiguous_format, torch.channels_last):
        parameter = torch.nn.Parameter(filters.clone().to(memory_format=layout))
        parameter.grad = gradient.to(memory_format=layout)
        Muon([parameter], lr=0.1).step()
        moved.append(parameter.detach())
    torch.testing.assert_close(*moved)


def test_filters_keep_unit_norm_and_move_by_the_learning_rate():
    filters = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    before = (filters / filters.norm() * 8**0.5).detach()
    (filters * torch.randn(8, 4, 3, 3)).sum().backward()
    Muon([filters], lr=0.1).step()
    moved = (filters - before).norm() / before.norm()
    assert 0.02 < moved < 0.15


def test_positions_keep_their_size():
    """They are added to the faces of a batch: unit norm would all but delete them."""
    positions = Positions(16, 6, 6)
    before = positions.weight.detach().clone()
    positions(torch.randn(4, 16, 6, 6)).square().sum().backward()
    Muon([positions.weight]).step()
    assert 0 < (positions.weight - before).abs().max() < 0.004


def test_what_is_no_filter_moves_as_under_adam():
    def train(make):
        torch.manual_seed(0)
        layer = torch.nn.Linear(5, 3)
        optimizer = make(layer.parameters())
        for _ in range(4):
            optimizer.zero_grad()
            layer(torch.ones(2, 5)).square().sum().backward()
            optimizer.step()
        return torch.cat([parameter.detach().flatten() for parameter in layer.parameters()])

    ours = train(lambda params: Muon(params, lr=0.1, adam_factor=0.1))
    adam = train(lambda params: torch.optim.Adam(params, lr=0.01, betas=(0.9, 0.99)))
    torch.testing.assert_close(ours, adam)


def test_parameters_without_a_gradient_stay():
    parameter = torch.nn.Parameter(torch.ones(2, 2, 3, 3))
    Muon([parameter]).step()
    assert (parameter == 1).all()
