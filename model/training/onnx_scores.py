"""The end of every model's graph: from logits by Platt scaling to the best tags with calibrated scores."""

import numpy as np

from model.training.calibration import Calibration, knots_and_ends
from model.training.onnx_graph import Value
from model.training.onnx_text import ModelGraph


def add_kind(g: ModelGraph, known: Value) -> Value:
    """Add the kind of draft [1], without (0) or with (1) a word in the body: ``known`` has a number for each."""
    with_body = g.constant("second_kind", np.array([1], np.int64))
    return g.node("Min", g.node("Shape", known, name="body_features"), with_body, name="kind")


def scale_logits(g: ModelGraph, calibration: Calibration, kind: Value, logit: Value) -> tuple[Value, Value]:
    """Add Platt scaling by kind of draft; return what orders the tags and the slope, both [tags]."""
    slope = g.flatten(g.gather(g.constant("slope_by_kind", calibration.slope), kind, name="slope_row"), "slope")
    offset = g.flatten(g.gather(g.constant("offset_by_kind", calibration.offset), kind, name="offset_row"), "offset")
    return g.node("Add", g.node("Mul", logit, slope, name="sloped"), offset, name="ordering"), slope


def score_best(g: ModelGraph, calibration: Calibration, kind: Value, ordering: Value) -> Value:
    """Add the ``scores`` of the best tags by the calibration curve; return their numbers [limit]."""
    values, best = g.nodes("TopK", ordering, g.limit, names=["best_ordering", "best"], axis=0, largest=1)
    rise = g.gather(g.constant("rise_by_kind", calibration.rise), kind, name="rise_row")
    start_row = g.gather(g.constant("start_by_kind", calibration.start[:, None]), kind, name="start_row")
    begin, least, most = (
        g.constant(f"piece_{name}", value)
        for name, value in zip(("begin", "least", "most"), knots_and_ends(), strict=True)
    )
    raw = g.node("Sub", g.column(values, "best_column"), begin, name="piece_raw")
    pieces = g.node("Min", g.node("Max", raw, least, name="piece_raised"), most, name="pieces")
    rises = g.node("Mul", pieces, rise, name="rises")
    risen = g.node("ReduceSum", rises, g.axis_1, name="risen", keepdims=0)
    curve = g.node("Add", risen, g.flatten(start_row, "start"), name="curve")
    g.node("Sigmoid", curve, name="scores")
    return best
