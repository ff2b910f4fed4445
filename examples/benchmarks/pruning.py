"""Which trials may be pruned, and when: trials trained to the end, replayed under several rules.

    python examples/benchmarks/pruning.py data/fer2013.csv --trials 48

Parameters around `preset("fast")` are drawn at random, and all trials are trained to the end: a
narrow network on 4,000 faces of Training, scored on a tenth of Training that has no copy in the
rest. Processes that run at the same time share the trials. Then each rule sees them like a search,
one after the other, in many random orders. The script prints the share of the epochs that it would
have trained, how often it would have kept the best trial, and the best score that it would have
found after a quarter or half of the epochs. Then the same for only the better half of the trials: a
search that has learned where to look draws such trials.
"""

import _study as study
import numpy as np
import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution
from optuna.pruners import MedianPruner, NopPruner, PercentilePruner
from optuna.trial import TrialState, create_trial


def main():
    parser = study.make_parser(
        __doc__, "path", trials=48, faces=4000, widths=[16, 32, 64], epochs=10, orders=100
    )
    parser.add_argument("--storage", default="runs/pruning.log", help="file of the trials")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.show_machine("torch", "optuna", "scikit-learn")
    X, y, some, test = study.split_training(args, args.faces)
    search = study.proxy_search(args, [(some, test)])
    search.set_params(sampler=optuna.samplers.RandomSampler(), pruner=NopPruner()).fit(X, y)
    # No trial is missing, so this trains nothing: it opens the study with the usual pruner.
    usual = search.set_params(pruner=None).fit(X, y).study_.pruner
    trials = search.study_.get_trials(states=(TrialState.COMPLETE,))
    curves = np.array([list(trial.intermediate_values.values()) for trial in trials])
    show_curves(curves, trials)
    better = curves[np.argsort(-curves[:, -1])[: -(-len(curves) // 2)]]
    for name, group in (("all", curves), ("the better half", better)):
        rng = np.random.default_rng(0)
        orders = [rng.permutation(len(group)) for _ in range(args.orders)]
        rules = rules_of(args.epochs, usual)
        rows = [{name: rule, **judge(group, pruner, orders)} for rule, pruner in rules.items()]
        print(pd.DataFrame(rows).to_string(index=False, float_format="{:.4f}".format))


def rules_of(epochs, usual):
    """Return {name: pruner}; `usual` is the default of `FERSearchCV`."""
    return {
        "none": NopPruner(),
        "Optuna's median": MedianPruner(),
        "Optuna's median after 1/3": MedianPruner(5, epochs // 3),
        "Optuna's worst quarter after 1/3": PercentilePruner(75, 5, epochs // 3),
        "worst quarter after 1/3": usual,
        "worst quarter after 1/2": type(usual)(epochs // 2),
        "worst quarter after 4/5": type(usual)(4 * epochs // 5),
    }


def show_curves(curves, trials):
    """Print how well the accuracy after each epoch predicts that at the end."""
    ends = pd.Series([trial.value for trial in trials])
    print(ends.describe().to_string(float_format="{:.4f}".format))
    table = pd.DataFrame(curves[:, :-1], columns=range(1, curves.shape[1]))
    table.columns.name = "epoch"
    shown = {"mean": table.mean(), "rank correlation": table.corrwith(ends, method="spearman")}
    print(pd.DataFrame(shown).T.to_string(float_format="{:.3f}".format))
    by_schedule = table.groupby([trial.params["schedule"] for trial in trials]).mean()
    print(by_schedule.to_string(float_format="{:.3f}".format))


def judge(curves, rule, orders):
    """Return means over the orders."""
    replays = pd.DataFrame([replay(curves[order], rule) for order in orders])
    return replays.mean().to_dict()


def replay(curves, rule):
    """Search the trials in this order; return the epochs spent and the best scores by then."""
    replayed = optuna.create_study(direction="maximize", pruner=rule)
    spent, best = [0], [0.0]
    for number, curve in enumerate(curves):
        steps = seen(replayed, rule, number, curve)
        replayed.add_trial(trial_of(number, curve[:steps], steps == len(curve)))
        spent.append(spent[-1] + steps)
        best.append(max(best[-1], curve[-1] if steps == len(curve) else 0.0))
    found = {"trained": spent[-1] / curves.size, "best kept": best[-1] == curves[:, -1].max()}
    for name, share in (("a quarter", 0.25), ("half", 0.5)):
        within = np.searchsorted(spent, share * curves.size, side="right") - 1
        found[f"found by {name}"] = best[within]
    return found


def seen(replayed, rule, number, curve):
    """Return how many values of a trial the rule allows; after the last one it ends anyway."""
    for steps in range(1, len(curve)):
        if rule.prune(replayed, trial_of(number, curve[:steps], None)):
            return steps
    return len(curve)


def trial_of(number, values, is_complete):
    """Return a trial that reported these values and is complete, pruned or, if None, running."""
    states = {True: TrialState.COMPLETE, False: TrialState.PRUNED, None: TrialState.RUNNING}
    trial = create_trial(
        state=TrialState.COMPLETE,
        value=float(values[-1]),
        params={"number": number},
        distributions={"number": CategoricalDistribution([number])},
        intermediate_values=dict(enumerate(map(float, values))),
    )
    trial.state = states[is_complete]
    if not is_complete:
        trial.value = None
    return trial


if __name__ == "__main__":
    main()
