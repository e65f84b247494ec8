"""What a query or retrieve Identifier says, and when a value fits a key (PS3.4 Annex C); who keeps the values is no matter here.

Read `identifier`, then `matching`.
"""
