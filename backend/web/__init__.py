"""What every request passes through: the HTTP server, middleware, problems, logs, metrics and traces."""
