"""Headers as scanners write them: about 126 elements, private ones and sequences too, so that a server's checks have their work."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom import Dataset
from pydicom.uid import UID

_ROOT = "1.2.826.0.1.3680043.8.498."


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence (PS3.3 Section 8)."""
    return _dataset({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})


def reference(sop_class_uid: str, number: int) -> Dataset:
    """One item that refers to an instance."""
    uid = f"{_ROOT}77{number:020}"
    return _dataset({"ReferencedSOPClassUID": sop_class_uid, "ReferencedSOPInstanceUID": uid})


def header(sop_class_uid: UID, *specific: Mapping[str, object]) -> Dataset:
    """The elements that every image has, those of a technique (`CT`, `MR`, `XA`), and a vendor's private ones."""
    dataset = _dataset({"SOPClassUID": sop_class_uid} | _common())
    for elements in specific:
        dataset.update(_dataset(elements))
    _add_private_elements(dataset)
    return dataset


def _dataset(elements: Mapping[str, object]) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _add_private_elements(dataset: Dataset) -> None:
    acquisition = dataset.private_block(0x0019, "BENCH ACQUISITION 01", create=True)
    for offset in range(8):
        acquisition.add_new(offset, "DS" if offset % 2 else "LO", f"{offset}.25" if offset % 2 else f"value {offset}")
    protocol = dataset.private_block(0x0029, "BENCH HEADER 01", create=True)
    protocol.add_new(0x10, "OB", bytes(range(256)) * 12)
    protocol.add_new(0x20, "UL", [1, 2, 3, 4])


def _common() -> dict[str, object]:
    day, time = "20240318", "101512.250000"
    ct_localizer = "1.2.840.10008.5.1.4.1.1.2"
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "InstanceCreationDate": day,
        "InstanceCreationTime": time,
        "StudyDate": day,
        "SeriesDate": day,
        "AcquisitionDate": day,
        "ContentDate": day,
        "StudyTime": time,
        "SeriesTime": time,
        "AcquisitionTime": time,
        "ContentTime": time,
        "AccessionNumber": "A20240318001",
        "Manufacturer": "BENCH MEDICAL SYSTEMS",
        "InstitutionName": "University Hospital",
        "InstitutionAddress": "Main Street 1, 12345 Town",
        "ReferringPhysicianName": "Referrer^Rita^^Dr.",
        "StationName": "SCANNER01",
        "StudyDescription": "Head and neck, with contrast",
        "ProcedureCodeSequence": [code("CTHEAD", "99LOCAL", "Computed tomography of head")],
        "InstitutionalDepartmentName": "Radiology",
        "PhysiciansOfRecord": "Record^Robert",
        "PerformingPhysicianName": "Perform^Paul",
        "NameOfPhysiciansReadingStudy": "Reader^Ruth",
        "OperatorsName": "Operator^Olga",
        "AdmittingDiagnosesDescription": "Trauma",
        "ManufacturerModelName": "Model 64",
        "ReferencedStudySequence": [reference("1.2.840.10008.3.1.2.3.1", 1)],
        "ReferencedPerformedProcedureStepSequence": [reference("1.2.840.10008.3.1.2.3.3", 2)],
        "ReferencedImageSequence": [reference(ct_localizer, 3), reference(ct_localizer, 4)],
        "PatientName": "Beispiel^Erika^^^",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": "19640812",
        "PatientBirthTime": "120000",
        "PatientSex": "F",
        "OtherPatientIDs": "OTHER1",
        "PatientAge": "059Y",
        "PatientSize": "1.70",
        "PatientWeight": "68.5",
        "MedicalAlerts": "NONE",
        "Allergies": "NONE",
        "Occupation": "Engineer",
        "AdditionalPatientHistory": "Fall from a ladder, headache since then",
        "PregnancyStatus": 1,
        "PatientComments": "none",
        "BodyPartExamined": "HEAD",
        "DeviceSerialNumber": "123456",
        "SoftwareVersions": ["V1.2.3", "SP4"],
        "ProtocolName": "Head routine 5 mm",
        "DateOfLastCalibration": day,
        "TimeOfLastCalibration": "060000",
        "PatientPosition": "HFS",
        "StudyID": "4711",
        "SeriesNumber": "2",
        "AcquisitionNumber": "1",
        "ImagePositionPatient": ["-125.0", "-125.0", "35.5"],
        "ImageOrientationPatient": ["1.0", "0.0", "0.0", "0.0", "1.0", "0.0"],
        "FrameOfReferenceUID": f"{_ROOT}7800000000000000001",
        "PositionReferenceIndicator": "OM",
        "SliceLocation": "35.5",
        "ImageComments": "none",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelSpacing": ["0.48828125", "0.48828125"],
        "PixelRepresentation": 0,
        "BurnedInAnnotation": "NO",
        "WindowCenter": ["40", "400"],
        "WindowWidth": ["80", "2000"],
        "WindowCenterWidthExplanation": ["BRAIN", "BONE"],
        "RequestingPhysician": "Request^Rosa",
        "RequestingService": "Emergency",
        "RequestedProcedureDescription": "Head",
        "RequestedContrastAgent": "Iodine",
        "PerformedStationAETitle": "SCANNER01",
        "PerformedProcedureStepStartDate": day,
        "PerformedProcedureStepStartTime": time,
        "PerformedProcedureStepID": "PPS4711",
        "PerformedProcedureStepDescription": "Head routine",
        "PerformedProtocolCodeSequence": [code("HEAD5", "99LOCAL", "Head routine 5 mm")],
        "RequestAttributesSequence": [_dataset({"RequestedProcedureID": "RP1", "ScheduledProcedureStepID": "SPS1"})],
    }


CT: Mapping[str, object] = {
    "Modality": "CT",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "SeriesDescription": "Head 5.0 H31s",
    "ContrastBolusAgent": "Iodine",
    "ScanOptions": "HELICAL",
    "SliceThickness": "5.0",
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "ReconstructionDiameter": "250",
    "DistanceSourceToDetector": "1040",
    "DistanceSourceToPatient": "570",
    "GantryDetectorTilt": "0",
    "TableHeight": "150",
    "RotationDirection": "CW",
    "ExposureTime": "1000",
    "XRayTubeCurrent": "300",
    "Exposure": "300",
    "FilterType": "WEDGE_3",
    "GeneratorPower": "36",
    "FocalSpots": "1.2",
    "ConvolutionKernel": "H31s",
    "RevolutionTime": 1.0,
    "SingleCollimationWidth": 0.6,
    "TotalCollimationWidth": 19.2,
    "TableSpeed": 15.4,
    "SpiralPitchFactor": 0.8,
    "CTDIvol": 58.2,
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
    "RescaleType": "HU",
}

MR: Mapping[str, object] = {
    "Modality": "MR",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
    "SeriesDescription": "t2_tse_tra",
    "ScanningSequence": "SE",
    "SequenceVariant": ["SK", "SP"],
    "ScanOptions": "PFP",
    "MRAcquisitionType": "2D",
    "SequenceName": "*tse2d1_15",
    "AngioFlag": "N",
    "SliceThickness": "5.0",
    "RepetitionTime": "5000",
    "EchoTime": "93",
    "NumberOfAverages": "2",
    "ImagingFrequency": "63.68",
    "ImagedNucleus": "1H",
    "EchoNumbers": "1",
    "MagneticFieldStrength": "1.5",
    "SpacingBetweenSlices": "6.0",
    "NumberOfPhaseEncodingSteps": "256",
    "EchoTrainLength": "15",
    "PercentSampling": "100",
    "PercentPhaseFieldOfView": "100",
    "PixelBandwidth": "130",
    "TransmitCoilName": "Body",
    "AcquisitionMatrix": [0, 256, 256, 0],
    "InPlanePhaseEncodingDirection": "ROW",
    "FlipAngle": "150",
    "VariableFlipAngleFlag": "N",
    "SAR": "0.8",
    "dBdt": "0",
}

XA: Mapping[str, object] = {
    "Modality": "XA",
    "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
    "SeriesDescription": "Coronary, left",
    "KVP": "80",
    "ExposureTime": "8",
    "XRayTubeCurrent": "600",
    "Exposure": "5",
    "RadiationSetting": "GR",
    "IntensifierSize": "200",
    "ImagerPixelSpacing": ["0.2", "0.2"],
    "PositionerMotion": "STATIC",
    "PositionerPrimaryAngle": "-30",
    "PositionerSecondaryAngle": "20",
    "CineRate": "15",
    "FrameTime": "66.6",
    "FrameIncrementPointer": 0x00181063,
    "PixelIntensityRelationship": "LIN",
}
