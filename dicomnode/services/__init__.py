"""What the node does. Services know values, files, the index and the rules; no DIMSE, no SQL, no sockets."""
