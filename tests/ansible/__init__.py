"""The playbooks, for real: over ssh, against Debian hosts with systemd that are containers."""
