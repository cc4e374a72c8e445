"""Answering requests over HTTP, which the pages and the servers of tlf have in common."""
