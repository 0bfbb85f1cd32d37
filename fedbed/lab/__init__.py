"""The composed lab (docker-compose.yml): its secrets, and what its containers run before others."""
