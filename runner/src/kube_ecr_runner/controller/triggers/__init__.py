"""Decides which resources need reconciling when a resource, a namespace, a Secret or a service account changes. Pure.

May import model and contract only. What always holds: what a run does leads to no other run. A run leaves the Secrets
of targets intact (see contract.ownership) and their service accounts with the Secret among theirs, and takes away what
is no target's; the triggers look for the opposite. All this only hastens what the next run would find by itself.
"""
