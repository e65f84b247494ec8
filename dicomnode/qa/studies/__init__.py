"""What only a whole study shows: slices that are missing, numbers that come twice, a patient who changes in between."""

from dicomnode.qa.studies.header import Header, header_of
from dicomnode.qa.studies.rules import STUDY_RULES, judge_study, study_rule_set

__all__ = ["STUDY_RULES", "Header", "header_of", "judge_study", "study_rule_set"]
