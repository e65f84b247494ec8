"""Scheduled Procedure Steps: entries, what finds them, whom they follow, and what was asked of them."""
