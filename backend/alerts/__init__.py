"""Alerts: rules in one file, judged on a schedule by one replica at a time, told by e-mail and webhook."""
