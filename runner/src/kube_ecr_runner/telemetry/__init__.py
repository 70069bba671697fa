"""What the runner shows of itself: health, metrics, and the HTTP servers for both.

May import model, contract and log. No label value and no answer holds text that comes from a Secret.
"""
