"""What outlives the coordinator: an SQL database and a folder of blobs."""
