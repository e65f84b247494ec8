"""The DICOM Upper Layer (PS3.8), fast and hardened, on pynetdicom's state machine, PDUs and service classes."""
