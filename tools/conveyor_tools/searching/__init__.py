"""What the `search` tool searches: a folder of documents, or a server on the web."""
