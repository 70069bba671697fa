"""The Kubernetes API as the runner uses it: client, reflectors, watch manager and leader election.

Only here are kubernetes and urllib3 imported. May import model, contract and log. Every call has time-outs and bounded
retries, and no error quotes an object.
"""
