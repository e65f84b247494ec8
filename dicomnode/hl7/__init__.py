"""HL7 v2 over MLLP: orders become worklist entries, patient administration corrects what the index says of patients.

`listener` takes connections, `mllp` finds the messages in their bytes, `message` reads one, `mapping` says which field is which
attribute, `orders` and `patients` say what it asks for, `feed` does it and answers, `acknowledgment` is the answer. The parser is
python-hl7.
"""
