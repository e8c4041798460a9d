"""The peer's service. ``BENCH_PEER`` names the pickle that `bench.peer.pipeline` has written. Nothing is recorded."""

import os
import pickle
from pathlib import Path

import numpy as np
from flask import Flask, Response, jsonify, request

with Path(os.environ["BENCH_PEER"]).open("rb") as file:
    FEATURES, CLASSIFIER, TAGS = pickle.load(file)  # noqa: S301

app = Flask(__name__)


@app.post("/suggest")
def suggest() -> Response:
    """The five best tags for a title and a body."""
    draft = request.get_json()
    logits = CLASSIFIER.decision_function(FEATURES.transform([(draft["title"], draft["body"])]))[0]
    best = np.argsort(-logits)[:5]
    scores = 1 / (1 + np.exp(-logits[best]))
    items = [{"tag": TAGS[i], "score": round(float(score), 4)} for i, score in zip(best, scores, strict=True)]
    return jsonify(items=items)
