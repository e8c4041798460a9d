"""The audit log: what admins did to the service, when, and how."""
