"""The REST API: thin routes over the services; OpenAPI documents it at /docs."""
