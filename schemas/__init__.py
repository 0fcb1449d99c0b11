"""The data that the gateway is built on: schemas of documents, tables of codes, examples."""
