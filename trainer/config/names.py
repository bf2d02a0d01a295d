"""The name that a person meant: the nearest that exists, or what another library calls the same thing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from trainer.errors import nearest

__all__ = ["KEYS", "NAMES", "meant", "unknown"]

# What other libraries call it, without underscores and in lower case: scikit-learn, Keras, PyTorch, Lightning, JAX.
_KEYS = {
    "step_size": "lr learningrate learnrate stepsize learningrateinit eta eta0 epsilon initiallr baselr alpha schedule",
    "cost": "loss lossfn lossfunction lossfunc criterion objective costfunction",
    "network": "layers model net architecture nn hiddenlayers hiddenlayersizes neuralnetwork mlp",
    "dataset": "data datasets traindata trainingdata input inputs",
    "optimizer": "optimiser optim opt solver algorithm",
    "batch_size": "batch minibatch minibatchsize bs batchsizes",
    "epochs": "nepochs numepochs maxepochs epoch numberofepochs maxiter iterations niter passes",
    "seed": "randomstate randomseed rng rngseed",
    "metrics": "metric scores scoring evaluation",
    "plugins": "plugin extensions imports",
    "clip": "clipnorm clipvalue globalclipnorm clipping gradientclip gradclip gradientclipval maxgradnorm clipgradnorm",
    "accumulate": "accumulation gradientaccumulation gradientaccumulationsteps accumulategradbatches",
    "average": "ema useema emadecay emamomentum averaging movingaverage exponentialmovingaverage polyak",
    "compute": "hardware device runtime system",
    "name": "runname title experiment experimentname",
    "test_fraction": "testsize testsplit testratio validationsplit validationfraction valsplit split holdout",
    "standardize": "standardise standardized standardization scale scaling normalize normalise normalized zscore",
    "one_hot": "onehot onehotencode categorical tocategorical",
    "stratify": "stratified",
    "path": "file filename filepath csv npz npy source location",
    "target": "targetcolumn label labels labelcolumn y ycolumn output outputs",
    "dtype": "precision floatx floattype numbertype",
    "threads": "nthreads numthreads njobs workers numworkers cpus ncpus",
    "rows": "nsamples samples numsamples size n",
    "units": "size width nunits hidden neurons outfeatures outputs features",
    "bias": "usebias fitintercept intercept",
    "start": "lr baselr initiallr initiallearningrate initialvalue initvalue",
    "end": "etamin minlr endvalue endlr endlearningrate finallr",
    "steps": "tmax totaliters totalsteps decaysteps transitionsteps",
    "factor": "gamma decayrate",
    "every": "stepsize",
    "at": "milestones boundaries",
    "period": "t0 firstdecaysteps",
    "multiply": "tmult tmul",
    "peak": "maxlr maxlearningrate peakvalue",
    "rise": "pctstart",
    "divisor": "divfactor",
    "final_divisor": "finaldivfactor",
    "warmup": "warmupsteps warmupiters",
    "eps": "epsilon",
    "rho": "alpha decay",
    "weight_decay": "wd l2 l2penalty",
    "initial": "init initializer kernelinitializer weightinit initialization",
}
_NAMES = {
    "dense": "linear fullyconnected fc affine",
    "softmax_cross_entropy": "crossentropy crossentropyloss categoricalcrossentropy sparsecategoricalcrossentropy nll "
    "logloss softmaxcrossentropywithlogits negativeloglikelihood",
    "sigmoid_cross_entropy": "binarycrossentropy bce bceloss bcewithlogitsloss bcewithlogits logisticloss",
    "mean_squared_error": "mse mseloss l2 l2loss squarederror leastsquares",
    "mean_absolute_error": "mae maeloss l1 l1loss absoluteerror",
    "huber": "smoothl1 smoothl1loss huberloss hubererror",
    "sgd": "gradientdescent gd stochasticgradientdescent minibatchgradientdescent",
    "momentum": "sgdmomentum sgdm heavyball",
    "nesterov": "nag sgdnesterov nesterovmomentum",
    "step": "steplr stepdecay staircase",
    "milestones": "multistep multisteplr piecewiseconstant piecewiseconstantdecay",
    "exponential": "exponentiallr exponentialdecay",
    "polynomial": "polynomiallr polynomialdecay linearlr linear lineardecay",
    "cosine": "cosineannealing cosineannealinglr cosinedecay",
    "warm_restarts": "sgdr cosineannealingwarmrestarts cosinedecayrestarts cosinerestarts",
    "one_cycle": "onecyclelr superconvergence",
    "plateau": "reducelronplateau reduceonplateau onplateau",
    "sigmoid": "logistic",
    "swish": "silu",
    "relu": "rectifier rectifiedlinear",
    "accuracy": "acc",
    "r2": "r2score rsquared",
    "digits": "mnist mnist8x8",
    "moons": "twomoons makemoons halfmoons",
}


def _reversed(table: Mapping[str, str]) -> dict[str, list[str]]:
    meanings: dict[str, list[str]] = {}
    for name, synonyms in table.items():
        for synonym in synonyms.split():
            meanings.setdefault(synonym, []).append(name)
    return meanings


KEYS = _reversed(_KEYS)
NAMES = _reversed(_NAMES)


def meant(name: str, names: Collection[str], synonyms: Mapping[str, list[str]]) -> str | None:
    """The one of `names` that `name` stands for or was misspelt from.

    >>> names = ["step_size", "epochs"]
    >>> [meant(name, names, KEYS) for name in ("lr", "StepSize", "learning-rate", "epoch", "epohcs", "momentum")]
    ['step_size', 'step_size', 'step_size', 'epochs', 'epochs', None]
    """
    squashed = _squash(name)
    spelt = {_squash(known): known for known in names}
    if squashed in spelt:
        return spelt[squashed]
    for known in synonyms.get(squashed, ()):
        if known in names:
            return known
    guess = nearest(squashed, spelt)
    return spelt[guess] if guess else None


def unknown(name: str, names: Collection[str], synonyms: Mapping[str, list[str]]) -> tuple[str | None, str]:
    """What was meant, and the words that say so; None and nothing where no name is near."""
    guess = meant(name, names, synonyms)
    if guess is None:
        return None, ""
    if guess in synonyms.get(_squash(name), ()):
        return guess, f"it is called '{guess}' here"
    return guess, f"did you mean '{guess}'?"


def _squash(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
