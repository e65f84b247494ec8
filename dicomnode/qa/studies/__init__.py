"""What only a whole study shows: slices that are missing, numbers that come twice, a patient who changes in between."""

from dicomnode.qa.studies.header import Header, header_of
from dicomnode.qa.studies.rules import OF_STUDIES, STUDY_RULES, effective_severities, judge_study, study_rule_set

__all__ = ["OF_STUDIES", "STUDY_RULES", "Header", "effective_severities", "header_of", "judge_study", "study_rule_set"]
