"""Writes `reference.json`: what SciPy and statsmodels say about generated cases.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
    venv/bin/python tests/statistics/reference.py > tests/statistics/reference.json

Values are rounded to decimal digits that Rust reads back exactly, before anything is computed from them.
"""

import itertools
import json
import math

import numpy
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

random = numpy.random.default_rng(20261101)


def noise(kind, size):
    if kind == "normal":
        return random.normal(0, 1, size)
    if kind == "t3":
        return random.standard_t(3, size)
    if kind == "spikes":
        return random.normal(0, 0.1, size) + (random.random(size) < 0.15) * 5
    return random.exponential(1, size)


def digits(values, count=12):
    return [float(f"{value:.{count}g}") for value in values]


def finite(value):
    value = float(value)
    return value if math.isfinite(value) else None


def samples():
    """Pairs of positive samples of equal or unequal size: name, baseline, candidate."""
    kinds = ["normal", "t3", "spikes", "exponential"]
    for at in range(120):
        first = int(random.integers(2, 41))
        second = first if at % 3 == 0 else int(random.integers(2, 41))
        level, spread = 10 ** random.uniform(-3, 4), 10 ** random.uniform(-3, -0.7)
        effect = random.choice([0, 0.01, 0.05, 0.3])
        one = level * numpy.exp(spread * noise(kinds[at % 4], first))
        other = level * (1 + effect) * numpy.exp(spread * noise(kinds[at % 4], second))
        yield f"{kinds[at % 4]}-{at}", digits(one), digits(other)
    for at in range(50):
        first = int(random.integers(2, 41))
        second = first if at % 2 == 0 else int(random.integers(2, 41))
        steps = int(random.integers(2, 9))
        one = random.integers(1, steps + 1, first) * 0.25
        other = random.integers(1, steps + 2, second) * 0.25
        yield f"ties-{at}", digits(one), digits(other)
    for at in range(30):
        exponent = int(random.choice([-299, -200, -150, -20, 20, 150, 200, 299]))
        first = int(random.integers(3, 20))
        second = first if at % 2 == 0 else int(random.integers(3, 20))
        one = numpy.exp(0.05 * noise("normal", first))
        other = 1.03 * numpy.exp(0.05 * noise("normal", second))
        scaled = [digits([float(f"{value:.10g}e{exponent}") for value in side]) for side in (one, other)]
        yield f"scale-1e{exponent}-{at}", *scaled
    for size in (2, 3, 5, 8, 20, 40):
        yield f"constant-{size}", [5.0] * size, digits(6 + 0.1 * noise("normal", size))
        yield f"constant-equal-{size}", [0.1] * size, [0.1] * size
        yield f"constant-apart-{size}", [0.1] * size, [0.2] * size


def by_unit(one, other):
    """Both samples in units of the largest, where SciPy does not overflow, and the unit."""
    unit = 2.0 ** math.floor(math.log2(max(*map(abs, one), *map(abs, other))))
    return numpy.array(one) / unit, numpy.array(other) / unit, unit


def welch(one, other):
    one, other, unit = by_unit(one, other)
    if numpy.ptp(one) == 0 and numpy.ptp(other) == 0:
        # SciPy has no answer, or an infinite one.
        return None
    result = stats.ttest_ind(other, one, equal_var=False)
    interval, bounds = result.confidence_interval(0.95), result.confidence_interval(0.90)
    margin = 0.5 * result.confidence_interval(0.5).high
    low, high = -abs(margin), abs(margin)
    return {
        "effect": finite((other.mean() - one.mean()) * unit),
        "degrees": finite(result.df),
        "p_value": finite(result.pvalue),
        "interval": [finite(interval.low * unit), finite(interval.high * unit)],
        "bounds": [finite(bounds.low * unit), finite(bounds.high * unit)],
        "margins": [finite(low * unit), finite(high * unit)],
        "equivalence": finite(ttost_ind(other, one, low, high, usevar="unequal")[0]),
    }


def paired(one, other):
    if len(one) != len(other):
        return None
    one, other, unit = by_unit(one, other)
    if numpy.ptp(other - one) == 0:
        return None
    result = stats.ttest_rel(other, one)
    interval = result.confidence_interval(0.95)
    margin = abs(0.5 * result.confidence_interval(0.5).high)
    return {
        "effect": finite((other - one).mean() * unit),
        "p_value": finite(result.pvalue),
        "interval": [finite(interval.low * unit), finite(interval.high * unit)],
        "margins": [finite(-margin * unit), finite(margin * unit)],
        "equivalence": finite(ttost_paired(other, one, -margin, margin)[0]),
    }


def dealt(one, other):
    """The exact two-sided p-value of shared ranks, by listing every way to deal them."""
    ranks = stats.rankdata([*one, *other])
    middle = len(other) * (len(ranks) + 1) / 2
    seen = abs(ranks[len(one):].sum() - middle)
    sums = [sum(ranks[list(some)]) for some in itertools.combinations(range(len(ranks)), len(other))]
    return sum(abs(some - middle) >= seen - 1e-9 for some in sums) / len(sums)


def mann_whitney(one, other):
    tied = len(set(one + other)) < len(one) + len(other)
    if not tied:
        result, how = stats.mannwhitneyu(one, other, method="exact"), "exact"
    elif len(one) + len(other) <= 16:
        return {"p_value": dealt(one, other), "how": "dealt"}
    elif len(one) + len(other) <= 30:
        return None
    elif len(set(one + other)) == 1:
        return {"p_value": 1.0, "how": "approximate"}
    else:
        result, how = stats.mannwhitneyu(one, other, method="asymptotic"), "approximate"
    return {"p_value": finite(result.pvalue), "how": how}


def mann_whitney_counts(first, second):
    """How many orders give each statistic, in whole numbers of any size."""
    counts = {(0, 0): [1]}

    def of(m, n):
        if m == 0 or n == 0:
            return [1]
        if (m, n) not in counts:
            fewer, same = of(m - 1, n), of(m, n - 1)
            joined = [0] * (m * n + 1)
            for at, count in enumerate(fewer):
                joined[at + n] += count
            for at, count in enumerate(same):
                joined[at] += count
            counts[m, n] = joined
        return counts[m, n]

    return of(first, second)


def signed_rank_counts(pairs):
    counts = [1]
    for rank in range(1, pairs + 1):
        joined = counts + [0] * rank
        for at, count in enumerate(counts):
            joined[at + rank] += count
        counts = joined
    return counts


def inverted(pairwise, counts, probability):
    """The interval of all order statistics that the counted test leaves, or nothing."""
    total, rank, so_far = sum(counts), 0, 0
    limit = probability * total
    while so_far + counts[rank] <= limit:
        so_far += counts[rank]
        rank += 1
    pairwise = sorted(pairwise)
    return [pairwise[rank - 1], pairwise[len(pairwise) - rank]] if rank else None


def least_favourable(pairwise, counts):
    """The p-value with ties counted against an effect."""
    total = sum(counts)
    up_to = sum(value <= 1e-12 for value in pairwise)
    from_zero = sum(value >= -1e-12 for value in pairwise)
    return min(1.0, 2 * sum(counts[: min(up_to, from_zero) + 1]) / total)


def shift(one, other):
    one, other = numpy.log(one), numpy.log(other)
    pairwise = [float(high - low) for low in one for high in other]
    counts = mann_whitney_counts(len(one), len(other))
    tied = len(set(one) | set(other)) < len(one) + len(other)
    p_value = least_favourable(pairwise, counts)
    if not tied:
        exact = stats.mannwhitneyu(other, one, method="exact").pvalue
        assert abs(p_value - exact) <= 1e-12, (p_value, exact)
    return {
        "effect": float(numpy.median(pairwise)),
        "p_value": p_value,
        "interval": inverted(pairwise, counts, 0.025),
        "bounds": inverted(pairwise, counts, 0.05),
    }


def centre(one, other):
    if len(one) != len(other):
        return None
    differences = numpy.log(other) - numpy.log(one)
    walsh = [
        float((first + second) / 2)
        for first, second in itertools.combinations_with_replacement(differences, 2)
    ]
    counts = signed_rank_counts(len(one))
    p_value = least_favourable(walsh, counts)
    if len(set(abs(differences))) == len(differences) and min(abs(differences)) > 1e-12:
        exact = stats.wilcoxon(differences, method="exact").pvalue
        assert abs(p_value - exact) <= 1e-12, (p_value, exact)
    return {
        "effect": float(numpy.median(walsh)),
        "p_value": p_value,
        "interval": inverted(walsh, counts, 0.025),
        "bounds": inverted(walsh, counts, 0.05),
    }


def describe(values):
    scaled, _, unit = by_unit(values, values)
    return {
        "mean": finite(scaled.mean() * unit),
        "standard_deviation": finite(scaled.std(ddof=1) * unit) if numpy.ptp(scaled) else 0.0,
        "median": finite(numpy.median(scaled) * unit),
        "median_absolute_deviation": finite(stats.median_abs_deviation(scaled) * unit),
        "quantiles": [finite(numpy.quantile(scaled, share) * unit) for share in (0.25, 0.75, 0.95)],
    }


def prediction(values):
    if len(values) < 5 or len(set(values)) == 1:
        return None
    logs = numpy.log(values)
    reach = stats.t.isf(0.025, len(logs) - 1) * logs.std(ddof=1) * math.sqrt(1 + 1 / len(logs))
    return [finite(math.exp(logs.mean() - reach)), finite(math.exp(logs.mean() + reach))]


def trend(values):
    if len(values) < 5 or len(set(values)) == 1:
        return None
    result = stats.spearmanr(range(len(values)), values)
    return [finite(result.statistic), finite(result.pvalue)]


def comparisons():
    for name, one, other in samples():
        logs = [numpy.log(side).tolist() for side in (one, other)]
        yield {
            "name": name,
            "baseline": one,
            "candidate": other,
            "describe": describe(one),
            "welch": welch(one, other),
            "welch_on_logs": welch(*logs),
            "paired": paired(one, other),
            "paired_on_logs": paired(*logs),
            "mann_whitney": mann_whitney(one, other),
            "shift_of_logs": shift(one, other),
            "centre_of_logs": centre(one, other),
            "prediction": prediction(one),
            "trend": trend(one),
        }


def adjustments():
    for size in (1, 2, 3, 5, 8, 20, 50):
        p_values = digits(random.random(size) ** 3)
        yield {"p_values": p_values, "adjusted": multipletests(p_values, method="holm")[1].tolist()}


def powers():
    for trials in (3, 4, 5, 7, 8, 10, 20, 30, 100):
        for effect in (0.1, 0.5, 1.0, 2.0, 4.0):
            yield {
                "trials": trials,
                "effect": effect,
                "unpaired": finite(TTestIndPower().power(effect, trials, 0.05, 1.0)),
                "paired": finite(TTestPower().power(effect, trials, 0.05)),
                "unpaired_one_sided": finite(TTestIndPower().power(effect, trials, 0.05, 1.0, alternative="larger")),
            }


def tails():
    for degrees in (1, 1.5, 2, 3, 7.3, 29, 58, 333.3, 1998, 20000):
        for t in (1e-6, 0.1, 1, 2.5, 10, 100):
            yield {"degrees": degrees, "t": t, "tail": finite(stats.t.sf(t, degrees))}


def quantiles():
    for degrees in (1, 1.5, 2, 3, 7.3, 29, 58, 333.3, 1998, 20000, 1e7):
        for probability in (0.4, 0.05, 0.025, 0.005, 1e-5, 1e-9):
            yield {
                "degrees": degrees,
                "probability": probability,
                "quantile": finite(stats.t.isf(probability, degrees)),
            }


print("{")
print(f'"made_by":"numpy {numpy.__version__}, scipy {scipy.__version__}, statsmodels {statsmodels.__version__}"')
for make in (comparisons, adjustments, powers, tails, quantiles):
    cases = [json.dumps(case, separators=(",", ":"), allow_nan=False) for case in make()]
    print(f',"{make.__name__}":[\n' + ",\n".join(cases) + "\n]")
print("}")
