"""From a result to status, events and texts for a person: pure functions.

May import model and contract. The same result gives the same text, so nothing is written twice.
"""
