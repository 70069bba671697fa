"""A cluster of one real node on this machine: kubelet, containerd and runc, in Linux namespaces of its own.

What always holds: all of it runs below one process, so that nothing stays behind, whatever ends it; it reaches nothing
outside, and is seen by nothing outside. `sandbox` makes the namespaces, `requirements` says whether this machine can.
"""
