"""One ONNX graph from a raw title and body to tags with calibrated scores.

The graph uses ONNX Runtime's own operators only and takes one draft at a time:

    title [1], body [1] (strings) → words → counts → active features → tf-idf → Σ embedding rows → output matrix
    → + direct weights (+ mean embedding · dense) → Platt scaling → + tag names found + what chosen tags say
    → the best ``limit`` tags → calibrated sigmoid

Inputs: ``title``, ``body``: string [1]; ``limit``: int64 [1], from 1 to the number of tags; ``chosen``: int64 [any],
the numbers of the tags that the writer has chosen; in the full tier ``states``: float [tokens, width], the encoder's
embeddings of the draft's tokens.
Outputs: ``tags``: string [limit], ``scores``: float [limit], ``uses``: int64 [limit], ``features``: string [n], the
active features by their words, the title's first, and in each field the tag names found after the others; ``values``:
float [n], their weights in the draft, 0 for a tag name, which does not count in its field's length;
``title_features``: int64 [1], how many are the title's; ``evidence``: float [n, limit], what each feature adds to each
tag's logit; in the full tier ``state_evidence``: float [tokens, limit], whose mean over the tokens is what the encoder
adds.

The names of values and the order of nodes and constants are part of the file: the same model gives the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from model.serving.text import NAME_PART
from model.training.calibration import Calibration
from model.training.cooccurrence import Cooccurrence
from model.training.onnx_graph import Value
from model.training.onnx_scores import add_kind, scale_logits, score_best
from model.training.onnx_text import NEVER, FieldFeatures, ModelGraph, add_field, add_tokens, count_runs, lower_case
from model.training.quantisation import QuantisedWeights, quantise_rows
from model.training.tag_names import ABSENT_PENALTY, FieldNames, NameMatcher
from model.training.tfidf import Vocabulary


@dataclass(frozen=True, slots=True)
class SparsePart:
    """What evidence needs of the part that is learned from words.

    ``body_feature``: the numbers of the body's features among all; ``value`` [n]: of both fields; ``rows`` [n, rank]
    and ``row_value`` [n]: the embeddings, unscaled, and their factors; ``output`` [tags, rank]; ``wide_tag`` and
    ``wide_added`` [n, k].
    """

    title: FieldFeatures
    body: FieldFeatures
    body_feature: Value
    value: Value
    rows: Value
    row_value: Value
    output: Value
    wide_tag: Value
    wide_added: Value


@dataclass(frozen=True, slots=True)
class FoundNames:
    """The tag names found in a field: ``spelling``, ``tag``, ``target`` and as many zeros ``zero``, [n].

    ``highest`` [tags]: each tag's highest target; ``pulled`` [tags]: what it adds.
    """

    spelling: Value
    tag: Value
    target: Value
    zero: Value
    highest: Value
    pulled: Value


def export_graph(
    vocabulary: Vocabulary,
    tags: Sequence[str],
    uses: Sequence[int],
    weights: QuantisedWeights,
    calibration: Calibration,
    matcher: NameMatcher,
    cooccurrence: Cooccurrence,
    metadata: Mapping[str, str],
) -> bytes:
    """Return the graph as the bytes of an ONNX file.

    Args:
        tags: the learned ones, then those known by name alone; ``uses`` and ``calibration`` are of all.
        metadata: what the file says beside the tags in the model's order, such as which encoder it is for.
    """
    g = ModelGraph()
    width = weights.dense.shape[1]
    logit, part = _sparse_logit(g, vocabulary, weights)
    dense = None
    if width:
        logit, dense = _add_dense(g, weights, logit)
    if matcher.rare:
        start = g.constant("rare_start", np.full(matcher.rare, matcher.start, np.float32))
        logit = g.concat(logit, start, name="padded_logit")
    kind = add_kind(g, part.body.value)
    ordering, slope = scale_logits(g, calibration, kind, logit)
    ordering, names = _add_names(g, matcher, {"title": part.title.words, "body": part.body.words}, ordering)
    ordering = _add_chosen(g, cooccurrence, ordering)
    best = score_best(g, calibration, kind, ordering)
    g.gather(g.strings("tag_names", tags), best, name="tags")
    g.gather(g.constant("tag_uses", np.array(uses, np.int64)), best, name="uses")
    best_learned, is_learned = _add_evidence(g, vocabulary, matcher, part, names, best, slope)
    if dense is not None:
        _add_embedding_evidence(g, dense, best_learned, is_learned)

    inputs: dict[str, tuple[int, list[int | str]]] = {
        "title": (TensorProto.STRING, [1]),
        "body": (TensorProto.STRING, [1]),
        "limit": (TensorProto.INT64, [1]),
        "chosen": (TensorProto.INT64, ["chosen_tags"]),
    }
    outputs: dict[str, tuple[int, list[int | str]]] = {
        "tags": (TensorProto.STRING, ["limit"]),
        "scores": (TensorProto.FLOAT, ["limit"]),
        "uses": (TensorProto.INT64, ["limit"]),
        "features": (TensorProto.STRING, ["n"]),
        "values": (TensorProto.FLOAT, ["n"]),
        "title_features": (TensorProto.INT64, [1]),
        "evidence": (TensorProto.FLOAT, ["n", "limit"]),
    }
    if width:
        inputs["states"] = (TensorProto.FLOAT, ["tokens", width])
        outputs["state_evidence"] = (TensorProto.FLOAT, ["tokens", "limit"])
    return g.to_bytes("tagalong", inputs, outputs, {"tags": json.dumps(list(tags)), **metadata})


def _sparse_logit(g: ModelGraph, vocabulary: Vocabulary, weights: QuantisedWeights) -> tuple[Value, SparsePart]:
    """Add the logit [tags] that both texts' words give; return it, and what evidence needs."""
    in_title = vocabulary.title_features
    title = add_field(g, "title", vocabulary.runs + vocabulary.title, vocabulary.idf[:in_title])
    body = add_field(g, "body", vocabulary.body, vocabulary.idf[in_title:])
    offset = g.constant("of_title", np.array([in_title], np.int64))
    body_feature = g.node("Add", body.index, offset, name="body_feature")
    feature = g.concat(title.index, body_feature, name="feature")
    value = g.concat(title.value, body.value, name="word_values")
    low_rank, rows, row_value, output = _low_rank_logit(g, vocabulary, weights, feature, value)
    logit, wide_tag, wide_added = _add_wide(g, weights, feature, value, low_rank)
    return logit, SparsePart(title, body, body_feature, value, rows, row_value, output, wide_tag, wide_added)


def _low_rank_logit(
    g: ModelGraph, vocabulary: Vocabulary, weights: QuantisedWeights, feature: Value, value: Value
) -> tuple[Value, Value, Value, Value]:
    """Add the rows of active features, weighted, summed, times the output matrix, and the bias.

    Returns:
        The logit [tags], the rows [n, rank] without their scale, their factors [n], and the output matrix.
    """
    # Runs, the first features, have no row of their own: they take row 0, which is all 0.
    no_row = np.zeros((1, weights.embedding.shape[1]), np.int8)
    embedding = g.constant("embedding", np.concatenate([no_row, weights.embedding]))
    scale = g.constant("embedding_scale", np.concatenate([np.zeros(1, np.float32), weights.embedding_scale]))
    before_words = g.constant("before_words", np.array([len(vocabulary.runs) - 1], np.int64))
    first_row = g.constant("no_row", np.array([0], np.int64))
    row = g.node("Max", g.node("Sub", feature, before_words, name="row_or_less"), first_row, name="row")
    rows = g.cast(g.gather(embedding, row, name="rows_int8"), "rows")
    row_value = g.node("Mul", value, g.gather(scale, row, name="row_scale"), name="row_value")
    hidden = g.node("MatMul", g.node("Unsqueeze", row_value, g.axis_0, name="row_values"), rows, name="hidden")
    output = g.rows("output", weights.output, weights.output_scale)
    bias = g.constant("bias", weights.bias)
    logit = g.flatten(g.node("Gemm", hidden, output, bias, name="low_rank_row", transB=1), "low_rank")
    return logit, rows, row_value, output


def _add_wide(
    g: ModelGraph, weights: QuantisedWeights, feature: Value, value: Value, logit: Value
) -> tuple[Value, Value, Value]:
    """Add each active feature's direct weights at its tags; return the logit, those tags and what was added [n, k]."""
    wide = g.constant("wide", weights.wide)
    scale = g.constant("wide_scale", weights.wide_scale)
    tags = g.constant("wide_tags", weights.wide_tags.astype(np.int16 if len(weights.bias) < 2**15 else np.int32))
    numbers = g.cast(g.gather(wide, feature, name="wide_int8"), "wide_float")
    factor = g.node("Mul", value, g.gather(scale, feature, name="wide_row_scale"), name="wide_value")
    added = g.node("Mul", numbers, g.column(factor, "wide_values"), name="wide_added")
    tag = g.cast(g.gather(tags, feature, name="wide_tag_short"), "wide_tag", to=TensorProto.INT64)
    flat_added, flat_tag = g.flatten(added, "wide_added_flat"), g.flatten(tag, "wide_tag_flat")
    return g.scatter(logit, flat_tag, flat_added, name="sparse_logit", reduction="add"), tag, added


def _add_dense(g: ModelGraph, weights: QuantisedWeights, logit: Value) -> tuple[Value, Value]:
    """Add the encoder's part: the mean embedding times a matrix; return the logit and the matrix."""
    dense = g.rows("dense", weights.dense, weights.dense_scale)
    mean = g.node("ReduceMean", g.embeddings, g.axis_0, name="state", keepdims=1)
    with_dense = g.node("Gemm", mean, dense, logit, name="with_dense", transB=1)
    return g.flatten(with_dense, "logit"), dense


def _add_names(
    g: ModelGraph, matcher: NameMatcher, words: Mapping[str, Value], ordering: Value
) -> tuple[Value, list[FoundNames]]:
    """Add what the tag names found in both fields say; return the new ordering [tags] and the names by field."""
    penalty = np.repeat(np.array([0, -ABSENT_PENALTY], np.float32), [matcher.learned, matcher.rare])
    lacks = g.constant("lacks", penalty)
    raised, names_by_field = ordering, []
    for field, names in (("title", matcher.title), ("body", matcher.body)):
        names_by_field.append(_found_names(g, field, names, words[field], ordering))
        raised = g.node("Add", raised, names_by_field[-1].pulled, name=f"{field}_raised")
    tag = g.concat(*(names.tag for names in names_by_field), name="named_tag")
    zero = g.concat(*(names.zero for names in names_by_field), name="named_no_value")
    lacking = g.scatter(lacks, tag, zero, name="lacking", reduction="max")
    return g.node("Add", raised, lacking, name="named_ordering"), names_by_field


def _found_names(g: ModelGraph, field: str, names: FieldNames, words: Value, ordering: Value) -> FoundNames:
    """Add the tag names found in a field, and what they add to the ordering of their tags."""
    pool = names.spellings or (NEVER,)
    parts = add_tokens(g, Value(field), f"{field}_name_parts", NAME_PART)
    index, _ = count_runs(g, lower_case(g, f"{field}_name_lower", words, parts), f"{field}_name", pool)
    tags, targets = (names.tags, names.targets) if names.spellings else (np.zeros(1, np.int64), np.zeros(1, np.float32))
    tag_of_name = g.constant(f"{field}_tag_of_name", tags)
    target_of_name = g.constant(f"{field}_claim_of_name", targets)
    tag = g.gather(tag_of_name, index, name=f"{field}_named_tag")
    target = g.gather(target_of_name, index, name=f"{field}_claim")
    zero = g.node("Sub", target, target, name=f"{field}_no_value")
    spelling = g.gather(g.strings(f"{field}_spellings", pool), index, name=f"{field}_spelling")
    # Below every target: a tag that is not named is not moved.
    nothing = helper.make_tensor("nothing", TensorProto.FLOAT, [1], [-1e9])
    tag_count = g.node("Shape", ordering, name=f"{field}_tag_count")
    no_target = g.node("ConstantOfShape", tag_count, name=f"{field}_no_claim", value=nothing)
    highest = g.scatter(no_target, tag, target, name=f"{field}_claimed", reduction="max")
    up = g.node("Relu", g.node("Sub", highest, ordering, name=f"{field}_gap"), name=f"{field}_up")
    strength = g.constant(f"{field}_pull", np.array([names.pull_strength], np.float32))
    return FoundNames(spelling, tag, target, zero, highest, g.node("Mul", up, strength, name=f"{field}_pulled"))


def _add_chosen(g: ModelGraph, cooccurrence: Cooccurrence, ordering: Value) -> Value:
    """Add what the chosen tags say of their partners; return the new ordering [tags]."""
    # Most tags say nothing: they share row 0, which is all 0.
    speaks = cooccurrence.says.any(axis=1)
    integers, scales = quantise_rows(np.pad(cooccurrence.says[speaks], ((1, 0), (0, 0))))
    row_of_chosen = g.constant("row_of_chosen", np.where(speaks, np.cumsum(speaks), 0).astype(np.int32))
    says, says_scale = g.constant("says", integers), g.constant("says_scale", scales)
    of_speaking = np.pad(cooccurrence.partners[speaks], ((1, 0), (0, 0)))
    short = np.int16 if len(cooccurrence.says) < 2**15 else np.int32
    partners = g.constant("partners", of_speaking.astype(short))
    row = g.gather(row_of_chosen, g.chosen, name="chosen_row")
    numbers = g.cast(g.gather(says, row, name="said_int8"), "said_float")
    scale = g.column(g.gather(says_scale, row, name="said_scale"), "said_scales")
    said = g.flatten(g.node("Mul", numbers, scale, name="said_rows"), "said")
    partner_rows = g.cast(g.gather(partners, row, name="partner_short"), "partner_rows", to=TensorProto.INT64)
    partner = g.flatten(partner_rows, "partner")
    less = g.constant("less", np.array([cooccurrence.less], np.float32))
    count = g.cast(g.node("Shape", g.chosen, name="chosen_count"), "chosen_count_float")
    lowered = g.node("Sub", ordering, g.node("Mul", count, less, name="lowered"), name="lowered_ordering")
    return g.scatter(lowered, partner, said, name="chosen_ordering", reduction="add")


def _add_evidence(
    g: ModelGraph,
    vocabulary: Vocabulary,
    matcher: NameMatcher,
    part: SparsePart,
    names: Sequence[FoundNames],
    best: Value,
    slope: Value,
) -> tuple[Value, Value]:
    """Add ``features``, ``values`` and ``evidence``: what each feature adds to each of the best tags' logits.

    Returns:
        The best tags as numbers of learned ones, and 1 where they are learned, else 0: both [limit].
    """
    feature_names = g.strings("feature_names", vocabulary.names)
    # A tag that is known by name alone has no row: it borrows the last one, and gets nothing from it.
    last_learned = g.constant("last_learned", np.array([matcher.learned - 1], np.int64))
    best_learned = g.node("Min", best, last_learned, name="best_learned")
    is_learned = g.cast(g.node("Equal", best, best_learned, name="is_learned"), "is_learned_float")
    evidence = _word_evidence(g, part, best, best_learned, is_learned)
    title_count = g.node("Shape", part.title.value, name="title_word_count")
    all_count = g.node("Shape", part.value, name="all_words")
    title_evidence = g.node("Slice", evidence, g.axis_0, title_count, name="title_word_evidence")
    body_evidence = g.node("Slice", evidence, title_count, all_count, name="body_word_evidence")
    best_slope = g.gather(slope, best, name="best_slope")
    title, body = names
    title_words = g.gather(feature_names, part.title.index, name="title_word_names")
    title_added = _name_evidence(g, "title", title, best, best_slope)
    body_words = g.gather(feature_names, part.body_feature, name="body_word_names")
    body_added = _name_evidence(g, "body", body, best, best_slope)
    g.concat(title_words, title.spelling, body_words, body.spelling, name="features")
    g.concat(part.title.value, title.zero, part.body.value, body.zero, name="values")
    g.concat(title_evidence, title_added, body_evidence, body_added, name="evidence")
    title_values = g.concat(part.title.value, title.zero, name="title_values")
    g.node("Shape", title_values, name="title_features")
    return best_learned, is_learned


def _word_evidence(g: ModelGraph, part: SparsePart, best: Value, best_learned: Value, is_learned: Value) -> Value:
    """Add what each feature's embedding and direct weights add to each of the best tags' logits: [n, limit]."""
    best_rows = g.gather(part.output, best_learned, name="best_rows")
    columns = g.node("Transpose", best_rows, name="best_columns", perm=[1, 0])
    borrowed = g.node("MatMul", part.rows, columns, name="low_rank_borrowed")
    unweighted = g.node("Mul", borrowed, is_learned, name="low_rank_unweighed")
    row_value = g.column(part.row_value, "row_value_column")
    low_rank = g.node("Mul", unweighted, row_value, name="low_rank_evidence")
    wide_tag = g.node("Unsqueeze", part.wide_tag, g.axis_2, name="wide_tag_3")
    is_best = g.cast(g.node("Equal", wide_tag, best, name="is_best"), "is_best_float")
    added = g.node("Unsqueeze", part.wide_added, g.axis_1, name="wide_added_3")
    product = g.node("MatMul", added, is_best, name="wide_evidence_3")
    wide = g.node("Squeeze", product, g.axis_1, name="wide_evidence")
    return g.node("Add", low_rank, wide, name="word_evidence")


def _name_evidence(g: ModelGraph, field: str, names: FoundNames, best: Value, best_slope: Value) -> Value:
    """Add what each name found in a field adds to the best tags' logits: the one with the highest target pulls."""
    names_best = g.node("Equal", g.column(names.tag, f"{field}_named_column"), best, name=f"{field}_names_best")
    best_target = g.gather(names.highest, best, name=f"{field}_best_claim")
    target = g.column(names.target, f"{field}_claim_column")
    is_highest = g.node("Equal", target, best_target, name=f"{field}_claims_most")
    pulls = g.cast(g.node("And", names_best, is_highest, name=f"{field}_pulls"), f"{field}_pulls_float")
    # Two spellings with the same target share what they add.
    pulling = g.node("ReduceSum", pulls, g.axis_0, name=f"{field}_pulling", keepdims=1)
    share = g.node(
        "Div", pulls, g.node("Max", pulling, g.one, name=f"{field}_pulling_safe"), name=f"{field}_pull_share"
    )
    best_pulled = g.gather(names.pulled, best, name=f"{field}_best_pulled")
    added = g.node("Div", best_pulled, best_slope, name=f"{field}_best_added")
    return g.node("Mul", share, added, name=f"{field}_name_evidence")


def _add_embedding_evidence(g: ModelGraph, dense: Value, best_learned: Value, is_learned: Value) -> None:
    """Add ``state_evidence`` [tokens, limit]: each token's embedding times the best tags' rows of the dense matrix."""
    best_rows = g.gather(dense, best_learned, name="best_dense_rows")
    columns = g.node("Transpose", best_rows, name="best_dense_columns", perm=[1, 0])
    borrowed = g.node("MatMul", g.embeddings, columns, name="state_evidence_borrowed")
    g.node("Mul", borrowed, is_learned, name="state_evidence")
