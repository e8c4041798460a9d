"""Alerts: rules in one file, evaluated on a schedule by one replica at a time, sent by e-mail and webhook."""
