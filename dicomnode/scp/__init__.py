"""DICOM in: the node as Service Class Provider. Each file only translates between DIMSE and one service.

To add a service: one file here, one of the same name in ``services/``, one line in ``node.py``.
"""
