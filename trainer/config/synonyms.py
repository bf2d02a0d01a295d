"""The name that a person meant: the nearest that exists, or what another library calls the same thing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

from trainer.wording import nearest

__all__ = ["KEYS", "NAMES", "Guess", "exactly", "hint_of", "meant", "unknown"]

SURE = 0.82  # how alike two words are, from 0 to 1, that differ by a slip of the finger

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
    "stop": "earlystopping earlystop stopping stopearly",
    "freeze": "frozen freezing trainable",
    "tie": "tied tying weighttying",
    "penalty": "regularizer regularization regularisation kernelregularizer",
    "networks": "subnetworks submodules modules shared",
    "callbacks": "callback hooks",
    "patience": "patienceepochs",
    "smoothing": "labelsmoothing",
    "compute": "hardware runtime system",
    "name": "runname title experiment experimentname",
    "test_fraction": "testsize testsplit testratio holdout",
    "validation_fraction": "validationsplit valsplit valfraction valratio validation val validationsize valsize",
    "validation_path": "valpath valfile validationfile validationdata valdata validdata evalset devset",
    "test_path": "testfile testdata testset testdataset",
    "positive": "poslabel positiveclass positivelabel",
    "standardize": "standardise standardized standardization scale scaling normalize normalise normalized zscore",
    "standardize_targets": "scaletargets normalizetargets standardizey scaley targetscaling targetscaler",
    "one_hot": "onehot onehotencode tocategorical",
    "stratify": "stratified",
    "preprocess": "preprocessing preprocessor preprocessors transform transforms transformers pipeline",
    "class_weights": "classweight",
    "resample": "resampling sampling sampler oversample undersample",
    "folds": "nfolds nsplits kfold kfolds cv crossvalidation",
    "split": "splitter splitby",
    "delimiter": "sep separator delim delimiterchar fieldseparator fielddelimiter",
    "header": "hasheader headerrow",
    "missing_values": "navalues nullvalues nanvalues extranavalues",
    "ignore": "indexcol drop dropcolumns dropcols skipcolumns exclude excludecolumns",
    "dates": "parsedates datecolumns datetimes",
    "encoding": "charset fileencoding",
    "comment": "commentchar commentprefix comments",
    "decimal": "decimalpoint decimalseparator decimalcomma",
    "thousands": "thousandsseparator",
    "categorical": "categories categoricalfeatures categoricalcolumns catfeatures nominal",
    "weight": "sampleweight sampleweights weightcolumn",
    "group": "groupcolumn groupby",
    "start_from": "pretrained pretrainedmodel initfrom loadfrom finetune finetuning warmstart",
    "path": "file filename filepath csv npz npy source location",
    "target": "targetcolumn label labels labelcolumn y ycolumn output outputs",
    "dtype": "precision floatx floattype numbertype",
    "threads": "nthreads numthreads njobs workers numworkers cpus ncpus",
    "rows": "nsamples samples numsamples size n",
    "units": "size width nunits numunits hidden hiddensize hiddenunits neurons outfeatures outputs features",
    "bias": "usebias fitintercept intercept",
    "start": "lr baselr initiallr initiallearningrate initialvalue initvalue",
    "end": "etamin minlr endvalue endlr endlearningrate finallr",
    "steps": "tmax totaliters totalsteps decaysteps transitionsteps",
    "factor": "gamma decayrate scalefactor",
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
    "initial": "init initializer kernelinitializer embeddingsinitializer weightinit initialization",
    "filters": "outchannels channels numfilters nfilters",
    "kernel": "kernelsize filtersize size window windowsize",
    "window": "poolsize size kernel kernelsize",
    "stride": "strides",
    "dilation": "dilationrate",
    "groups": "numgroups",
    "multiplier": "depthmultiplier",
    "rate": "p probability prob dropoutrate",
    "deviation": "std stddev sigma",
    "entries": "numembeddings inputdim vocabsize vocabularysize vocabulary",
    "size": "embeddingdim outputdim outputsize dim",
    "mask": "paddingidx maskzero paddingindex",
    "shape": "targetshape dims",
    "axis": "normalizedshape dim mode",
    "axes": "dims order",
    "amount": "padding cropping",
    "method": "interpolation mode",
    "scale": "gamma affine elementwiseaffine",
    "shift": "beta center",
    "degrees": "angle degree",
    "epsilon": "eps",
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
    "warm_restarts": "sgdr cosineannealingwarmrestarts cosinedecayrestarts cosinerestarts",
    "one_cycle": "onecyclelr superconvergence",
    "plateau": "reducelronplateau reduceonplateau onplateau",
    "sigmoid": "logistic",
    "swish": "silu",
    "relu": "rectifier rectifiedlinear",
    "conv2d": "convolution2d convolution",
    "conv1d_transpose": "convtranspose1d deconv1d",
    "conv2d_transpose": "convtranspose2d deconv2d deconv deconvolution",
    "conv3d_transpose": "convtranspose3d deconv3d",
    "separable_conv": "separableconv1d separableconv2d",
    "depthwise_conv": "depthwiseconv1d depthwiseconv2d",
    "max_pool": "maxpool1d maxpool2d maxpool3d maxpooling maxpooling1d maxpooling2d maxpooling3d",
    "average_pool": "avgpool avgpool1d avgpool2d avgpool3d averagepooling averagepooling1d averagepooling2d "
    "averagepooling3d",
    "global_average_pool": "globalavgpool globalaveragepooling1d globalaveragepooling2d globalaveragepooling3d",
    "global_max_pool": "globalmaxpooling1d globalmaxpooling2d globalmaxpooling3d",
    "adaptive_average_pool": "adaptiveavgpool1d adaptiveavgpool2d adaptiveavgpool3d",
    "adaptive_max_pool": "adaptivemaxpool1d adaptivemaxpool2d adaptivemaxpool3d",
    "batch_norm": "batchnormalization batchnorm1d batchnorm2d batchnorm3d",
    "layer_norm": "layernormalization",
    "rms_norm": "rmsnormalization",
    "group_norm": "groupnormalization",
    "instance_norm": "instancenormalization instancenorm1d instancenorm2d instancenorm3d",
    "spatial_dropout": "spatialdropout1d spatialdropout2d spatialdropout3d dropout1d dropout2d dropout3d",
    "gaussian_noise": "noise randomnoise jitter",
    "reshape": "view unflatten",
    "rescale": "rescaling denormalize denormalise unscale unstandardize destandardize",
    "zero_padding": "zeropad1d zeropad2d zeropad3d zeropadding1d zeropadding2d zeropadding3d padding",
    "cropping": "cropping1d cropping2d cropping3d crop",
    "upsampling": "upsample upsampling1d upsampling2d upsampling3d interpolate",
    "random_shift": "randomtranslation",
    "random_flip": "randomhorizontalflip randomverticalflip",
    "embedding": "embed lookup lookuptable",
    "pinball": "quantile quantileloss pinballloss",
    "softmax_focal": "focal focalloss categoricalfocalcrossentropy",
    "sigmoid_focal": "binaryfocalcrossentropy sigmoidfocalloss",
    "multi_margin": "multimarginloss",
    "cosine": "cosinesimilarity cosineembeddingloss cosineannealing cosineannealinglr cosinedecay",
    "gaussian": "gaussiannll gaussiannllloss",
    "triplet_margin": "tripletmarginloss tripletloss",
    "negative_log_likelihood": "nllloss",
    "log_cosh": "logcosh",
    "accuracy": "acc",
    "top_k_accuracy": "topk top1 top3 top5 top10 top5accuracy topkcategoricalaccuracy sparsetopkcategoricalaccuracy "
    "topkaccuracyscore",
    "f1": "f1score fscore",
    "roc_auc": "auc rocaucscore auroc",
    "root_mean_squared_error": "rmse",
    "mean_absolute_percentage_error": "mape",
    "confusion_matrix": "confusion",
    "r2": "r2score rsquared",
    "digits": "mnist mnist8x8",
    "moons": "twomoons makemoons halfmoons",
}
# What to say of a key that has no counterpart here, by the kind of component that it was written for; or for a file.
_HINTS = {
    "config": {
        "weightdecay": "it is an option of the optimizer, `optimizer: {{adamw: {{weight_decay: {value}}}}}`, or a "
        "penalty, `penalty: {{l2: {value}}}`",
        "momentum": "it is an optimizer, `optimizer: {{momentum: {{momentum: {value}}}}}`",
        "betas beta1 beta2": "they are options of an optimizer: `optimizer: {{adam: {{beta1: 0.9, beta2: 0.999}}}}`",
        "scheduler lrscheduler lrschedule learningratescheduler": "the step size is a number or a schedule: "
        "`step_size: {{cosine: 0.1}}`; trainer list schedules names them",
        "gamma": "it is the factor of a schedule: `step_size: {{step: {{start: 0.1, every: 100, factor: {value}}}}}`",
        "activation activationfunction nonlinearity": "an activation is a layer of its own: write `- {value}` in "
        "network",
        "dropout dropoutrate": "it is a layer: write `- dropout: {value}` in network",
        "precision floatx mixedprecision amp halfprecision fp16 bf16": "write `compute: {{dtype: float32}}` or float64",
        "device accelerator gpu gpus cuda": "it runs on the processor; threads and precision are in "
        "`compute: {{threads: auto}}`",
        "resume resumefrom checkpoints checkpointing loadcheckpoint weights": "to go on with a run that was stopped: "
        "trainer resume RUN; to begin with its parameters write `start_from: RUN`, its folder",
        "logger logging wandb tracker": "every run has a folder with log.txt and metrics.csv; of "
        "trackers there are `log: {{tensorboard: true}}`, mlflow and those of plugins",
        "verbose verbosity quiet progressbar enableprogressbar": "it is an option of the command: trainer run --quiet",
        "numworkers workers njobs cpus": "the data are in memory; threads that divide a step are "
        "`compute: {{threads: {value}}}`",
        "shuffle": "the rows to train are shuffled in every epoch; `split: ordered` in dataset keeps their order "
        "where they are divided",
        "outputdir outdir logdir savedir rundir": "it is an option of the command: trainer run --out FOLDER",
        "debug": "it is an option of the command: trainer run --debug",
    },
    "layers": {
        "activation activationfunction nonlinearity": "an activation is a layer of its own: write `- {value}` as the "
        "next",
        "infeatures inchannels inputsize inputdim inputshape inputchannels": "a layer learns from the one before what "
        "comes in: leave it out",
    },
    "optimizers": {
        "betas": "write beta1 and beta2, each a number",
        "momentum": "it is an optimizer of its own: `optimizer: {{momentum: {{momentum: {value}}}}}`",
        "nesterov": "it is an optimizer of its own: `optimizer: nesterov`",
        "weightdecay wd l2": "adamw has it, and for any optimizer `penalty: {{l2: {value}}}` stands beside it",
        "lr learningrate": "it stands beside the optimizer: write `step_size: {value}` there",
    },
    "files": {
        "shuffle": "rows are shuffled before they are divided, unless `split: ordered`, and those to train in every "
        "epoch",
        "weight weights sampleweight group": "only a CSV file has columns to name; an .npz file has arrays `weights` "
        "and `groups`",
    },
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
    known = exactly(name, names, synonyms)
    if known is not None:
        return known
    spelt = {_squash(known): known for known in names}
    guess = nearest(_squash(name), spelt)
    return spelt[guess] if guess else None


def exactly(name: str, names: Collection[str], synonyms: Mapping[str, list[str]]) -> str | None:
    """The one of `names` that `name` is another word for, or another spelling, or None."""
    squashed = _squash(name)
    spelt = {_squash(known): known for known in names}
    if squashed in spelt:
        return spelt[squashed]
    return next((known for known in synonyms.get(squashed, ()) if known in names), None)


class Guess(NamedTuple):
    """What was meant, or None; the words that say so; and whether it surely was, so that its value can be judged."""

    name: str | None
    hint: str
    sure: bool = True


def unknown(name: str, names: Collection[str], synonyms: Mapping[str, list[str]]) -> Guess:
    """What was meant by a name that is none of `names`; an empty hint where none is near.

    >>> unknown("epohcs", ["epochs"], KEYS)
    Guess(name='epochs', hint="did you mean 'epochs'?", sure=True)
    >>> unknown("weight", ["class_weights"], KEYS).sure
    False
    """
    guess = meant(name, names, synonyms)
    if guess is None:
        return Guess(None, "")
    if guess in synonyms.get(_squash(name), ()):
        return Guess(guess, f"it is called '{guess}' here")
    alike = SequenceMatcher(None, _squash(name), _squash(guess)).ratio()
    return Guess(guess, f"did you mean '{guess}'?", alike >= SURE)


def hint_of(key: str, kind: str, value: str) -> str:
    """What to say of a key that other libraries have on a kind of component, and this one has not, or nothing.

    >>> hint_of("activation", "layers", "tanh")
    'an activation is a layer of its own: write `- tanh` as the next'
    """
    hints = _HINTS.get(kind, {})
    text = next((text for keys, text in hints.items() if _squash(key) in keys.split()), "")
    return text.format(value=value or "...")


def _squash(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
