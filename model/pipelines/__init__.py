"""A fitted scikit-learn pipeline, from text to many labels, as a version that the service can answer with."""
