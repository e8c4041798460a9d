"""The usual way to serve such a model, to compare with: Flask under gunicorn, and a pickled scikit-learn pipeline."""
