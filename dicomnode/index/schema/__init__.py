"""The tables, one file a subject; what makes them in a database is `dicomnode.index.migrations`."""
