"""Decides what is due and when, and what a result means: the control loop, its queue, its triggers and the single pass.

May import every other folder; only cli imports this one. Time and randomness are arguments, so tests run on a fake
clock.
"""
