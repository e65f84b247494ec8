"""The attributes of a Modality Worklist and their Return Key Types (PS3.4 Table K.6-1): what the node matches and returns.

To support one more, add its line. Those that have no line of their own in the table ("all other Attributes from the ... Module")
are of type 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    ISSUER_OF_PATIENT_ID,
    MODALITY,
    PATIENT_BIRTH_DATE,
    PATIENT_BIRTH_TIME,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    REFERRING_PHYSICIAN_NAME,
    STUDY_DATE,
    STUDY_INSTANCE_UID,
    STUDY_TIME,
)

SCHEDULED_PROCEDURE_STEP_SEQUENCE: Final = 0x00400100
SCHEDULED_STATION_AE_TITLE: Final = 0x00400001
START_DATE: Final = 0x00400002
START_TIME: Final = 0x00400003
PERFORMING_PHYSICIAN: Final = 0x00400006
STEP_DESCRIPTION: Final = 0x00400007
PROTOCOL_CODE_SEQUENCE: Final = 0x00400008
STEP_ID: Final = 0x00400009
STEP_STATUS: Final = 0x00400020
REQUESTED_PROCEDURE_ID: Final = 0x00401001
PROCEDURE_DESCRIPTION: Final = 0x00321060
PROCEDURE_CODE_SEQUENCE: Final = 0x00321064

STEP: Final[Mapping[int, str]] = MappingProxyType(
    {
        SCHEDULED_STATION_AE_TITLE: "1",
        START_DATE: "1",
        START_TIME: "1",
        MODALITY: "1",
        PERFORMING_PHYSICIAN: "2",
        STEP_DESCRIPTION: "1C",
        0x00400010: "2",  # Scheduled Station Name
        0x00400011: "2",  # Scheduled Procedure Step Location
        PROTOCOL_CODE_SEQUENCE: "1C",
        0x00400012: "2C",  # Pre-Medication
        STEP_ID: "1",
        0x00321070: "2C",  # Requested Contrast Agent
        STEP_STATUS: "3",
        0x00400004: "3",  # Scheduled Procedure Step End Date
        0x00400005: "3",  # Scheduled Procedure Step End Time
        0x0040000B: "3",  # Scheduled Performing Physician Identification Sequence
        0x00400400: "3",  # Comments on the Scheduled Procedure Step
        0x00400500: "3",  # Scheduled Specimen Sequence
    }
)
"""Of the one item of Scheduled Procedure Step Sequence."""

PROCEDURE: Final[Mapping[int, str]] = MappingProxyType(
    {
        SCHEDULED_PROCEDURE_STEP_SEQUENCE: "1",
        # Requested Procedure
        REQUESTED_PROCEDURE_ID: "1",
        PROCEDURE_DESCRIPTION: "1C",
        PROCEDURE_CODE_SEQUENCE: "1C",
        STUDY_INSTANCE_UID: "1",
        STUDY_DATE: "3",
        STUDY_TIME: "3",
        0x00081110: "2",  # Referenced Study Sequence
        0x00401003: "2",  # Requested Procedure Priority
        0x00401004: "2",  # Patient Transport Arrangements
        0x00401002: "3",  # Reason for the Requested Procedure
        0x00401005: "3",  # Requested Procedure Location
        0x00401008: "3",  # Confidentiality Code
        0x00401009: "3",  # Reporting Priority
        0x0040100A: "3",  # Reason for Requested Procedure Code Sequence
        0x00401010: "3",  # Names of Intended Recipients of Results
        0x00401011: "3",  # Intended Recipients of Results Identification Sequence
        0x00401012: "3",  # Reason for Performed Procedure Code Sequence
        0x00401400: "3",  # Requested Procedure Comments
        # Imaging Service Request
        ACCESSION_NUMBER: "2",
        0x00080051: "3",  # Issuer of Accession Number Sequence
        0x00321032: "2",  # Requesting Physician
        REFERRING_PHYSICIAN_NAME: "2",
        0x00080096: "3",  # Referring Physician Identification Sequence
        0x00321031: "3",  # Requesting Physician Identification Sequence
        0x00321033: "3",  # Requesting Service
        0x00321034: "3",  # Requesting Service Code Sequence
        0x00400026: "3",  # Order Placer Identifier Sequence
        0x00400027: "3",  # Order Filler Identifier Sequence
        0x00402001: "3",  # Reason for the Imaging Service Request (retired)
        0x00402004: "3",  # Issue Date of Imaging Service Request
        0x00402005: "3",  # Issue Time of Imaging Service Request
        0x00402008: "3",  # Order Entered By
        0x00402009: "3",  # Order Enterer's Location
        0x00402010: "3",  # Order Callback Phone Number
        0x00402016: "3",  # Placer Order Number / Imaging Service Request
        0x00402017: "3",  # Filler Order Number / Imaging Service Request
        0x00402400: "3",  # Imaging Service Request Comments
        # Visit
        0x00380010: "2",  # Admission ID
        0x00380014: "3",  # Issuer of Admission ID Sequence
        0x00080080: "3",  # Institution Name
        0x00080081: "3",  # Institution Address
        0x00080082: "3",  # Institution Code Sequence
        0x00380300: "2",  # Current Patient Location
        0x00380008: "3",  # Visit Status ID
        0x00380016: "3",  # Route of Admissions
        0x00380020: "3",  # Admitting Date
        0x00380021: "3",  # Admitting Time
        0x00380400: "3",  # Patient's Institution Residence
        0x00384000: "3",  # Visit Comments
        0x00081080: "3",  # Admitting Diagnoses Description
        0x00081084: "3",  # Admitting Diagnoses Code Sequence
        0x00081120: "2",  # Referenced Patient Sequence
        # Patient
        PATIENT_NAME: "1",
        PATIENT_ID: "1",
        ISSUER_OF_PATIENT_ID: "3",
        0x00100022: "3",  # Type of Patient ID
        0x00100024: "3",  # Issuer of Patient ID Qualifiers Sequence
        PATIENT_BIRTH_DATE: "2",
        PATIENT_BIRTH_TIME: "3",
        PATIENT_SEX: "2",
        0x00100101: "3",  # Patient's Primary Language Code Sequence
        0x00101000: "3",  # Other Patient IDs (retired)
        0x00101001: "3",  # Other Patient Names
        0x00101002: "3",  # Other Patient IDs Sequence
        0x00101005: "3",  # Patient's Birth Name
        0x00101010: "3",  # Patient's Age
        0x00101020: "3",  # Patient's Size
        0x00101030: "2",  # Patient's Weight
        0x00101040: "3",  # Patient's Address
        0x00101060: "3",  # Patient's Mother's Birth Name
        0x00101080: "3",  # Military Rank
        0x00101090: "3",  # Medical Record Locator
        0x00102000: "2",  # Medical Alerts
        0x00102110: "2",  # Allergies
        0x00102150: "3",  # Country of Residence
        0x00102152: "3",  # Region of Residence
        0x00102154: "3",  # Patient's Telephone Numbers
        0x00102160: "3",  # Ethnic Group
        0x00102180: "3",  # Occupation
        0x001021A0: "3",  # Smoking Status
        0x001021B0: "3",  # Additional Patient History
        0x001021C0: "2",  # Pregnancy Status
        0x001021D0: "3",  # Last Menstrual Date
        0x001021F0: "3",  # Patient's Religious Preference
        0x00102201: "3",  # Patient Species Description
        0x00102202: "3",  # Patient Species Code Sequence
        0x00102203: "3",  # Patient's Sex Neutered
        0x00102292: "3",  # Patient Breed Description
        0x00102293: "3",  # Patient Breed Code Sequence
        0x00102297: "3",  # Responsible Person
        0x00102298: "3",  # Responsible Person Role
        0x00102299: "3",  # Responsible Organization
        0x00104000: "3",  # Patient Comments
        0x00380050: "2",  # Special Needs
        0x00380500: "2",  # Patient State
        0x00403001: "2",  # Confidentiality Constraint on Patient Data Description
    }
)
"""Of the entry itself: Requested Procedure, Imaging Service Request, Visit and Patient."""
