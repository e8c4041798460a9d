"""The commands of ``tagalong-model``, one module each; ``model.cli`` joins them.

A module imports at its top what serving has too; what needs the extra ``train`` it imports inside the command.
"""
