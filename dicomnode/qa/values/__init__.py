"""What values look like, whatever they say: form, length, padding, characters, their number (PS3.5 Section 6, PS3.6).

``looking`` goes through a data set, ``judging`` judges one element, ``forms`` knows the VRs; the rules are in ``value_rules``.
"""
