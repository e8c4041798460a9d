"""Tag suggestions: the one package of ``model`` that the service imports.

A draft goes in; tags with calibrated scores and the words that speak for them come out, whatever
graph a version holds::

    classifier = Classifier.load(folder)
    classifier.suggest("How do I merge two DataFrames?", chosen_tags=["python"])
"""

from model.serving.classifier import DEFAULT_TIER, MANIFEST_FILE, Classifier, ReleaseError, Suggested, read_manifest
from model.serving.device_file import NoDeviceFormError, device_file
from model.serving.registry import VERSION_FILE, RegistryError, read_version_file, version_numbers
from model.serving.synonyms import name_in_use

__all__ = [
    "DEFAULT_TIER",
    "MANIFEST_FILE",
    "VERSION_FILE",
    "Classifier",
    "NoDeviceFormError",
    "RegistryError",
    "ReleaseError",
    "Suggested",
    "device_file",
    "name_in_use",
    "read_manifest",
    "read_version_file",
    "version_numbers",
]
