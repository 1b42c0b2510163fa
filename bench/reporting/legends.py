"""What the headings of the tables mean, for readers of the page."""

from collections.abc import Iterable, Mapping

TIME = "median over the rounds of a session; a C behind it: disturbed, see below"
RUNS = {
    "model": "the network; options where they tell two sizes apart",
    "method": "how it was trained: plain, on turned samples (augment) or with a penalty on what "
    "breaks the symmetry (remul and its schedules); behind a plus what was done after training",
    "steps": "steps of training",
    "seeds": "finished runs, over which a row is averaged",
    "MSE x 1e3": "mean squared error on the test split, in thousandths; smaller is more accurate",
    "OOD MSE x 1e3": "the same out of distribution: on poses turned further than in training",
    "median SE": "median of the squared errors of the test split's samples",
    "OOD median SE": "the same out of distribution",
    "largest SE": "the largest squared error of a sample of the test split",
    "E'": "equivariance error, the mean of |f(g x) - g f(x)| over rotations g (REMUL, Eq. 9), in "
    "units of the output; 0 is exactly equivariant, about 1e-7 is round-off",
    "rel. error": "relative equivariance error, the mean of |f(g x) - g f(x)| / |g f(x)|; about "
    "1e-7 is round-off, about 1 is no symmetry at all",
    "E' p95": "that error of which 19 in 20 samples and rotations stay below",
    "E' largest": "the largest of all samples and rotations",
    "rel. error p95": "the same of the relative error",
    "rel. error largest": "the largest relative error",
    "params": "trained parameters",
    "MFLOP": "millions of floating-point operations of one inference, those of matrix products and "
    "attention",
    "step ms": f"time of a training step on one batch: {TIME}",
    "infer ms": "time of inference of one batch, likewise",
    "x step": "how many times faster a training step is than that of the best equivariant network "
    "(the notes name it); above 1 is faster, 1 is that network itself",
    "x infer": "the same of inference",
    "step samples/s": "samples that training steps take in per second",
    "infer samples/s": "samples that inference answers per second",
    "published": "mean squared errors from the literature, and how sure we are of each",
}
SPEED = {
    "model": "the network, with options where it is not of default size",
    "nodes x batch": "objects per sample, and samples per call",
    "mode": "how it is run (eager, compiled, as a CUDA graph, or both), and in which precision",
    "params": RUNS["params"],
    "GFLOP": "billions of floating-point operations of one inference",
    "infer ms": f"time of inference: {TIME}",
    **dict.fromkeys(
        ("infer x unit", "step x unit", "augment x unit", "remul x unit"),
        "the time before it over that of the default Transformer, eager, in the same rounds; "
        "above 1 is slower",
    ),
    "step ms": "time of a plain training step",
    "augment ms": "time of a step on turned samples",
    "remul ms": "time of a step with the equivariance penalty, which is two samples wide",
    "first call s": "seconds of the first training step, compilation with it",
    "break-even": "steps after which the mode has made up for its first call",
    "step MB": "most megabytes alive at once that a step made",
    "step mJ": "energy of a step, where the device tells it",
    "step samples/s": RUNS["step samples/s"],
    "infer samples/s": RUNS["infer samples/s"],
    "of peak": "shares of the machine's rates of matrix products / of copying that a step reaches",
}
PEERS = {
    "peer": "a network of another package, and the package's version",
    "job": "what both do: vectors, an energy, or forces from one",
    "our model": "our network of the same kind, as wide as to have as many parameters",
    "smaller class": "the side whose functions are fewer by design, if one is; a note says why",
    "nodes x batch": SPEED["nodes x batch"],
    "their params": RUNS["params"],
    "our params": RUNS["params"],
    "their MFLOP": RUNS["MFLOP"],
    "our MFLOP": RUNS["MFLOP"],
    "theirs": "inference / training: their time over that of a Transformer in the same process; "
    "above 1 is slower than it",
    "ours": "the same of ours",
    "x faster, inference": "their time over ours, and the range of the rounds; above 1 ours is "
    "faster",
    "x faster, training": "the same of a training step",
    "their MB": "most megabytes alive at once that a training step made",
    "our MB": "the same of ours",
}


def explain_runs(headings: Iterable[str]) -> Mapping[str, str]:
    """Return what headings of a task's table mean, those of its own splits and scores too."""
    return {heading: RUNS.get(heading) or _explain_own(heading) for heading in headings}


def _explain_own(heading: str) -> str:
    split, mse, _ = heading.partition(" MSE x 1e3")
    return f"the same on the split {split.lower()}" if mse else "a score of the task's own"
