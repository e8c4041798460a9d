"""Deployments: which model version answers whom, changed without a restart."""
