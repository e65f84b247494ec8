"""DICOM out: the node as Service Class User."""
