"""A DICOM network node that checks every instance before it accepts it."""

__version__ = "0.1.0"
