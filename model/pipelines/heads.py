"""The classifier of a pipeline: every tag's linear model in one matrix, or trees as skl2onnx converts them.

skl2onnx makes some ten nodes a tag of one-vs-rest: 1,000 tags took 122 s to convert and 17 ms to answer. A linear model
a tag is one column of a matrix instead. Naive Bayes of two classes is linear in its features too, and so is a linear
model behind Platt's sigmoid; of ``CalibratedClassifierCV`` each fold is a column, and their probabilities are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from model.pipelines.unsupported import UnsupportedStep
from model.runs.arrays import Floats

_BY_TAG: Final = (OneVsRestClassifier, MultiOutputClassifier)
_LINEAR: Final = (
    LogisticRegression,
    LogisticRegressionCV,
    LinearSVC,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
_NAIVE_BAYES: Final = (MultinomialNB, ComplementNB, BernoulliNB)
_TREES: Final = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
_ALWAYS: Final = 30.0
"""Logit of a tag that every question, or none, had in training."""
LEAST: Final = 1e-6
"""Probabilities are kept this far from 0 and 1, so that they have a logit."""

Column = tuple[NDArray[np.float64], float]
"""Coefficients of all features, and the intercept, of a linear model."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Linear models of all tags.

    ``coefficients`` is float32 [members, features, tags], ``intercepts`` [members, tags]: of several members the mean
    of the probabilities counts. Only with ``binarize``, features are 1 above that value and 0 else.
    """

    coefficients: Floats
    intercepts: Floats
    binarize: float | None


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Trees of all tags, for skl2onnx to convert."""

    classifier: Any


def read_head(name: str, classifier: Any, n_tags: int) -> LinearHead | TreeHead:
    """Return what a fitted classifier of many labels computes.

    Raises:
        UnsupportedStep: it is of another kind, is not fitted, or has not as many labels as there are names of tags.
    """
    by_tag = getattr(classifier, "estimators_", None) if type(classifier) in _BY_TAG else None
    if by_tag is None and type(classifier) in _BY_TAG:
        raise UnsupportedStep(name, classifier, "is not fitted.")
    n = len(by_tag) if by_tag is not None else getattr(classifier, "n_outputs_", None)
    if type(classifier) not in (*_BY_TAG, *_TREES):
        known = "OneVsRestClassifier, MultiOutputClassifier, RandomForestClassifier, ExtraTreesClassifier"
        raise UnsupportedStep(
            name, classifier, f"is no classifier of many labels that can be carried over. Known are {known}."
        )
    if n != n_tags:
        raise UnsupportedStep(name, classifier, f"gives {n} labels, and there are {n_tags} names of tags.")
    if by_tag is None or all(isinstance(model, _TREES) for model in by_tag if not _is_constant(model)):
        _require_two_classes(name, classifier)
        return TreeHead(classifier)
    return _stack(name, by_tag)


def _require_two_classes(name: str, classifier: Any) -> None:
    """Raise UnsupportedStep where trees of several outputs have learned one with a single class."""
    if type(classifier) is OneVsRestClassifier:
        return
    classes = [list(seen) for seen in classifier.classes_]
    if constant := [number for number, seen in enumerate(classes) if seen != [0, 1]]:
        reason = f"has learned {len(constant)} labels, the first number {constant[0]}, that all questions or none had."
        raise UnsupportedStep(name, classifier, reason)


def compute_logits(head: LinearHead | TreeHead, classifier: Any, features: Any) -> NDArray[np.float64]:
    """Return scikit-learn's own logits of the classifier that a head was read from: [questions, tags]."""
    if isinstance(head, LinearHead):
        return np.column_stack([_compute_logit(model, features) for model in classifier.estimators_])
    probabilities = classifier.predict_proba(features)
    if isinstance(probabilities, list):  # one matrix a label, with a column a class
        probabilities = np.column_stack([of_label[:, 1] for of_label in probabilities])
    return np.asarray(logit(np.clip(probabilities, LEAST, 1 - LEAST)), np.float64)


def _compute_logit(model: Any, features: Any) -> NDArray[np.float64]:
    if _is_constant(model):
        return np.full(features.shape[0], _constant_logit(model))
    if isinstance(model, _NAIVE_BAYES):
        joint = model.predict_joint_log_proba(features)
        return np.asarray(joint[:, 1] - joint[:, 0], np.float64)
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(features), np.float64)
    return np.asarray(logit(np.clip(model.predict_proba(features)[:, 1], LEAST, 1 - LEAST)), np.float64)


def _stack(name: str, by_tag: Sequence[Any]) -> LinearHead:
    columns = [_read_columns(f"{name}, label {number}", model) for number, model in enumerate(by_tag)]
    members, width = max(map(len, columns)), max(len(column[0][0]) for column in columns if column)
    coefficients = np.zeros((members, width, len(by_tag)), np.float32)
    intercepts = np.zeros((members, len(by_tag)), np.float32)
    for tag, (model, of_tag) in enumerate(zip(by_tag, columns, strict=True)):
        if not of_tag:
            intercepts[:, tag] = _constant_logit(model)
        elif len(of_tag) != members:
            raise UnsupportedStep(f"{name}, label {tag}", model, "has another number of folds than the other labels.")
        for member, (coefficient, intercept) in enumerate(of_tag):
            coefficients[member, :, tag], intercepts[member, tag] = coefficient, intercept
    binarize = {model.binarize for model in by_tag if isinstance(model, BernoulliNB)}
    if len(binarize) > 1 or (binarize and not all(isinstance(model, BernoulliNB) for model in by_tag)):
        raise UnsupportedStep(name, "BernoulliNB", "must be of all labels, with one value of binarize.")
    return LinearHead(coefficients, intercepts, next(iter(binarize), None))


def _read_columns(name: str, model: Any) -> list[Column]:
    """Return a tag's linear models, one a fold; none of a tag that all questions, or no question, had."""
    if _is_constant(model):
        return []
    if type(model) in _LINEAR:
        return [(model.coef_[0], float(np.ravel(model.intercept_)[0]))]
    if type(model) is CalibratedClassifierCV:
        return [_read_fold(name, fold) for fold in model.calibrated_classifiers_]
    if type(model) in _NAIVE_BAYES:
        return [_read_naive_bayes(name, model)]
    raise UnsupportedStep(
        name,
        model,
        "cannot be carried over. Known are logistic regression and other linear models, LinearSVC, "
        "CalibratedClassifierCV of one of them, naive Bayes, and forests of all labels alike.",
    )


def _read_fold(name: str, fold: Any) -> Column:
    """Return a fold's linear model behind its sigmoid, 1 / (1 + exp(a · decision + b)), as one linear model."""
    base = fold.estimator.estimator if isinstance(fold.estimator, FrozenEstimator) else fold.estimator
    if type(base) not in _LINEAR:
        raise UnsupportedStep(name, base, "inside CalibratedClassifierCV cannot be carried over: linear models can.")
    (calibrator,) = fold.calibrators
    if not hasattr(calibrator, "a_"):
        raise UnsupportedStep(
            name, "CalibratedClassifierCV", "has another method than 'sigmoid': fit it with that one."
        )
    coefficient, intercept = base.coef_[0], float(np.ravel(base.intercept_)[0])
    return -calibrator.a_ * coefficient, float(-calibrator.a_ * intercept - calibrator.b_)


def _read_naive_bayes(name: str, model: Any) -> Column:
    """Return the difference of the two classes' log likelihoods as a linear model."""
    if isinstance(model, ComplementNB):  # it ignores the classes' prior where there are two
        return model.feature_log_prob_[1] - model.feature_log_prob_[0], 0.0
    prior = model.class_log_prior_[1] - model.class_log_prior_[0]
    if not isinstance(model, BernoulliNB):
        return model.feature_log_prob_[1] - model.feature_log_prob_[0], float(prior)
    if model.binarize is None or model.binarize < 0:
        raise UnsupportedStep(name, model, "has binarize=None or below 0: every feature would count. Leave it at 0.")
    absent = np.log1p(-np.exp(model.feature_log_prob_))
    weight = model.feature_log_prob_ - absent
    return weight[1] - weight[0], float(prior + absent[1].sum() - absent[0].sum())


def _is_constant(model: Any) -> bool:
    """Return whether all questions, or none, had a tag in training: one-vs-rest learns nothing for it then."""
    return type(model).__name__ == "_ConstantPredictor"


def _constant_logit(model: Any) -> float:
    return _ALWAYS if np.ravel(model.y_)[0] else -_ALWAYS
