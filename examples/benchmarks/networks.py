"""What each network costs, by the size of the faces: weights, multiplications, time.

    OMP_NUM_THREADS=1 python examples/benchmarks/networks.py
    OMP_NUM_THREADS=1 python examples/benchmarks/networks.py --networks hybrid --sizes 224 \
        --widths 64 128 192 256

MMAC are millions of multiplications, each with its addition, that one view of a face needs. Times
are processor times of one thread, so that other work on the machine has little effect. Training is
`fit` with SGD (Muon adds a fixed time to every step), in the precision that suits the machine;
prediction is `predict_proba` of one view in float32. Compare them as ratios to the first row.
"""

import time
from statistics import median

import _study as study
import torch
from skorch.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.networks import build_network

COLUMNS = ("network", "pixels", "million weights", "MMAC", "faces/s", "ratio", "ms a face", "ratio")


def main():
    args = parse_arguments()
    study.show_machine("torch")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    first = None
    for network in args.networks:
        params = {"widths": args.widths} if args.widths else {}
        for size in args.sizes:
            weights, products = size_of(network, size, params)
            share = min(1, 48**2 / size**2)  # so that large faces take no longer
            faces = make_faces(max(16, round(args.faces * share)), image_size=size, random_state=0)
            clf = FERClassifier(network, **params, optimizer="sgd", random_state=0)
            clf.set_params(batch_size=max(8, round(args.batch * share)))
            speed = trained_in_a_second(clf, faces, args.repeats)
            each = predicted_in(clf, faces, args.repeats)
            first = first or (speed, each)
            cost = f"{weights / 1e6:.1f} | {products / 1e6:.0f}"
            training = f"{speed:.3g} | {speed / first[0]:.3g}"
            prediction = f"{1e3 * each:.3g} | {each / first[1]:.3g}"
            print(f"| {network} | {size} | {cost} | {training} | {prediction} |", flush=True)


def size_of(network, size, params):
    """Return the numbers of weights and of multiplications."""
    module = build_network(network, n_classes=7, image_shape=(size, size), **params)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        module(torch.zeros(1, 1, size, size))
    return sum(part.numel() for part in module.parameters()), counter.get_total_flops() / 2


class Clock(Callback):
    """Notes the processor's time of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.times = []

    def on_epoch_begin(self, net, **kwargs):
        self.start = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        self.times.append(time.process_time() - self.start)


def trained_in_a_second(clf, faces, repeats):
    """Return faces per second, without the first epoch, which allocates memory."""
    clock = Clock()
    clf.set_params(max_epochs=1 + repeats, callbacks=[clock]).fit(faces.data, faces.target)
    return len(faces.data) / median(clock.times[1:])


def predicted_in(clf, faces, repeats):
    """Return the seconds per face, without the first call, which allocates memory."""
    times = []
    for _ in range(1 + repeats):
        start = time.process_time()
        clf.predict_proba(faces.data)
        times.append(time.process_time() - start)
    return median(times[1:]) / len(faces.data)


def parse_arguments():
    parser = study.make_parser(__doc__, "--widths", faces=128, repeats=3, batch=64)
    names = ["resnet", "cnn", "hybrid", "vit"]
    parser.add_argument("--networks", nargs="+", default=names, help="to compare")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[48, 96, 112, 224], help="sides of faces in pixels"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
