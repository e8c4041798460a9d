"""Fair judging: which questions a model was trained on, and which are left to judge it by."""
